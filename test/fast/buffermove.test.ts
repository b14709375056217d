import { describe, expect, it } from 'vitest'
import {
  MOVE_DONE, MOVE_GRANTED, MOVE_NONE, MOVE_RX_BUFFER, MOVE_RX_LOG2, MOVE_RX_SEQ, MOVE_RX_STATE, MOVE_SWITCHED, MOVE_SWITCHING,
  MOVE_TX_BUFFER, MOVE_TX_LOG2, MOVE_TX_STATE, MOVE_WORDS, TCB_BUFFER, TCB_RCV_NXT, TCB_RX_BASE, TCB_RX_LOG2_U8, TCB_SND_END,
  TCB_TX_BUFFER, TCB_TX_LOG2_U8, TO_FAST_FLOW_RX_BUFFER, WHAT_RX_LIMITED, WHAT_RX_MOVED, WHAT_RX_USED, WHAT_TX_LIMITED, WHAT_TX_MOVED,
} from '../../lib/memif/index.js'
import { IRS1, ISS1 } from './frames.js'
import { FastHarness } from './harness.js'

/** Pieces that no flow has. */
const PIECE = (3 << 20) / 64
const OTHER = PIECE + (1 << 19) / 64
const LOG2 = 16
const filled = (length: number, first = 0): Uint8Array => Uint8Array.from({ length }, (_, i) => (first + i) & 0xff)

function move(h: FastHarness, flow: number, word: number): number {
  return h.state.words[h.state.places.movesWord + flow * MOVE_WORDS + word]
}

function setMove(h: FastHarness, flow: number, word: number, value: number): void {
  h.state.words[h.state.places.movesWord + flow * MOVE_WORDS + word] = value
}

/** The slow path grants a receive buffer and orders the change. */
function grantRx(h: FastHarness, flow: number, place = PIECE, log2 = LOG2): void {
  setMove(h, flow, MOVE_RX_BUFFER, place)
  setMove(h, flow, MOVE_RX_LOG2, log2)
  setMove(h, flow, MOVE_RX_STATE, MOVE_GRANTED)
  h.command(TO_FAST_FLOW_RX_BUFFER, { flow })
  h.pass()
}

function grantTx(h: FastHarness, flow: number): void {
  setMove(h, flow, MOVE_TX_BUFFER, PIECE)
  setMove(h, flow, MOVE_TX_LOG2, LOG2)
  setMove(h, flow, MOVE_TX_STATE, MOVE_GRANTED)
}

function log2s(h: FastHarness, flow: number): [number, number] {
  return [h.state.bytes[h.tcb(flow) * 4 + TCB_RX_LOG2_U8], h.state.bytes[h.tcb(flow) * 4 + TCB_TX_LOG2_U8]]
}

const told = (h: FastHarness): number => h.told().reduce((all, { what }) => all | what, 0)

describe('receive buffer', () => {
  it('granted while empty -> changed at once, the peer learns the window, the old one is free', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    grantRx(h, flow)
    expect([h.word(flow, TCB_BUFFER), log2s(h, flow)[0]]).toEqual([PIECE, LOG2])
    expect(h.sent()).toMatchObject([{ window: 65535 }])
    expect([told(h), move(h, flow, MOVE_RX_STATE)]).toEqual([WHAT_RX_MOVED, MOVE_DONE])
    h.receive({ data: 'hello' })
    expect(h.seen()).toMatchObject([{ rxBuffer: PIECE, rxLog2: LOG2, rxBase: IRS1, rcvEnd: IRS1 + 5 }])
    expect(new TextDecoder().decode(h.appBytes.slice(PIECE * 64, PIECE * 64 + 5))).toBe('hello')
  })

  it('granted while bytes are unread -> new ones go into the new, the old is free when the last of them is given back', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.receive({ data: filled(100) })
    h.bump(flow, { read: IRS1 + 1 })
    grantRx(h, flow)
    expect([told(h), move(h, flow, MOVE_RX_STATE)]).toEqual([0, MOVE_SWITCHED])
    h.receive({ seq: IRS1 + 100, data: 'new' })
    expect(h.word(flow, TCB_RX_BASE)).toBe(IRS1 + 100)
    h.bump(flow, { read: IRS1 + 99 })
    h.pass()
    expect(told(h)).toBe(0)
    h.bump(flow, { read: IRS1 + 100 })
    h.pass()
    expect([told(h), move(h, flow, MOVE_RX_STATE)]).toEqual([WHAT_RX_MOVED, MOVE_DONE])
  })

  it('granted while something is out of order -> once the gap is closed', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    const before = h.word(flow, TCB_BUFFER)
    h.receive({ seq: IRS1 + 10, data: filled(10) })
    grantRx(h, flow)
    expect(h.word(flow, TCB_BUFFER)).toBe(before)
    h.receive({ data: filled(10) })
    h.bump(flow, { read: IRS1 + 20 })
    h.pass()
    expect([h.word(flow, TCB_BUFFER), told(h)]).toEqual([PIECE, WHAT_RX_MOVED])
  })

  it('a second one before the application can know the first -> only when it has given back a byte of the first', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    grantRx(h, flow)
    h.receive({ data: filled(10) })
    grantRx(h, flow, OTHER)
    expect(h.word(flow, TCB_BUFFER)).toBe(PIECE)
    h.bump(flow, { read: IRS1 + 1 })
    h.pass()
    expect([h.word(flow, TCB_BUFFER), h.word(flow, TCB_RX_BASE)]).toEqual([OTHER, IRS1 + 10])
  })

  it('the stream went back to the front and the application has not heard of that -> only when it has given back a byte since', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    for (let at = 0; at < 5000; at += 1000) h.receive({ seq: IRS1 + at, data: filled(1000) })
    h.bump(flow, { read: IRS1 + 5000 })
    h.pass()
    h.receive({ seq: IRS1 + 5000, data: filled(1000) })
    grantRx(h, flow)
    expect([h.word(flow, TCB_RX_BASE), h.word(flow, TCB_BUFFER) === PIECE]).toEqual([IRS1 + 5000, false])
    h.bump(flow, { read: IRS1 + 5001 })
    h.pass()
    expect([h.word(flow, TCB_RX_BASE), h.word(flow, TCB_BUFFER)]).toEqual([IRS1 + 6000, PIECE])
  })

  it('half of it read in a round -> WHAT_RX_LIMITED, once; less -> nothing', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    const exchange = (from: number, len: number): void => {
      for (let at = 0; at < len; at += 1000) h.receive({ seq: IRS1 + from + at, data: filled(Math.min(1000, len - at)) })
      h.bump(flow, { read: IRS1 + from + len })
      h.pass(300)
      h.seen()
    }
    exchange(0, 4000)
    expect(told(h) & WHAT_RX_LIMITED).toBe(0)
    exchange(4000, 9000)
    expect(told(h) & WHAT_RX_LIMITED).toBe(WHAT_RX_LIMITED)
    exchange(13_000, 9000)
    expect(told(h) & WHAT_RX_LIMITED).toBe(0)
  })

  it('walked far and empty again -> WHAT_RX_USED, once', () => {
    const h = new FastHarness()
    const flow = h.addFlow({ rxLog2: 16 })
    for (let lap = 0; lap < 2; lap++) {
      for (let at = 0; at < 40_000; at += 1000) h.receive({ seq: IRS1 + lap * 40_000 + at, data: filled(1000) })
      h.bump(flow, { read: IRS1 + (lap + 1) * 40_000 })
      h.pass()
      h.seen()
      expect(told(h) & WHAT_RX_USED).toBe(lap === 0 ? WHAT_RX_USED : 0)
    }
  })
})

describe('transmit buffer', () => {
  /** The application copies and names the new buffer. */
  function copied(h: FastHarness, flow: number): void {
    const from = h.word(flow, TCB_TX_BUFFER) * 64
    h.appBytes.copyWithin(PIECE * 64, from, from + (1 << 14))
  }

  it('a bump names the granted one -> what was written stands there, retransmissions too; the old one is free', () => {
    const h = new FastHarness()
    const flow = h.addFlow({ cwnd: 1000 })
    h.write(flow, filled(2000))
    h.pass()
    h.sent()
    grantTx(h, flow)
    copied(h, flow)
    h.appBytes.set(filled(16, 200), PIECE * 64 + 2000)
    h.appBytes.fill(0xee, h.word(flow, TCB_TX_BUFFER) * 64, h.word(flow, TCB_TX_BUFFER) * 64 + (1 << 14))
    h.bump(flow, { end: ISS1 + 2016, txBuffer: PIECE })
    h.pass()
    expect([h.word(flow, TCB_TX_BUFFER), log2s(h, flow)[1], h.word(flow, TCB_SND_END)]).toEqual([PIECE, LOG2, ISS1 + 2016])
    expect([told(h) & WHAT_TX_MOVED, move(h, flow, MOVE_TX_STATE)]).toEqual([WHAT_TX_MOVED, MOVE_DONE])
    h.receive({ ack: ISS1 + 1000 })
    h.receive({ ack: ISS1 + 2000 })
    const bytes = h.sent().flatMap(({ data }) => [...data])
    expect(Uint8Array.from(bytes)).toEqual(Uint8Array.from([...filled(1000, 1000 & 0xff), ...filled(16, 200)]))
  })

  it.each([
    ['a piece that nobody granted', OTHER, MOVE_GRANTED],
    ['a granted piece that was taken back', PIECE, MOVE_NONE],
    ['one that it changed to before', PIECE, MOVE_DONE],
  ])('a bump names %s -> refused, nothing changes', (_name, txBuffer, state) => {
    const h = new FastHarness()
    const flow = h.addFlow()
    const before = h.word(flow, TCB_TX_BUFFER)
    grantTx(h, flow)
    setMove(h, flow, MOVE_TX_STATE, state)
    h.bump(flow, { end: ISS1 + 10, txBuffer })
    h.pass()
    expect([h.count('appBadBumps'), h.word(flow, TCB_TX_BUFFER), h.word(flow, TCB_SND_END)]).toEqual([1, before, ISS1])
  })

  it('a bump names what was granted to another flow -> refused', () => {
    const h = new FastHarness()
    const [flow, other] = [h.addFlow(), h.addFlow()]
    grantTx(h, other)
    h.bump(flow, { end: ISS1 + 10, txBuffer: PIECE })
    h.pass()
    expect([h.count('appBadBumps'), h.word(flow, TCB_SND_END)]).toEqual([1, ISS1])
  })

  it('more is unacknowledged than the granted one holds -> refused', () => {
    const h = new FastHarness()
    const flow = h.addFlow({ cwnd: 1000 })
    h.write(flow, filled(5000))
    h.pass()
    grantTx(h, flow)
    setMove(h, flow, MOVE_TX_LOG2, 12)
    h.bump(flow, { txBuffer: PIECE })
    h.pass()
    expect([h.count('appBadBumps'), log2s(h, flow)[1]]).toEqual([1, 14])
  })

  it('the port has not taken all segments -> the old one is free only after it has', () => {
    const h = new FastHarness({ queueMax: 1 })
    const flow = h.addFlow({ mss: 500 })
    h.write(flow, filled(2000))
    h.pass()
    grantTx(h, flow)
    copied(h, flow)
    h.bump(flow, { txBuffer: PIECE })
    const states = Array.from({ length: 8 }, () => {
      h.pass()
      return move(h, flow, MOVE_TX_STATE)
    })
    expect(states.at(-1)).toBe(MOVE_DONE)
  })

  it('the application waits for room and half of it is acknowledged in a round -> WHAT_TX_LIMITED; it does not wait -> nothing', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    const round = (wanted: number): number => {
      const end = (h.word(flow, TCB_SND_END) + 10_000) | 0
      h.bump(flow, { end, wanted })
      for (let i = 0; i < 3; i++) h.pass()
      h.receive({ ack: end })
      h.bump(flow, { wanted })
      h.pass(400)
      h.sent()
      h.seen()
      return told(h) & WHAT_TX_LIMITED
    }
    expect([round(0), round(4096), round(4096)]).toEqual([0, WHAT_TX_LIMITED, 0])
  })
})

describe('a worker that takes over', () => {
  it('killed while it wrote the TCB -> finished, both directions', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.receive({ data: filled(50) })
    grantTx(h, flow)
    setMove(h, flow, MOVE_TX_STATE, MOVE_SWITCHING)
    setMove(h, flow, MOVE_RX_BUFFER, OTHER)
    setMove(h, flow, MOVE_RX_LOG2, LOG2)
    setMove(h, flow, MOVE_RX_SEQ, h.word(flow, TCB_RCV_NXT))
    setMove(h, flow, MOVE_RX_STATE, MOVE_SWITCHING)
    // The first of the words is written, the others are not.
    h.state.words[h.tcb(flow) + TCB_BUFFER] = OTHER
    h.state.words[h.tcb(flow) + TCB_TX_BUFFER] = PIECE
    h.replaceWorker()
    h.pass()
    expect([h.word(flow, TCB_BUFFER), h.word(flow, TCB_TX_BUFFER), ...log2s(h, flow)]).toEqual([OTHER, PIECE, LOG2, LOG2])
    expect(h.word(flow, TCB_RX_BASE)).toBe(IRS1 + 50)
    expect([move(h, flow, MOVE_RX_STATE), told(h) & (WHAT_RX_MOVED | WHAT_TX_MOVED)]).toEqual([MOVE_SWITCHED, WHAT_TX_MOVED])
    h.bump(flow, { read: IRS1 + 50 })
    h.pass()
    expect(told(h)).toBe(WHAT_RX_MOVED)
  })

  it('the order died with the worker before -> obeyed; what was told may be lost -> told again', () => {
    const h = new FastHarness()
    const [ordered, moved] = [h.addFlow(), h.addFlow()]
    setMove(h, ordered, MOVE_RX_BUFFER, PIECE)
    setMove(h, ordered, MOVE_RX_LOG2, LOG2)
    setMove(h, ordered, MOVE_RX_STATE, MOVE_GRANTED)
    for (const state of [MOVE_RX_STATE, MOVE_TX_STATE]) setMove(h, moved, state, MOVE_DONE)
    h.replaceWorker()
    h.pass()
    expect(h.word(ordered, TCB_BUFFER)).toBe(PIECE)
    expect(h.told().map(({ flow, what }) => [flow, what]).sort()).toEqual([[ordered, WHAT_RX_MOVED], [moved, WHAT_RX_MOVED | WHAT_TX_MOVED]])
  })
})
