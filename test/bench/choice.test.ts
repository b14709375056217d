import { describe, expect, it } from 'vitest'
import { choose, manyConnections } from '../../bench/choice.js'
import { connectionsRefused } from '../../bench/contenders.js'
import { missingTools } from '../../bench/needs.js'
import type { Scenario } from '../../bench/rows/index.js'

function scenario(name: string, connections: number, needs: Scenario['needs'] = []): Scenario {
  return { name, servers: ['tas', 'nodeNet'], needs, rows: [], load: { kind: 'native', options: { mode: 'idle', connections } } }
}

/** More than any kernel allows a process (fs.nr_open is at most 2^31). */
const TOO_MANY = 3_000_000_000

describe('choice', () => {
  it('what there is everything for -> taken', () => {
    const few = scenario('few', 64)
    const { scenarios, leftOut, canTake } = choose([few], ['tas', 'nodeNet'])
    expect({ scenarios, leftOut, taken: canTake(few, 'nodeNet') }).toEqual({ scenarios: [few], leftOut: [], taken: true })
    expect(manyConnections(few)).toBeUndefined()
  })

  it('more connections than a process may have files -> left out for servers on the kernel, with the reason; TAS takes them', () => {
    const many = scenario('many', TOO_MANY)
    const { leftOut, canTake } = choose([many], ['tas', 'nodeNet'])
    expect([canTake(many, 'tas'), canTake(many, 'nodeNet')]).toEqual([true, false])
    expect(leftOut).toMatchObject([{ what: 'many of node:net' }])
    expect(leftOut[0].reason).toMatch(/open files in one process are not permitted here/)
    expect(connectionsRefused(1)).toBeNull()
  })

  it('a program that is missing -> left out, with the package that brings it', () => {
    const path = process.env['PATH']
    process.env['PATH'] = '/nowhere'
    try {
      const reason = missingTools(['wrk'])
      expect(reason).toMatch(/wrk is not installed \(Debian: apt-get install wrk\)/)
      expect(choose([scenario('http', 1, ['wrk'])], ['tas'])).toMatchObject({ scenarios: [], leftOut: [{ what: 'http', reason }] })
    } finally {
      process.env['PATH'] = path
    }
  })
})
