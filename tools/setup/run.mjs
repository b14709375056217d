/**
 * Behind `npm run build`, `demo`, `test` and the benchmarks: brings everything up to date that the task needs, saying what it does,
 * and then runs the task. Needs nothing but Node: it runs before `npm ci` has.
 */
import { checkNode } from './node.mjs'
import { prepare } from './build.mjs'
import { ensurePrograms } from './packages.mjs'
import { SetupError } from './steps.mjs'
import { runTask, TASKS } from './tasks.mjs'

async function main() {
  const [task, ...args] = process.argv.slice(2)
  if (!TASKS.includes(task)) throw new SetupError(`usage: run.mjs ${TASKS.join('|')} [arguments]`, 2)
  checkNode()
  await ensurePrograms(task)
  await prepare()
  return runTask(task, args)
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  console.error(error.message)
  process.exitCode = error.exitCode
}
