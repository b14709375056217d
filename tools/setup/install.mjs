/**
 * npm's `install` step: builds the native addon where the package is installed. In a clone it leaves that to
 * `npm run build`.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { checkNode } from './node.mjs'
import { unlinkOtherNode } from './othernode.mjs'
import { missingLine } from './packages.mjs'
import { root, SetupError, step } from './steps.mjs'

async function install() {
  if (existsSync(join(root, 'tsconfig.json'))) return unlinkOtherNode()
  checkNode()
  const line = missingLine('build')
  if (line !== null) throw new SetupError(`tasjs: its native addon cannot be built; ${line}`)
  const cmakeJs = join(dirname(createRequire(import.meta.url).resolve('cmake-js/package.json')), 'bin', 'cmake-js')
  await step('building the native addon', process.execPath, [cmakeJs, 'compile', '--config', 'Release'])
}

try {
  await install()
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  console.error(error.message)
  process.exitCode = error.exitCode
}
