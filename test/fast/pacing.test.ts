/** Paced flows through a whole worker: what waits, until when, and what does not. */
import { describe, expect, it } from 'vitest'
import {
  FLAG_CWND_LIMITED, FLAG_FIN_QUEUED, FLAG_IN_RECOVERY, FLAG_PACE_LISTED, FLAG_PACED, TCB_FLAGS, TCB_RATE_KBPS, TCB_SND_LIMIT,
  TCB_SND_NXT, TO_FAST_FLOW_ACK, TO_FAST_FLOW_ADD, TO_FAST_FLOW_FIN, TO_FAST_FLOW_PROBE, TO_FAST_FLOW_REMOVE, TO_FAST_FLOW_SEND,
  TO_FAST_FLOW_UPDATE, TO_SLOW_FLOW_REMOVED, WHAT_CWND_LIMITED,
} from '../../lib/memif/index.js'
import { PACE_BURST_US } from '../../service/fast/pacerates.js'
import { ISS1 } from './frames.js'
import { FastHarness, type FlowOptions } from './harness.js'

/** 1,500 bytes, a segment of MSS 1,460 with its headers, in 12 ms. */
const MEGABIT = 1_000
const SEGMENT_US = 12_000
const MSS = 1_460

function has(h: FastHarness, flow: number, flag: number): boolean {
  return (h.word(flow, TCB_FLAGS) & flag) !== 0
}

/** A worker with one flow that has ten segments to send and a rate of 1 Mbit/s; the first is sent. */
function begin(options: FlowOptions & { offload?: boolean } = {}): { h: FastHarness; flow: number } {
  const h = new FastHarness({ offload: options.offload ?? false })
  const flow = h.addFlow({ mss: MSS, rateKbps: MEGABIT, toSend: 10 * MSS, ...options })
  h.settle()
  return { h, flow }
}

/** The slow path sets another rate. */
function setRate(h: FastHarness, flow: number, rateKbps: number): void {
  h.state.words[h.tcb(flow) + TCB_RATE_KBPS] = rateKbps
  h.command(TO_FAST_FLOW_UPDATE, { flow })
  h.settle()
}

function waitUs(h: FastHarness): number {
  return h.worker.departureWaitUs(h.nowUs | 0)
}

/** How often the slow path hears that congestion window or rate limit the flow. */
function toldLimited(h: FastHarness): number {
  return h.told().filter(({ what }) => (what & WHAT_CWND_LIMITED) !== 0).length
}

describe('paced flow: data to send', () => {
  it('first segment -> at once; the next when the rate has room, to the microsecond', () => {
    const { h, flow } = begin()
    expect([h.sent().map(({ data }) => data.length), waitUs(h), has(h, flow, FLAG_PACE_LISTED)]).toEqual([[MSS], SEGMENT_US, true])
    h.nowUs += SEGMENT_US - 1
    h.settle()
    expect([h.sent().length, waitUs(h)]).toEqual([0, 1])
    h.nowUs += 1
    h.settle()
    expect([h.sent().map(({ seq }) => seq), waitUs(h)]).toEqual([[ISS1 + MSS], SEGMENT_US])
  })

  it('everything sent -> nothing waits, and no time-out', () => {
    const { h, flow } = begin()
    let departures = 0
    while (h.departNext()) departures++
    expect([departures, h.sent().length, waitUs(h), has(h, flow, FLAG_PACE_LISTED)]).toEqual([9, 10, -1, false])
    expect([h.count('pacedSegments'), h.count('paceWaits')]).toEqual([10, 9])
  })

  it('written long after everything was sent -> a burst, then the rate: nothing is made up for', () => {
    const { h, flow } = begin({ toSend: MSS })
    h.nowUs += 1_000_000
    h.write(flow, new Uint8Array(3 * MSS))
    h.settle()
    expect([h.sent().length, waitUs(h)]).toEqual([2, SEGMENT_US - PACE_BURST_US])
  })

  it('written before the next segment is due, then served late -> made up for', () => {
    const { h, flow } = begin({ toSend: MSS })
    h.write(flow, new Uint8Array(3 * MSS))
    h.settle()
    expect([h.sent().length, waitUs(h)]).toEqual([1, SEGMENT_US])
    h.nowUs += SEGMENT_US + 5_000
    h.settle()
    expect([h.sent().length, waitUs(h)]).toEqual([1, SEGMENT_US - 5_000])
  })

  it('no rate -> everything at once, and never a time-out', () => {
    const { h, flow } = begin({ rateKbps: 0 })
    expect([h.sent().length, waitUs(h), has(h, flow, FLAG_PACED), h.count('pacedSegments')]).toEqual([10, -1, false, 0])
  })

  it('more written, acknowledgments arrive while it waits -> it goes no sooner', () => {
    const { h, flow } = begin()
    h.nowUs += 5_000
    h.write(flow, new Uint8Array(100))
    h.receive({ ack: ISS1 + MSS })
    h.settle()
    expect([h.sent().length, waitUs(h)]).toEqual([1, SEGMENT_US - 5_010])
  })

  it('peer’s window closes while it waits -> nothing goes when due; when it opens, at once', () => {
    const { h, flow } = begin()
    h.receive({ ack: ISS1 + MSS, window: 0 })
    h.sent()
    h.departNext()
    expect([h.sent().length, waitUs(h), has(h, flow, FLAG_PACE_LISTED)]).toEqual([0, -1, false])
    h.nowUs += 1_000_000
    h.receive({ ack: ISS1 + MSS, window: 65_535 })
    h.settle()
    expect([h.sent().filter(({ data }) => data.length > 0).length, waitUs(h) > SEGMENT_US - 251]).toEqual([1, true])
  })

  it('the last of it carries the FIN -> together, when due; a FIN alone -> at once', () => {
    const { h, flow } = begin({ toSend: 2 * MSS })
    h.command(TO_FAST_FLOW_FIN, { flow })
    h.settle()
    expect([h.sent().length, has(h, flow, FLAG_FIN_QUEUED)]).toEqual([1, true])
    h.departNext()
    expect(h.sent().map(({ data, flags: bits }) => [data.length, bits & 1])).toEqual([[MSS, 1]])
    const alone = begin({ toSend: MSS })
    alone.h.command(TO_FAST_FLOW_FIN, { flow: alone.flow })
    alone.h.settle()
    expect(alone.h.sent().map(({ data, flags: bits }) => [data.length, bits & 1])).toEqual([[MSS, 0], [0, 1]])
  })

  it('acknowledgments -> not paced, not charged', () => {
    const { h, flow } = begin()
    h.sent()
    for (let i = 0; i < 20; i++) {
      h.command(TO_FAST_FLOW_ACK, { flow })
      h.pass(0)
    }
    expect([h.sent().filter(({ data }) => data.length === 0).length, waitUs(h)]).toEqual([20, SEGMENT_US])
  })
})

describe('paced flow: what the slow path hears', () => {
  it('the rate holds data back -> told once until the next update', () => {
    const { h, flow } = begin()
    expect([toldLimited(h), has(h, flow, FLAG_CWND_LIMITED)]).toEqual([1, true])
    h.departNext()
    h.departNext()
    expect(toldLimited(h)).toBe(0)
    setRate(h, flow, MEGABIT)
    expect(has(h, flow, FLAG_CWND_LIMITED)).toBe(false)
    h.departNext()
    expect([toldLimited(h), has(h, flow, FLAG_CWND_LIMITED)]).toEqual([1, true])
  })

  it('the application has nothing more, or the peer’s window is full -> not told', () => {
    expect(toldLimited(begin({ toSend: MSS }).h)).toBe(0)
    expect(toldLimited(begin({ sndWnd: MSS }).h)).toBe(0)
  })

  it('in recovery -> not told, but paced', () => {
    const { h, flow } = begin({ rateKbps: 0, toSend: 0, flags: FLAG_IN_RECOVERY })
    h.state.words[h.tcb(flow) + TCB_SND_LIMIT] = ISS1 + 10 * MSS
    setRate(h, flow, MEGABIT)
    h.write(flow, new Uint8Array(3 * MSS))
    h.settle()
    expect([h.sent().length, toldLimited(h), waitUs(h)]).toEqual([1, 0, SEGMENT_US])
  })
})

describe('paced flow: sent out of turn', () => {
  it('retransmission -> at once; new data waits for as much longer', () => {
    const { h, flow } = begin()
    h.sent()
    h.nowUs += 2_000
    h.command(TO_FAST_FLOW_SEND, { flow, first: ISS1, second: MSS })
    h.settle()
    expect([h.sent().map(({ seq }) => seq), waitUs(h)]).toEqual([[ISS1], 2 * SEGMENT_US - 2_000])
    expect([h.departNext(), h.sent().length, waitUs(h)]).toEqual([true, 1, SEGMENT_US])
  })

  it('window probe of one byte -> at once, charged', () => {
    const { h, flow } = begin()
    h.sent()
    h.command(TO_FAST_FLOW_PROBE, { flow })
    h.settle()
    expect([h.sent().map(({ data }) => data.length), waitUs(h)]).toEqual([[1], SEGMENT_US + 41 * 8])
  })

  it('a probe without data -> not charged', () => {
    const { h, flow } = begin({ toSend: MSS })
    h.receive({ ack: ISS1 + MSS })
    h.command(TO_FAST_FLOW_PROBE, { flow })
    h.settle()
    h.sent()
    h.write(flow, new Uint8Array(MSS))
    h.settle()
    expect([h.sent().length, waitUs(h)]).toEqual([0, SEGMENT_US - 10])
  })
})

describe('paced flow: another rate', () => {
  it('raised while it waits far ahead -> goes at the new rate', () => {
    const { h, flow } = begin({ rateKbps: 10 })
    expect(waitUs(h)).toBe(1_200_000)
    setRate(h, flow, MEGABIT)
    expect([h.sent().length, waitUs(h)]).toEqual([1, SEGMENT_US])
    setRate(h, flow, 100_000_000)
    // A segment takes an eighth of a microsecond.
    expect([h.sent().length, waitUs(h)]).toEqual([8, 1])
    h.departNext()
    expect([h.sent().length, waitUs(h)]).toEqual([1, -1])
  })

  it('lowered while it waits -> waits for as much longer', () => {
    const { h, flow } = begin()
    h.nowUs += SEGMENT_US / 2
    setRate(h, flow, 10)
    expect([h.sent().length, waitUs(h)]).toEqual([1, 600_000])
  })

  it('abolished while it waits -> everything at once, and nothing waits', () => {
    const { h, flow } = begin({ rateKbps: 10 })
    setRate(h, flow, 0)
    expect([h.sent().length, waitUs(h), has(h, flow, FLAG_PACED | FLAG_PACE_LISTED)]).toEqual([10, -1, false])
  })

  it('set for a flow that had none -> paced from then on', () => {
    const { h, flow } = begin({ rateKbps: 0, toSend: MSS })
    setRate(h, flow, MEGABIT)
    h.write(flow, new Uint8Array(3 * MSS))
    h.settle()
    expect([h.sent().length, waitUs(h), has(h, flow, FLAG_PACED)]).toEqual([2, SEGMENT_US, true])
  })

  it('written but not ordered -> not yet', () => {
    const { h, flow } = begin()
    h.state.words[h.tcb(flow) + TCB_RATE_KBPS] = 0
    h.settle()
    expect([waitUs(h), has(h, flow, FLAG_PACED)]).toEqual([SEGMENT_US, true])
  })
})

describe('paced flow: removed while it waits', () => {
  it('nothing waits, nothing goes; the same index again -> a flow of its own', () => {
    const { h, flow } = begin({ rateKbps: 10 })
    h.sent()
    h.command(TO_FAST_FLOW_REMOVE, { flow })
    h.settle()
    expect(h.told()).toContainEqual(expect.objectContaining({ type: TO_SLOW_FLOW_REMOVED, flow }))
    expect([waitUs(h), has(h, flow, FLAG_PACE_LISTED)]).toEqual([-1, false])
    h.addFlow({ flow, mss: MSS, rateKbps: MEGABIT, toSend: 3 * MSS })
    h.settle()
    expect([h.sent().length, waitUs(h)]).toEqual([1, SEGMENT_US])
    h.command(TO_FAST_FLOW_REMOVE, { flow })
    h.settle()
    h.addFlow({ flow, mss: MSS, toSend: 3 * MSS })
    h.settle()
    expect([h.sent().length, waitUs(h), has(h, flow, FLAG_PACED)]).toEqual([3, -1, false])
  })

  it('an order that was written before -> no harm', () => {
    const { h, flow } = begin({ rateKbps: 10 })
    h.state.words[h.tcb(flow) + TCB_RATE_KBPS] = MEGABIT
    for (const type of [TO_FAST_FLOW_REMOVE, TO_FAST_FLOW_UPDATE, TO_FAST_FLOW_SEND, TO_FAST_FLOW_ADD]) {
      h.command(type, { flow, first: ISS1, second: MSS })
    }
    h.settle()
    h.sent()
    expect([waitUs(h), h.departNext(), has(h, flow, FLAG_PACE_LISTED)]).toEqual([-1, false, false])
  })
})

describe('worker replaced', () => {
  it('a flow waits -> the next worker paces it, at the rate that stands in the TCB', () => {
    const { h, flow } = begin({ rateKbps: 10 })
    h.state.words[h.tcb(flow) + TCB_RATE_KBPS] = MEGABIT
    h.sent()
    h.replaceWorker()
    h.settle()
    // It does not know when the last one went: as after idleness.
    const { length } = h.sent().filter(({ data }) => data.length > 0)
    expect([length, waitUs(h), has(h, flow, FLAG_PACED)]).toEqual([1, SEGMENT_US - PACE_BURST_US, true])
  })

  it('the rate is gone meanwhile -> not paced', () => {
    const { h, flow } = begin()
    h.state.words[h.tcb(flow) + TCB_RATE_KBPS] = 0
    h.replaceWorker()
    h.settle()
    expect([h.sent().filter(({ data }) => data.length > 0).length, waitUs(h), has(h, flow, FLAG_PACED)]).toEqual([10, -1, false])
  })

  it('a flow that was to be removed -> does not wait', () => {
    const { h, flow } = begin()
    h.command(TO_FAST_FLOW_REMOVE, { flow })
    h.replaceWorker()
    h.settle()
    expect([waitUs(h), h.count('flows')]).toEqual([-1, 0])
  })
})

describe('flows that stay inside', () => {
  it('a rate in the TCB -> not paced', () => {
    const h = new FastHarness()
    const ports = { localPort: 1, remotePort: 2 }
    const flow = h.addFlow({ mss: MSS, rateKbps: 10, toSend: 8 * MSS, loopback: ports })
    h.settle()
    expect([waitUs(h), has(h, flow, FLAG_PACED), h.word(flow, TCB_SND_NXT)]).toEqual([-1, false, ISS1 + 8 * MSS])
  })
})

describe('paced flow: segmentation offload', () => {
  it('super-segments hold what the rate sends in a quarter of a millisecond, whole segments, at least one', () => {
    for (const [rateKbps, len] of [[MEGABIT, MSS], [50_000, MSS], [100_000, 2 * MSS], [1_000_000, 21 * MSS], [10_000_000, 44 * MSS]]) {
      const { h } = begin({ offload: true, rateKbps, toSend: 1_000_000, txLog2: 20, sndWnd: 1 << 29, cwnd: 1 << 29 })
      const { gso, data } = h.sent()[0]
      expect([rateKbps, data.length, gso]).toEqual([rateKbps, len, len > MSS ? MSS : 0])
    }
  })
})
