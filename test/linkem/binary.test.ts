/** The compiled `tas-linkem`. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { compiled } from '../../tools/netlab/index.js'

const MAIN = compiled('tools/linkem/main.js')
const isBuilt = existsSync(MAIN)

describe.skipIf(!isBuilt)(`tas-linkem (${isBuilt ? 'built' : 'not built: npm run build'})`, () => {
  it('--help whose reader goes away -> exit 0, no trace', () => {
    const script = `exec 3>&1; { "$@" 2>&3; echo "code $?" >&3; } | true`
    const ended = spawnSync('sh', ['-c', script, 'sh', process.execPath, MAIN, '--help'], { encoding: 'utf8', timeout: 10_000 })
    expect(ended.stdout).toBe('code 0\n')
  })

  it('wrong option -> exit 2, one line', () => {
    const ended = spawnSync(process.execPath, [MAIN, '--rate=5', 'a', 'b'], { encoding: 'utf8', timeout: 10_000 })
    expect([ended.status, ended.stdout]).toEqual([2, ''])
    expect(ended.stderr).toMatch(/^tas-linkem: --rate: "5": want a rate [^\n]*\n$/)
  })
})
