import { describe, expect, it } from 'vitest'
import {
  BUMP_URGENT, BUMP_URGENT_SHIFT, FLAG_ECN, FLAG_EXTRA, TCB_FLAGS, TO_FAST_FLOW_PROBE, TO_FAST_FLOW_SEND, TO_FAST_FLOW_UPDATE, TCB_CWND,
} from '../../lib/memif/index.js'
import { TCP_URG } from '../../lib/wire/index.js'
import { ISS1 } from './frames.js'
import { FastHarness } from './harness.js'

/** Segments sent: first byte, payload, and where what is urgent ends, or null without URG. */
function sent(h: FastHarness): [number, number, number | null][] {
  return h.sent().map(({ seq, payloadLen, flags, urgent }) => [
    seq - ISS1, payloadLen, (flags & TCP_URG) === 0 ? null : seq - ISS1 + urgent,
  ])
}

/** Writes `lenBytes` and marks as urgent all but the last `behind` of what was written. */
function writeUrgent(h: FastHarness, flow: number, lenBytes: number, behind = 0): void {
  h.write(flow, new Uint8Array(lenBytes), { bits: BUMP_URGENT | (behind << BUMP_URGENT_SHIFT) })
  h.pass()
}

describe('urgent data (RFC 9293, 3.8.5)', () => {
  it('written -> URG and the pointer to the first byte that is not urgent, in each segment before it (MUST-30, MUST-31, MUST-62)', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    writeUrgent(h, flow, 3000, 104)
    expect(sent(h)).toEqual([[0, 1448, 2896], [1448, 1448, 2896], [2896, 104, null]])
  })

  it('all of it acknowledged -> URG no more', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    writeUrgent(h, flow, 10)
    h.receive({ ack: ISS1 + 10 })
    sent(h)
    h.write(flow, new Uint8Array(5))
    h.pass()
    expect(sent(h)).toEqual([[10, 5, null]])
    expect(h.word(flow, TCB_FLAGS) & FLAG_EXTRA).toBe(0)
  })

  it('with offload -> no super-segments before its end, super-segments behind', () => {
    const h = new FastHarness({ offload: true })
    const flow = h.addFlow()
    writeUrgent(h, flow, 2000)
    expect(sent(h)).toEqual([[0, 1448, 2000], [1448, 552, 2000]])
    h.receive({ ack: ISS1 + 2000 })
    h.write(flow, new Uint8Array(10))
    h.pass()
    sent(h)
    h.write(flow, new Uint8Array(8000))
    h.pass()
    expect(sent(h)).toEqual([[2010, 8000, null]])
  })

  it('the peer’s window is closed -> told by a segment without data, and again by probes', () => {
    const h = new FastHarness()
    const flow = h.addFlow({ sndWnd: 0 })
    writeUrgent(h, flow, 100)
    expect(sent(h)).toEqual([[0, 0, 100]])
    h.command(TO_FAST_FLOW_PROBE, { flow })
    h.pass()
    expect(sent(h)).toEqual([[0, 1, 100]])
  })

  it('the same bump twice, then more urgent data -> told once for each', () => {
    const h = new FastHarness()
    const flow = h.addFlow({ cwnd: 0 })
    writeUrgent(h, flow, 10)
    writeUrgent(h, flow, 0)
    expect(sent(h)).toEqual([[0, 0, 10]])
    writeUrgent(h, flow, 10)
    expect(sent(h)).toEqual([[0, 0, 20]])
    h.state.words[h.tcb(flow) + TCB_CWND] = 1 << 20
    h.command(TO_FAST_FLOW_UPDATE, { flow })
    h.pass()
    expect(sent(h)).toEqual([[0, 20, 20]])
  })

  it('further away than a pointer reaches -> the greatest pointer, then the right one (RFC 6093, 3.3)', () => {
    const h = new FastHarness()
    const flow = h.addFlow({ txLog2: 17, sndWnd: 1 << 17, mss: 40_000 })
    writeUrgent(h, flow, 100_000)
    expect(sent(h)).toEqual([[0, 40_000, 65_535], [40_000, 40_000, 100_000], [80_000, 20_000, 100_000]])
  })

  it('sent again -> URG again; ECN as ever', () => {
    const h = new FastHarness()
    const flow = h.addFlow({ flags: FLAG_ECN })
    writeUrgent(h, flow, 1448)
    sent(h)
    h.command(TO_FAST_FLOW_SEND, { flow, first: ISS1, second: 1448 })
    h.pass()
    expect(sent(h)).toEqual([[0, 1448, 1448]])
  })

  it('an end long acknowledged, from a hostile application -> ignored', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.write(flow, new Uint8Array(10), { bits: BUMP_URGENT | (0xffffff << BUMP_URGENT_SHIFT) })
    h.pass()
    expect(sent(h)).toEqual([[0, 10, null]])
    expect(h.count('appBadBumps')).toBe(0)
  })

  it('the worker is replaced -> the same is urgent', () => {
    const h = new FastHarness()
    const flow = h.addFlow({ cwnd: 0 })
    writeUrgent(h, flow, 100, 50)
    sent(h)
    h.replaceWorker()
    h.pass()
    expect(sent(h)).toEqual([[0, 0, 50]])
  })
})
