/** Runs experiments: `npm run experiments`. */
import { resolve } from 'node:path'
import { runProgram, sayAs } from '../bench/program.js'
import { markdownTable, namespacesRefused, packageRoot } from '../tools/netlab/index.js'
import { EXPERIMENTS } from './list.js'
import { HELP, readOptions, type Options } from './options.js'
import { jsonText, writeResult, writeVerdict } from './report/documents.js'
import type { Experiment, Result } from './report/experiment.js'
import { goalsText } from './report/markdown.js'

const say = sayAs('experiments')

function conditions({ quick, seed }: Options): string {
  return `Seed ${seed}${quick ? ', short times (--quick): not for conclusions' : ''}; \`npm run experiments\` writes this.`
}

function print({ number, title }: Experiment, { goals, tables }: Result): void {
  console.log(`\n${number}. ${title}\n\n${goalsText(goals)}`)
  for (const { head, rows } of tables) console.log(`\n${markdownTable(head, rows)}`)
}

await runProgram('experiments', async () => {
  const options = readOptions(process.argv.slice(2), EXPERIMENTS)
  if (options === null) {
    process.stdout.write(HELP)
    return 0
  }
  let code = 0
  for (const experiment of options.chosen) {
    const { cpuUsage } = process
    const before = cpuUsage()
    say(`${experiment.number}. ${experiment.title}`)
    const refused = experiment.needsNetwork === true ? await namespacesRefused() : null
    if (refused !== null) {
      say(`  not run: ${refused}`)
      code = 1
      continue
    }
    const result = await experiment.run({ quick: options.quick, seed: options.seed, say: (text) => say(`  ${text}`) })
    say(`  ${((cpuUsage().user - before.user) / 1e6).toFixed(0)} s of CPU`)
    if (options.json) process.stdout.write(jsonText({ name: experiment.name, goals: result.goals, data: result.data }))
    else print(experiment, result)
    if (options.out === null) continue
    const folder = resolve(packageRoot, options.out)
    await writeResult(folder, experiment, result, conditions(options))
    await writeVerdict(folder, experiment, result)
  }
  return code
})
