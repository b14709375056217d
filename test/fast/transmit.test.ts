import { describe, expect, it } from 'vitest'
import {
  EVENT_TX_CLOSED, FLAG_IN_RECOVERY, FLAG_NAGLE, FLAG_WATCHED, TCB_CWND, TCB_FLAGS, TCB_RCV_NXT, TCB_SND_LIMIT, TCB_SND_NXT, TCB_SND_UNA, TCB_SND_WND, TCB_SRTT_US8,
  TO_FAST_FLOW_FIN, TO_FAST_FLOW_PROBE, TO_FAST_FLOW_FLAGS, TO_FAST_FLOW_SEND, TO_FAST_FLOW_UNWATCH, TO_FAST_FLOW_UPDATE,
  TO_SLOW_ACK, TO_SLOW_FLOW,
  WHAT_ACTIVE, WHAT_CWND_LIMITED, WHAT_FIN_ACKED, WHAT_FIN_QUEUED,
} from '../../lib/memif/index.js'
import { TCP_ACK, TCP_FIN, TCP_PSH } from '../../lib/wire/index.js'
import { IRS1, ISS1 } from './frames.js'
import { FastHarness } from './harness.js'

const filled = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i & 0xff)

describe('sending', () => {
  it('three segments’ worth without offload -> MSS by MSS, PSH on the last, watched once', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.write(flow, filled(3000))
    h.pass()
    expect(h.sent().map((s) => [s.seq - ISS1, s.payloadLen, s.flags])).toEqual([
      [0, 1448, TCP_ACK], [1448, 1448, TCP_ACK], [2896, 104, TCP_ACK | TCP_PSH],
    ])
    expect(h.told()).toMatchObject([{ flow, what: WHAT_ACTIVE }])
    h.write(flow, filled(10))
    h.pass()
    expect(h.told()).toEqual([])
  })

  it('with offload -> one super-segment with the MSS as its segment size', () => {
    const h = new FastHarness({ offload: true })
    const flow = h.addFlow()
    h.write(flow, filled(10_000))
    h.pass()
    const sent = h.sent()
    expect(sent.map((s) => [s.payloadLen, s.gso])).toEqual([[10_000, 1448]])
    expect(sent[0].data).toEqual(filled(10_000))
  })

  it('stream longer than the buffer, at a wrapping sequence number -> every byte right', () => {
    const h = new FastHarness()
    const iss1 = 0xffffff00 | 0
    const flow = h.addFlow({ txLog2: 10, iss1 })
    for (let round = 0; round < 20; round++) {
      h.write(flow, filled(700))
      h.pass()
      expect(h.sent().map((s) => s.data)).toEqual([filled(700)])
      h.receive({ ack: (iss1 + (round + 1) * 700) | 0 })
    }
    expect(h.count('appBadBumps')).toBe(0)
  })

  it('the peer’s window is smaller -> what fits, then more when it opens (RFC 9293, 3.8.6)', () => {
    const h = new FastHarness()
    const flow = h.addFlow({ sndWnd: 2000 })
    h.write(flow, filled(4000))
    h.pass()
    expect(h.sent().map((s) => s.payloadLen)).toEqual([1448])
    h.receive({ ack: ISS1 + 1448, window: 8000 })
    expect(h.sent().map((s) => s.payloadLen)).toEqual([1448, 1104])
  })

  it('cwnd is smaller -> the slow path hears of it once; an update lets the rest go', () => {
    const h = new FastHarness()
    const flow = h.addFlow({ cwnd: 1448 })
    h.write(flow, filled(4000))
    h.pass()
    expect(h.sent()).toHaveLength(1)
    expect(h.told()).toMatchObject([{ what: WHAT_ACTIVE | WHAT_CWND_LIMITED }])
    h.pass()
    expect(h.told()).toEqual([])
    h.state.words[h.tcb(flow) + TCB_CWND] = 14480
    h.command(TO_FAST_FLOW_UPDATE, { flow })
    h.pass()
    expect(h.sent()).toHaveLength(2)
  })

  it('many flows at once, more than header slots -> all go out over some passes', () => {
    const h = new FastHarness()
    const flows = Array.from({ length: 16 }, () => h.addFlow())
    flows.forEach((flow) => {
      h.write(flow, filled(16_000))
      h.pass()
    })
    for (let i = 0; i < 20; i++) h.pass()
    const bytes = h.sent().reduce((sum, s) => sum + s.payloadLen, 0)
    expect(bytes).toBe(16 * 16_000)
  })

  it('the port takes only some frames -> the rest goes later, nothing is lost or doubled', () => {
    const h = new FastHarness({ queueMax: 2 })
    const flow = h.addFlow()
    h.write(flow, filled(7000))
    const seen: number[] = []
    for (let i = 0; i < 10; i++) {
      h.pass()
      seen.push(...h.sent().map((s) => s.seq - ISS1))
    }
    expect(seen).toEqual([0, 1448, 2896, 4344, 5792])
  })
})

describe('acknowledgments', () => {
  it('of everything -> SND.UNA moves, the round-trip time is measured (RFC 6298, 2.2)', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.write(flow, filled(100))
    h.pass()
    h.nowUs += 90
    h.receive({ ack: ISS1 + 100 })
    expect(h.word(flow, TCB_SND_UNA)).toBe(ISS1 + 100)
    expect(h.word(flow, TCB_SRTT_US8)).toBe(100 * 8)
  })

  it('of small responses -> no event of their own; with data or when space is wanted -> one', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.write(flow, filled(100))
    h.pass()
    h.receive({ ack: ISS1 + 100 })
    expect(h.seen()).toEqual([])
    h.bump(flow, { wanted: 1 << 14 })
    h.pass()
    expect(h.seen()).toMatchObject([{ sndUna: ISS1 + 100 }])
  })

  it('of a quarter of the buffer -> an event', () => {
    const h = new FastHarness()
    const flow = h.addFlow({ txLog2: 12 })
    h.write(flow, filled(1100))
    h.pass()
    h.receive({ ack: ISS1 + 1100 })
    expect(h.seen()).toMatchObject([{ sndUna: ISS1 + 1100 }])
  })

  it('of what was never sent -> an ACK back, nothing else (RFC 9293, 3.10.7.4)', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.receive({ ack: ISS1 + 1, data: 'x' })
    expect(h.sent()).toMatchObject([{ seq: ISS1, ack: IRS1 }])
    expect(h.word(flow, TCB_SND_UNA)).toBe(ISS1)
  })

  it('older than SND.UNA with new data -> the data counts', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.write(flow, filled(100))
    h.pass()
    h.receive({ ack: ISS1 + 100 })
    h.receive({ ack: ISS1, data: 'new', window: 1 })
    expect(h.word(flow, TCB_SND_UNA)).toBe(ISS1 + 100)
    expect(h.seen()).toMatchObject([{ rcvEnd: IRS1 + 3 }])
  })
})

describe('loss', () => {
  const MSS = 1448

  /** Five segments in flight, the first one lost. */
  function lossy(options: { readonly toSlowEntries?: number } = {}): { h: FastHarness; flow: number } {
    const h = new FastHarness(options)
    const flow = h.addFlow()
    h.write(flow, filled(5 * MSS))
    for (let i = 0; i < 3; i++) h.pass()
    expect(h.sent()).toHaveLength(5)
    h.told()
    return { h, flow }
  }

  it('duplicate -> the slow path hears of each; nothing is sent again by itself', () => {
    const { h, flow } = lossy()
    h.receive({}, {}, {})
    expect(h.sent()).toEqual([])
    expect(h.toldAcks()).toEqual(Array.from({ length: 3 }, () => ({ flow, ack: ISS1, duplicates: 1, edges: [], tsEcr: 0 })))
  })

  it('more duplicates than the ring to the slow path holds -> dropped, counted, room left for the flow event behind them', () => {
    const { h, flow } = lossy({ toSlowEntries: 16 })
    h.bump(flow, { fin: true })
    h.receive(...Array.from({ length: 20 }, () => ({})))
    expect(h.told().map(({ type }) => type)).toEqual([...Array.from({ length: 14 }, () => TO_SLOW_ACK), TO_SLOW_FLOW])
    expect(h.count('dropSlowFull')).toBe(6)
  })

  it('SACK blocks -> passed on in their order (RFC 2018, 3)', () => {
    const { h, flow } = lossy()
    const sack = [{ start: ISS1 + 3 * MSS, end: ISS1 + 4 * MSS }, { start: ISS1 + MSS, end: ISS1 + 2 * MSS }]
    h.receive({ sackBlocks: sack })
    expect(h.toldAcks()).toEqual([{ flow, ack: ISS1, duplicates: 1, edges: sack.flatMap(({ start, end }) => [start, end]), tsEcr: 0 }])
  })

  it('order to send a range -> this range, cut to what is in flight, no round-trip measurement (Karn)', () => {
    const { h, flow } = lossy()
    h.command(TO_FAST_FLOW_SEND, { flow, first: ISS1 - 100, second: 100 + MSS })
    h.command(TO_FAST_FLOW_SEND, { flow, first: ISS1 + 4 * MSS, second: 10 * MSS })
    h.pass()
    expect(h.sent()).toMatchObject([{ seq: ISS1, payloadLen: MSS }, { seq: ISS1 + 4 * MSS, payloadLen: MSS }])
    h.receive({ ack: ISS1 + 5 * MSS })
    expect(h.word(flow, TCB_SRTT_US8)).toBe(0)
    h.command(TO_FAST_FLOW_SEND, { flow, first: ISS1, second: MSS })
    h.pass()
    expect(h.sent()).toEqual([])
  })

  it('order to send a range with the FIN -> the FIN too', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.write(flow, filled(10), { fin: true })
    h.pass()
    h.sent()
    h.command(TO_FAST_FLOW_SEND, { flow, first: ISS1, second: 11 })
    h.command(TO_FAST_FLOW_SEND, { flow, first: ISS1 + 10, second: 1 })
    h.pass()
    expect(h.sent()).toMatchObject([
      { seq: ISS1, payloadLen: 10, flags: TCP_ACK | TCP_PSH | TCP_FIN }, { seq: ISS1 + 10, payloadLen: 0, flags: TCP_ACK | TCP_FIN },
    ])
  })

  it('in recovery -> every acknowledgment goes up, new data only to the limit (RFC 6675, 5)', () => {
    const { h, flow } = lossy()
    h.write(flow, filled(3 * MSS))
    h.state.words[h.tcb(flow) + TCB_CWND] = 5 * MSS
    h.state.words[h.tcb(flow) + TCB_SND_LIMIT] = ISS1 + 6 * MSS
    h.command(TO_FAST_FLOW_FLAGS, { flow, first: FLAG_IN_RECOVERY })
    h.pass()
    expect(h.sent()).toMatchObject([{ seq: ISS1 + 5 * MSS, payloadLen: MSS }])
    h.receive({ ack: ISS1 + 2 * MSS, timestamps: { value: 200, echo: 77 } })
    expect(h.toldAcks()).toEqual([{ flow, ack: ISS1 + 2 * MSS, duplicates: 0, edges: [], tsEcr: 77 }])
    expect(h.sent()).toEqual([])
    h.command(TO_FAST_FLOW_FLAGS, { flow, second: FLAG_IN_RECOVERY })
    h.pass()
    expect(h.sent()).toMatchObject([{ seq: ISS1 + 6 * MSS, payloadLen: MSS }])
  })

  it('acknowledgment far older than any window -> dropped with its data (RFC 5961, 5.2)', () => {
    const { h, flow } = lossy()
    h.receive({ ack: ISS1 - 70_000, data: 'forged' })
    expect(h.seen()).toEqual([])
    expect(h.count('dropOldAck')).toBe(1)
    expect(h.word(flow, TCB_SND_UNA)).toBe(ISS1)
    expect(h.sent()).toMatchObject([{ payloadLen: 0, ack: IRS1 }])
  })
})

describe('Nagle (RFC 9293, 3.7.4)', () => {
  it('small data while something is in flight -> waits for the acknowledgment', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.command(TO_FAST_FLOW_FLAGS, { flow, first: FLAG_NAGLE })
    h.write(flow, filled(10))
    h.pass()
    expect(h.sent()).toMatchObject([{ payloadLen: 10 }])
    h.write(flow, filled(5))
    h.pass()
    h.write(flow, filled(6))
    h.pass()
    expect(h.sent()).toEqual([])
    h.receive({ ack: ISS1 + 10 })
    expect(h.sent()).toMatchObject([{ payloadLen: 11 }])
  })

  it('a full segment, or the last data before the FIN -> sent at once', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.command(TO_FAST_FLOW_FLAGS, { flow, first: FLAG_NAGLE })
    h.write(flow, filled(10))
    h.pass()
    h.write(flow, filled(1448 + 7))
    h.pass()
    expect(h.sent().map(({ payloadLen }) => payloadLen)).toEqual([10, 1448])
    h.write(flow, filled(3), { fin: true })
    h.pass()
    expect(h.sent()).toMatchObject([{ payloadLen: 10, flags: TCP_ACK | TCP_PSH | TCP_FIN }])
  })
})

describe('window whose end moves back while data is under way', () => {
  it.each([
    [7, 7, 1000, 'by less than its unit: rounding (RFC 7323, 2.4)'], [7, 6, 768, 'by a unit or more: shrunk'], [0, 999, 999, 'by a byte, not scaled: shrunk'],
  ])('shift %i, window field %i -> acknowledgments from %i, since it moved %s', (sndWscale, window, seq) => {
    const h = new FastHarness()
    const flow = h.addFlow({ sndWnd: 1000, sndWscale })
    h.write(flow, filled(1000))
    h.pass()
    h.sent()
    h.receive({ data: 'data', window })
    h.worker.flushDelayedAcks()
    expect(h.sent()).toMatchObject([{ seq: ISS1 + seq, ack: IRS1 + 4, payloadLen: 0 }])
  })
})

describe('window of a segment that was overtaken (RFC 9293, 3.10.7.4, SND.WL1 and SND.WL2)', () => {
  const window = (h: FastHarness, flow: number): number => h.word(flow, TCB_SND_WND)

  it('it fills a gap before one that arrived -> the later one’s window stays, its data counts', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.receive({ seq: IRS1 + 4, data: 'late', window: 9000 })
    expect(window(h, flow)).toBe(9000)
    h.receive({ data: 'data', window: 100 })
    expect([window(h, flow), h.word(flow, TCB_RCV_NXT)]).toEqual([9000, IRS1 + 8])
  })

  it('it begins before RCV.NXT -> the same; with an acknowledgment of something new it is newer all the same', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.write(flow, filled(10))
    h.receive({ data: 'data', window: 9000 })
    h.receive({ data: 'data and more', window: 100 })
    expect([window(h, flow), h.word(flow, TCB_RCV_NXT)]).toEqual([9000, IRS1 + 13])
    h.receive({ data: 'data and more!', ack: ISS1 + 10, window: 200 })
    expect(window(h, flow)).toBe(200)
  })

  it('not overtaken, gap or not -> its window counts, larger or smaller', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.receive({ window: 100 })
    expect(window(h, flow)).toBe(100)
    h.receive({ seq: IRS1 + 4, data: 'late', window: 9000 })
    h.receive({ seq: IRS1 + 8, window: 50 })
    expect(window(h, flow)).toBe(50)
    h.receive({ data: 'data' })
    h.receive({ seq: IRS1 + 8, window: 3000 })
    expect(window(h, flow)).toBe(3000)
  })
})

describe('closed window', () => {
  it('probe -> one byte beyond it; when the window opens the stream goes on without a hole (RFC 9293, 3.8.6.1)', () => {
    const h = new FastHarness()
    const flow = h.addFlow({ sndWnd: 0 })
    h.write(flow, filled(100))
    h.pass()
    expect(h.sent()).toEqual([])
    expect(h.told()).toMatchObject([{ what: WHAT_ACTIVE }])
    h.command(TO_FAST_FLOW_PROBE, { flow })
    h.pass()
    expect(h.sent()).toMatchObject([{ seq: ISS1, payloadLen: 1 }])
    h.receive({ ack: ISS1, window: 0 })
    h.receive({ ack: ISS1, window: 1000 })
    expect(h.sent()).toMatchObject([{ seq: ISS1, payloadLen: 100 }])
  })

  it('probe with nothing to send -> an old sequence number', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.command(TO_FAST_FLOW_PROBE, { flow })
    h.pass()
    expect(h.sent()).toMatchObject([{ seq: ISS1 - 1, payloadLen: 0 }])
  })

  it.each([[0], [7]])('acknowledging while a probe byte is out, shift %i -> the sequence number stays inside the peer’s window', (sndWscale) => {
    const h = new FastHarness()
    const flow = h.addFlow({ sndWnd: 0, sndWscale })
    h.write(flow, filled(100))
    h.command(TO_FAST_FLOW_PROBE, { flow })
    h.pass()
    h.sent()
    h.receive({ data: 'data', window: 0 })
    h.worker.flushDelayedAcks()
    expect(h.sent()).toMatchObject([{ seq: ISS1, ack: IRS1 + 4, payloadLen: 0 }])
  })
})

describe('our FIN', () => {
  it('with the last data -> one segment; its acknowledgment -> application and slow path are told', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.write(flow, filled(10), { fin: true })
    h.pass()
    expect(h.sent()).toMatchObject([{ seq: ISS1, payloadLen: 10, flags: TCP_ACK | TCP_PSH | TCP_FIN }])
    expect(h.told()).toMatchObject([{ what: WHAT_ACTIVE | WHAT_FIN_QUEUED }])
    h.receive({ ack: ISS1 + 11 })
    expect(h.seen()).toMatchObject([{ flags: EVENT_TX_CLOSED, sndUna: ISS1 + 10 }])
    expect(h.told()).toMatchObject([{ flow, what: WHAT_FIN_ACKED }])
  })

  it('ordered by the slow path, lost, timeout -> sent again', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.command(TO_FAST_FLOW_FIN, { flow })
    h.pass()
    expect(h.sent()).toMatchObject([{ seq: ISS1, flags: TCP_ACK | TCP_FIN }])
    h.command(TO_FAST_FLOW_SEND, { flow, first: ISS1, second: 1 })
    h.pass()
    expect(h.sent()).toMatchObject([{ seq: ISS1, flags: TCP_ACK | TCP_FIN }])
  })

  it('acknowledgments after it -> carry the sequence number behind it', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.write(flow, filled(0), { fin: true })
    h.pass()
    h.sent()
    h.receive({ ack: ISS1 + 1, flags: TCP_ACK | TCP_FIN })
    expect(h.sent()).toMatchObject([{ seq: ISS1 + 1, ack: IRS1 + 1 }])
    expect(h.word(flow, TCB_SND_NXT)).toBe(ISS1 + 1)
  })
})

describe('watching', () => {
  it('unwatch when quiet -> forgotten, told again with the next data; when not quiet -> told at once', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.write(flow, filled(10))
    h.pass()
    h.told()
    h.command(TO_FAST_FLOW_UNWATCH, { flow })
    h.pass()
    expect(h.told()).toMatchObject([{ flow, what: WHAT_ACTIVE }])
    h.receive({ ack: ISS1 + 10 })
    h.command(TO_FAST_FLOW_UNWATCH, { flow })
    h.pass()
    expect(h.told()).toEqual([])
    expect(h.word(flow, TCB_FLAGS) & FLAG_WATCHED).toBe(0)
    h.write(flow, filled(10))
    h.pass()
    expect(h.told()).toMatchObject([{ flow, what: WHAT_ACTIVE }])
  })
})
