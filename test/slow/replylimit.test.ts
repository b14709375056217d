/** Answers to strangers: bounded for each and for all, and one kind does not starve another. */
import { describe, expect, it } from 'vitest'
import { ReplyLimit } from '../../service/slow/replylimit.js'
import { listening, TCP_ACK, TCP_RST, TCP_SYN } from './scenes.js'

const SECOND_US = 1_000_000

function limit(salt = 0x12345678): ReplyLimit {
  return new ReplyLimit({ u32: () => salt }, 0)
}

function count(times: number, allow: (i: number) => boolean): number {
  let allowed = 0
  for (let i = 0; i < times; i++) if (allow(i)) allowed++
  return allowed
}

describe('replies', () => {
  it('one address without end -> 250 resets a second and what is spare; others are answered', () => {
    const replies = limit()
    expect(count(20_000, () => replies.mayRefuse(7, true, 0))).toBe(5_250)
    const later = count(20_000, (i) => replies.mayRefuse(7, true, (i + 1) * 50))
    expect([later >= 5_248, later <= 5_250]).toEqual([true, true])
    expect(count(100, (i) => replies.mayRefuse(1000 + i, true, SECOND_US))).toBeGreaterThan(97)
  })

  it('ten thousand clients of a TAS that has died, from one address -> all reset within four seconds', () => {
    const replies = limit()
    const isReset = new Set<number>()
    for (let ms = 0; ms < 4_000; ms += 200) {
      for (let client = 0; client < 10_000; client++) if (!isReset.has(client) && replies.mayRefuse(7, false, ms * 1_000)) isReset.add(client)
    }
    expect(isReset.size).toBe(10_000)
  })

  it('acknowledgments from everywhere -> 5,000 resets a second; who tries to connect is still refused', () => {
    const replies = limit()
    expect(count(50_000, (i) => replies.mayRefuse(Math.imul(i, 0x10001), false, 0))).toBe(5_000)
    expect(replies.mayRefuse(7, true, 0)).toBe(true)
  })

  it('another service -> other addresses share a group', () => {
    const together = (salt: number): number[] => {
      const replies = limit(salt)
      count(10_000, () => replies.mayRefuse(7, true, 0))
      return Array.from({ length: 2000 }, (_, i) => i + 8).filter((ip) => !replies.mayRefuse(ip, true, 0))
    }
    expect(together(1)).not.toEqual(together(0x9abcdef0))
  })
})

describe('CLOSED', () => {
  it('a flood of stray ACKs from everywhere -> a SYN to a closed port still gets its RST (RFC 9293, 3.10.7.1)', () => {
    const { host } = listening()
    for (let i = 0; i < 20_000; i++) host.send({ seq: i, ack: i, flags: TCP_ACK, remotePort: 1 + (i % 60_000) })
    host.sent()
    host.send({ seq: 5, flags: TCP_SYN, localPort: 81, remotePort: 7 })
    expect(host.sent()).toMatchObject([{ ack: 6, flags: TCP_RST | TCP_ACK, targetPort: 7 }])
    expect(host.count('resetsSent')).toBeLessThanOrEqual(2_751)
  })
})
