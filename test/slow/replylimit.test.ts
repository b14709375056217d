/** Limits on what strangers can make us send (RFC 5961, 7; CVE-2016-5696). */
import { describe, expect, it } from 'vitest'
import { TO_FAST_FLOW_ACK } from '../../lib/memif/index.js'
import { ReplyLimit } from '../../service/slow/replylimit.js'
import { accepted, PEER_ISS, TCP_ACK, TCP_SYN } from './scenes.js'

const SECOND_US = 1_000_000

/** Answers in the second that begins at `atUs`. */
function answers(limit: ReplyLimit, atUs: number): number {
  let count = 0
  while (limit.allow(atUs + count % 1000)) count++
  return count
}

describe('reply limit', () => {
  it('a second -> between half and one and a half of the number, another one each time', () => {
    let random = 7
    const limit = new ReplyLimit(1000, { u32: () => (random = (Math.imul(random, 1103515245) + 12345) >>> 0) })
    const counts = Array.from({ length: 20 }, (_, second) => answers(limit, (second + 1) * SECOND_US))
    for (const count of counts) {
      expect(count).toBeGreaterThanOrEqual(500)
      expect(count).toBeLessThan(1500)
    }
    expect(new Set(counts).size).toBeGreaterThan(15)
  })

  it('resets to strangers -> limited, and not by challenges of connections', () => {
    const { host, flow, gen } = accepted()
    for (let i = 0; i < 20; i++) host.send({ seq: PEER_ISS + 1, flags: TCP_SYN }, flow, gen)
    expect(host.work().filter(({ type }) => type === TO_FAST_FLOW_ACK)).toHaveLength(10)
    let resets = 0
    for (let port = 1; port < 1600; port++) {
      host.send({ flags: TCP_ACK, ack: 5, remotePort: port, localPort: 99 })
      resets += host.sent().length
    }
    expect(resets).toBeGreaterThanOrEqual(500)
    expect(resets).toBeLessThan(1500)
  })
})
