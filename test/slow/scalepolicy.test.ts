import { describe, expect, it } from 'vitest'
import { DOWN_US, ScalePolicy, SETTLE_US, VAIN_US } from '../../service/slow/scalepolicy.js'
import { LOOK_US } from '../../service/slow/scaler.js'

/** Runs a policy on a load that workers share; `demand(us)` is in workers. Returns the changes as [milliseconds, workers]. */
function run(
  max: number, forUs: number, loads: (us: number, active: number) => number[], policy = new ScalePolicy(max), fromUs = 0, first = 1,
): [number, number][] {
  const changes: [number, number][] = []
  let active = first
  for (let us = fromUs; us < fromUs + forUs; us += LOOK_US) {
    const shares = loads(us, active)
    const next = policy.look(us, [...shares, ...new Array<number>(max).fill(0)].slice(0, max), active)
    if (next !== active) changes.push([Math.round((us - fromUs) / 1000), next])
    active = next
  }
  return changes
}

/** A load of `demand` workers that spreads evenly. */
function even(demand: number): (us: number, active: number) => number[] {
  return (_, active) => new Array<number>(active).fill(Math.min(1, demand / active))
}

describe('number of workers', () => {
  it('one is busy all the time -> another within fifteen milliseconds, a third only after the change has settled', () => {
    const changes = run(4, 1_000_000, even(3.9))
    expect(changes.map(([, active]) => active)).toEqual([2, 3, 4])
    expect(changes[0][0]).toBeLessThanOrEqual(15)
    expect(changes[1][0] - changes[0][0]).toBeGreaterThanOrEqual(SETTLE_US / 1000)
  })

  it('a burst of four milliseconds -> no change', () => {
    expect(run(2, 1_000_000, (us) => [us % 100_000 < 4_000 ? 1 : 0.2])).toEqual([])
  })

  it('busy nine tenths of the time, counted in lumps of ten milliseconds -> another', () => {
    expect(run(2, 1_000_000, (us) => [us % 10_000 < LOOK_US ? 10_000 / LOOK_US * 0.93 : 0]).map(([, active]) => active)).toContain(2)
  })

  it('the load ends -> one less every two seconds, down to one', () => {
    const changes = run(4, 20_000_000, even(0), new ScalePolicy(4), 0, 4)
    expect(changes.map(([, active]) => active)).toEqual([3, 2, 1])
    expect(changes[0][0]).toBeGreaterThanOrEqual(DOWN_US / 1000)
    expect(changes[2][0]).toBeLessThan(8_000)
  })

  it.each([0.3, 0.85, 0.95, 1.1, 1.5, 1.85, 2.5])('a steady load of %f workers, a minute -> it comes to rest', (demand) => {
    const changes = run(4, 60_000_000, even(demand))
    expect(changes.length).toBeLessThanOrEqual(3)
    expect(changes.every(([ms]) => ms < 1_000)).toBe(true)
  })

  it('a load that comes and goes every second -> the number stays up', () => {
    const changes = run(2, 60_000_000, (us, active) => even(us % 1_000_000 < 500_000 ? 1.5 : 0)(us, active))
    expect(changes.map(([, active]) => active)).toEqual([2])
  })

  it('a single connection that no other worker can share -> tried, taken back, not tried again for ten seconds', () => {
    const changes = run(4, 9_000_000, (_, active) => [1, ...new Array<number>(active - 1).fill(0)])
    expect(changes.map(([, active]) => active)).toEqual([2, 1])
    const again = run(4, 2 * VAIN_US, (_, active) => [1, ...new Array<number>(active - 1).fill(0)])
    expect(again.length).toBeLessThanOrEqual(6)
  })

  it('the number was set by hand -> nothing is changed before that has settled', () => {
    const policy = new ScalePolicy(4)
    run(4, 500_000, even(0.99), policy)
    policy.reset(500_000)
    expect(run(4, SETTLE_US, even(0.99), policy, 500_000)).toEqual([])
  })
})
