/** Which Node runs this. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, SetupError } from './steps.mjs'

/** Throws SetupError unless this is Linux with a Node that package.json allows. */
export function checkNode() {
  if (process.platform !== 'linux') throw new SetupError(`tasjs runs on Linux only; this is ${process.platform}`)
  const wanted = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).engines.node
  const least = wanted.replace('>=', '').split('.').map(Number)
  const found = process.versions.node.split('.').map(Number)
  const isOlder = found[0] < least[0] || (found[0] === least[0] && found[1] < (least[1] ?? 0))
  if (isOlder) throw new SetupError(`tasjs needs Node ${wanted}; this is ${process.versions.node}`)
}
