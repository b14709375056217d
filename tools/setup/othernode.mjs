/**
 * Tests run programs on another version of Node, which is an npm package. npm links its binary as `node_modules/.bin/node`, and what stands
 * there comes before the user's own node in every npm script: the link has to go.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './steps.mjs'

/** Takes the link away, if there is one. */
export function unlinkOtherNode() {
  rmSync(join(root, 'node_modules', '.bin', 'node'), { force: true })
}
