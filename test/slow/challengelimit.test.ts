/** Limits of challenge acknowledgments (RFC 5961, 7; CVE-2016-5696). */
import { describe, expect, it } from 'vitest'
import { ChallengeLimit, type Challenged } from '../../service/slow/challengelimit.js'

const SECOND_US = 1_000_000

function connections(count: number): Challenged[] {
  return Array.from({ length: count }, () => ({ challenges: 0, challengeUs: 0 }))
}

/** A limit whose random numbers come from a seed. */
function seeded(): ChallengeLimit {
  let random = 7
  return new ChallengeLimit({ u32: () => (random = (Math.imul(random, 1103515245) + 12345) >>> 0) })
}

describe('challenge limit', () => {
  it('one connection -> ten a second, then ten in the next', () => {
    const limit = seeded()
    const [connection] = connections(1)
    const count = (atUs: number): number => Array.from({ length: 50 }, () => limit.allow(connection, atUs)).filter(Boolean).length
    expect([count(SECOND_US), count(SECOND_US + 999_999), count(2 * SECOND_US)]).toEqual([10, 0, 10])
  })

  it('one connection is flooded -> others keep theirs', () => {
    const limit = seeded()
    const [flooded, other] = connections(2)
    for (let i = 0; i < 100_000; i++) limit.allow(flooded, SECOND_US)
    expect(limit.allow(other, SECOND_US)).toBe(true)
  })

  it('all connections together -> between 5,000 and 15,000 a second, another number each time', () => {
    const limit = seeded()
    const all = connections(2000)
    const counts = Array.from({ length: 10 }, (_, second) => {
      const nowUs = (second + 1) * SECOND_US
      return all.reduce((count, connection) => {
        for (let i = 0; i < 10; i++) if (limit.allow(connection, nowUs)) count++
        return count
      }, 0)
    })
    for (const count of counts) {
      expect(count).toBeGreaterThanOrEqual(5000)
      expect(count).toBeLessThan(15_000)
    }
    expect(new Set(counts).size).toBe(10)
  })
})
