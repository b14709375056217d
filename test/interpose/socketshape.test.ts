/** Sockets of Node 20 share their hidden classes (lib/interpose/socketshape.ts). */
import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { INTERPOSE, scenario } from './programs.js'

const isAffected = process.versions.v8.startsWith('11.')

function oldBytesOfEach(args: readonly string[]): number {
  return Number(execFileSync(process.execPath, [...args, scenario('manysockets')], { encoding: 'utf8' }))
}

describe.runIf(isAffected)('accepted sockets, Node 20', () => {
  it('as they are -> leave a kilobyte each for the old generation: what this is for', () => {
    expect(oldBytesOfEach([])).toBeGreaterThan(500)
  })

  it('interposed -> leave nothing', () => {
    expect(oldBytesOfEach(['--import', INTERPOSE])).toBeLessThan(100)
  })
})
