import { describe, expect, it } from 'vitest'
import {
  BUMP_RX_SHUT, TCB_OOO_END, TCB_OOO_START, TCB_RCV_NXT, TCB_SND_UNA, TCB_SND_WND, TO_FAST_FLOW_CONTEXT, TO_FAST_FLOW_REMOVE, TO_FAST_FLOW_RX_SHUT,
  TO_SLOW_FLOW, TO_SLOW_PACKET, WHAT_UNREAD,
} from '../../lib/memif/index.js'
import { TCP_ACK, TCP_FIN, TCP_PSH, TCP_RST, TCP_SYN, TCP_URG } from '../../lib/wire/index.js'
import { RX_CHECKSUM_GOOD } from '../../native/port.js'
import { ANSWER_US, DELAYED_ACK_US } from '../../service/fast/delayedack.js'
import { IRS1, ISS1, LOCAL_PORT, PEER_PORT } from './frames.js'
import { FastHarness } from './harness.js'

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const filled = (length: number, first = 0): Uint8Array => Uint8Array.from({ length }, (_, i) => (first + i) & 0xff)

describe('in-order data', () => {
  it('one segment -> bytes in the buffer, one event, the acknowledgment waits for data', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.receive({ data: 'hello' })
    expect(text(h.received(flow, IRS1, 5))).toBe('hello')
    expect(h.seen()).toMatchObject([{ flow, gen: 7, flags: 0, rcvEnd: IRS1 + 5, sndUna: ISS1 }])
    expect(h.sent()).toEqual([])
  })

  it('the application answers -> one segment carries data and acknowledgment', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.receive({ data: 'ping' })
    h.write(flow, filled(4, 65), { read: IRS1 + 4 })
    h.pass()
    const sent = h.sent()
    expect(sent).toHaveLength(1)
    expect(sent[0]).toMatchObject({ seq: ISS1, ack: IRS1 + 4, flags: TCP_ACK | TCP_PSH, sourcePort: LOCAL_PORT, targetPort: PEER_PORT })
    expect(text(sent[0].data)).toBe('ABCD')
    h.worker.flushDelayedAcks()
    expect(h.sent()).toEqual([])
  })

  it('no answer within the delay -> a pure acknowledgment (RFC 1122, 4.2.3.2)', () => {
    const h = new FastHarness()
    h.addFlow()
    h.receive({ data: 'ping' })
    h.pass(DELAYED_ACK_US - 1)
    expect(h.sent()).toEqual([])
    h.pass(1)
    expect(h.sent()).toMatchObject([{ seq: ISS1, ack: IRS1 + 4, flags: TCP_ACK, payloadLen: 0 }])
  })

  it('the worker is about to block -> the acknowledgment goes out', () => {
    const h = new FastHarness()
    h.addFlow()
    h.receive({ data: 'ping' })
    h.worker.flushDelayedAcks()
    expect(h.sent()).toMatchObject([{ ack: IRS1 + 4 }])
  })

  it('an application that answers -> what comes next waits anew, and blocking does not end that; it stops answering -> as before', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.receive({ data: 'ping' })
    h.write(flow, filled(4, 65), { read: IRS1 + 4 })
    h.pass(0)
    h.sent()
    h.nowUs += DELAYED_ACK_US - 20
    h.receive({ seq: IRS1 + 4, data: 'more', ack: ISS1 + 4 })
    expect(h.worker.dueWaitUs(h.nowUs | 0)).toBe(-1)
    h.pass(10)
    h.worker.flushDelayedAcks()
    expect(h.sent()).toEqual([])
    expect(h.worker.dueWaitUs(h.nowUs | 0)).toBe(ANSWER_US)
    h.pass(ANSWER_US - 1)
    expect([h.sent(), h.worker.dueWaitUs(h.nowUs | 0)]).toEqual([[], 1])
    h.pass(1)
    expect(h.sent()).toMatchObject([{ ack: IRS1 + 8, payloadLen: 0 }])
    h.receive({ seq: IRS1 + 8, data: 'last' })
    h.worker.flushDelayedAcks()
    expect(h.sent()).toMatchObject([{ ack: IRS1 + 12, payloadLen: 0 }])
    expect(h.worker.dueWaitUs(h.nowUs | 0)).toBe(-1)
  })

  it('an application whose last flow answered -> the acknowledgment of the next one waits as if it had answered itself', () => {
    const h = new FastHarness()
    const first = h.addFlow()
    h.receive({ data: 'ping' })
    h.write(first, filled(4, 65), { read: IRS1 + 4 })
    h.pass(0)
    h.command(TO_FAST_FLOW_REMOVE, { flow: first })
    h.pass(0)
    h.sent()
    h.addFlow({ flow: first })
    h.receive({ data: 'ping' })
    h.worker.flushDelayedAcks()
    expect(h.sent()).toEqual([])
    h.pass(ANSWER_US)
    expect(h.sent()).toMatchObject([{ ack: IRS1 + 4, payloadLen: 0 }])
  })

  it('two full segments in a burst -> one acknowledgment at once, one event', () => {
    const h = new FastHarness()
    h.addFlow()
    h.receive({ data: filled(1448) }, { seq: IRS1 + 1448, data: filled(1448) })
    expect(h.sent()).toMatchObject([{ ack: IRS1 + 2896 }])
    expect(h.seen()).toHaveLength(1)
  })

  it('a super-segment of two full ones and more -> acknowledged at once (RFC 5681, 4.2)', () => {
    const h = new FastHarness()
    h.addFlow({ rxLog2: 16 })
    h.port.inject(h.frame({ data: filled(1448 * 3) }), RX_CHECKSUM_GOOD, 1448)
    h.pass()
    expect(h.sent()).toMatchObject([{ ack: IRS1 + 3 * 1448 }])
  })

  it('a super-segment of two that are smaller than ours may be -> acknowledged at once all the same', () => {
    const h = new FastHarness()
    h.addFlow()
    h.port.inject(h.frame({ data: filled(2 * 536) }), RX_CHECKSUM_GOOD, 536)
    h.pass()
    expect(h.sent()).toMatchObject([{ ack: IRS1 + 2 * 536 }])
  })

  it('a full segment in each pass -> every second is acknowledged at once, none much later', () => {
    const h = new FastHarness()
    h.addFlow({ rxLog2: 16 })
    for (let i = 0; i < 4; i++) {
      h.receive({ seq: IRS1 + i * 1448, data: filled(1448) })
      expect(h.sent()).toHaveLength(i % 2)
    }
    h.receive({ seq: IRS1 + 4 * 1448, data: filled(1448) })
    h.pass(DELAYED_ACK_US)
    expect(h.sent()).toMatchObject([{ ack: IRS1 + 5 * 1448 }])
  })

  it('stream longer than the buffer, at a wrapping sequence number -> every byte right', () => {
    const h = new FastHarness()
    const irs1 = 0xfffffff0 | 0
    const flow = h.addFlow({ rxLog2: 10, irs1 })
    for (let at = 0; at < 5000; at += 100) {
      h.receive({ seq: (irs1 + at) | 0, data: filled(100, at) })
      expect(h.received(flow, (irs1 + at) | 0, 100)).toEqual(filled(100, at))
      h.bump(flow, { read: (irs1 + at + 100) | 0 })
    }
    expect(h.count('appBadBumps')).toBe(0)
  })

  it('context unknown until accepted -> bytes are kept, the event comes with the context', () => {
    const h = new FastHarness()
    const flow = h.addFlow({ context: 0xffff })
    h.receive({ data: 'early' })
    expect(h.seen()).toEqual([])
    h.command(TO_FAST_FLOW_CONTEXT, { flow, context: 0 })
    h.pass()
    expect(h.seen()).toMatchObject([{ flow, rcvEnd: IRS1 + 5 }])
  })
})

describe('window and old data', () => {
  it('a segment again -> dropped, acknowledged at once (RFC 9293, 3.10.7.4)', () => {
    const h = new FastHarness()
    h.addFlow()
    h.receive({ data: 'hello' })
    h.receive({ data: 'hello' })
    expect(h.sent()).toMatchObject([{ ack: IRS1 + 5 }])
    expect(h.count('rxDuplicateData')).toBe(1)
  })

  it('partly old -> only the new part counts', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.receive({ data: 'hello' })
    h.receive({ seq: IRS1 + 3, data: 'lo, you' })
    expect(text(h.received(flow, IRS1, 10))).toBe('hello, you')
  })

  it('more than the window -> what fits is taken and the window closes', () => {
    const h = new FastHarness()
    const flow = h.addFlow({ rxLog2: 10 })
    h.receive({ data: filled(1448), flags: TCP_ACK | TCP_FIN })
    expect(h.word(flow, TCB_RCV_NXT)).toBe(IRS1 + 1024)
    expect(h.sent()).toMatchObject([{ ack: IRS1 + 1024, window: 0 }])
    h.receive({ seq: IRS1 + 1024, data: 'x' })
    expect(h.sent()).toMatchObject([{ ack: IRS1 + 1024, window: 0 }])
  })

  it('the application reads -> the window opens with an acknowledgment, not for every byte', () => {
    const h = new FastHarness()
    const flow = h.addFlow({ rxLog2: 12 })
    for (let i = 0; i < 4; i++) h.receive({ seq: IRS1 + i * 1024, data: filled(1024) })
    h.sent()
    h.bump(flow, { read: IRS1 + 100 })
    h.pass()
    expect(h.sent()).toEqual([])
    h.bump(flow, { read: IRS1 + 2048 })
    h.pass()
    expect(h.sent()).toMatchObject([{ ack: IRS1 + 4096, window: 2048 }])
  })

  it('out of order and partly beyond the window -> what fits is held, the FIN behind it is not', () => {
    const h = new FastHarness()
    const flow = h.addFlow({ rxLog2: 10 })
    h.receive({ seq: IRS1 + 1000, data: filled(100), flags: TCP_ACK | TCP_FIN })
    expect(h.word(flow, TCB_OOO_END)).toBe(IRS1 + 1024)
    h.receive({ data: filled(1000) })
    expect(h.word(flow, TCB_RCV_NXT)).toBe(IRS1 + 1024)
    expect(h.told()).toEqual([])
  })

  it('a probe at a closed window -> its ACK counts, its byte does not, answered (RFC 9293, 3.10.7.4)', () => {
    const h = new FastHarness()
    const flow = h.addFlow({ rxLog2: 10 })
    h.write(flow, filled(10))
    h.receive({ data: filled(1024) })
    h.sent()
    h.receive({ seq: IRS1 + 1024, ack: ISS1 + 10, data: 'p' })
    expect(h.word(flow, TCB_SND_UNA)).toBe(ISS1 + 10)
    expect(h.word(flow, TCB_RCV_NXT)).toBe(IRS1 + 1024)
    expect(h.sent()).toMatchObject([{ ack: IRS1 + 1024, window: 0 }])
  })

  it('old, without data, again and again -> answered ten times a second: two ends must not answer each other for ever', () => {
    const h = new FastHarness()
    h.addFlow()
    for (let i = 0; i < 100; i++) h.receive({ seq: IRS1 - 1 })
    expect(h.sent()).toHaveLength(1)
    h.pass(100_000)
    h.receive({ seq: IRS1 - 1 })
    expect(h.sent()).toMatchObject([{ ack: IRS1 }])
  })

  it('wholly beyond the window -> dropped, acknowledged', () => {
    const h = new FastHarness()
    h.addFlow({ rxLog2: 10 })
    h.receive({ seq: IRS1 + 5000, data: 'far' })
    expect(h.sent()).toMatchObject([{ ack: IRS1 }])
    expect(h.seen()).toEqual([])
  })
})

describe('out of order', () => {
  it('a gap that closes in the same burst -> one acknowledgment, everything in order', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.receive({ seq: IRS1 + 5, data: 'world' }, { data: 'hello' })
    expect(text(h.received(flow, IRS1, 10))).toBe('helloworld')
    expect(h.sent()).toMatchObject([{ ack: IRS1 + 10 }])
    expect(h.seen()).toMatchObject([{ rcvEnd: IRS1 + 10 }])
  })

  it('a gap that stays -> a duplicate acknowledgment for each segment behind it, at most three a burst', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.receive({ seq: IRS1 + 10, data: 'b' }, { seq: IRS1 + 11, data: 'c' })
    expect(h.sent()).toMatchObject([{ ack: IRS1 }, { ack: IRS1 }])
    h.receive(...[12, 13, 14, 15].map((at) => ({ seq: IRS1 + at, data: 'd' })))
    expect(h.sent()).toHaveLength(3)
    expect([h.word(flow, TCB_OOO_START), h.word(flow, TCB_OOO_END)]).toEqual([IRS1 + 10, IRS1 + 16])
    h.receive({ data: '0123456789' })
    expect(text(h.received(flow, IRS1, 16))).toBe('0123456789bcdddd')
    expect(h.sent()).toMatchObject([{ ack: IRS1 + 16 }])
  })

  it('a second gap -> both intervals are kept, the lower one in the TCB', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.receive({ seq: IRS1 + 10, data: 'aa' }, { seq: IRS1 + 20, data: 'bb' })
    expect(h.count('dropOutOfOrder')).toBe(0)
    expect([h.word(flow, TCB_OOO_START), h.word(flow, TCB_OOO_END)]).toEqual([IRS1 + 10, IRS1 + 12])
    h.receive({ data: '0123456789' }, { seq: IRS1 + 12, data: '23456789' })
    expect(text(h.received(flow, IRS1, 22))).toBe('0123456789aa23456789bb')
    expect(h.word(flow, TCB_RCV_NXT)).toBe(IRS1 + 22)
  })

  it('interval grows at its front and overlaps -> union', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.receive({ seq: IRS1 + 10, data: 'cdef' }, { seq: IRS1 + 8, data: 'abcd' })
    h.receive({ data: '01234567ab' })
    expect(text(h.received(flow, IRS1, 14))).toBe('01234567abcdef')
    expect(h.word(flow, TCB_RCV_NXT)).toBe(IRS1 + 14)
  })
})

describe('what is not common', () => {
  it.each([
    ['RST', { flags: TCP_RST | TCP_ACK }], ['SYN', { flags: TCP_SYN }], ['URG', { flags: TCP_ACK | TCP_URG, data: 'u' }], ['no ACK', { flags: TCP_PSH, data: 'n' }],
  ])('%s on a flow -> to the slow path with its flow', (_name, segment) => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.receive(segment)
    expect(h.told()).toMatchObject([{ type: TO_SLOW_PACKET, flow, len: h.frame(segment).length }])
    expect(h.sent()).toEqual([])
  })

  it('unknown connection -> to the slow path without a flow', () => {
    const h = new FastHarness()
    h.addFlow()
    h.receive({ peerPort: 1, data: 'who' })
    expect(h.told()).toMatchObject([{ type: TO_SLOW_PACKET, flow: -1 }])
  })

  it('data after RX_SHUT -> to the slow path, not into the buffer', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.command(TO_FAST_FLOW_RX_SHUT, { flow })
    h.receive({ data: 'late' })
    expect(h.told()).toMatchObject([{ type: TO_SLOW_PACKET, flow }])
    expect(h.word(flow, TCB_RCV_NXT)).toBe(IRS1)
  })

  const isUnreadTold = (h: FastHarness): boolean => h.told().some(({ type, what }) => type === TO_SLOW_FLOW && (what & WHAT_UNREAD) !== 0)

  it.each([
    ['nothing read', { bits: BUMP_RX_SHUT }, true],
    ['all read', { read: IRS1 + 4, bits: BUMP_RX_SHUT }, false],
    ['a part read', { read: IRS1 + 3, bits: BUMP_RX_SHUT }, true],
    ['nothing read, not closed', {}, false],
  ])('data, then the application closes: %s -> the slow path hears: %#', (_name, bump, isTold) => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.receive({ data: 'late' })
    h.told()
    h.command(TO_FAST_FLOW_RX_SHUT, { flow })
    h.pass()
    expect(isUnreadTold(h)).toBe(false)
    h.bump(flow, bump)
    h.pass()
    expect(isUnreadTold(h)).toBe(isTold)
  })

  it('data that comes between close and RX_SHUT, behind which other bumps wait -> the slow path hears of it, and of what follows', () => {
    const h = new FastHarness()
    const [flow, other] = [h.addFlow(), h.addFlow({ loopback: { localPort: 4001, remotePort: 4002 } })]
    h.receive({ data: 'late' })
    h.told()
    h.bump(flow, { fin: true, bits: BUMP_RX_SHUT })
    h.bump(other, {})
    h.pass()
    expect(isUnreadTold(h)).toBe(true)
    h.receive({ data: 'more', seq: IRS1 + 4 })
    expect(h.told()).toMatchObject([{ type: TO_SLOW_PACKET, flow }])
  })

  it('RX_SHUT of an application that says no more itself: not read -> told', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.receive({ data: 'late' })
    h.told()
    h.command(TO_FAST_FLOW_RX_SHUT, { flow, first: 1 })
    h.pass()
    expect(isUnreadTold(h)).toBe(true)
  })

  it('RX_SHUT behind the peer\'s FIN, which is no data -> not told', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.receive({ data: 'last', flags: TCP_ACK | TCP_FIN })
    h.bump(flow, { read: IRS1 + 4, fin: true })
    h.pass()
    h.told()
    h.command(TO_FAST_FLOW_RX_SHUT, { flow })
    h.pass()
    expect(h.told().filter(({ what }) => (what & WHAT_UNREAD) !== 0)).toEqual([])
  })

  it('bad IP or TCP checksum, bad lengths -> dropped and counted', () => {
    const h = new FastHarness()
    h.addFlow()
    const bad = (at: number, value: number): void => {
      const frame = h.frame({ data: 'x' })
      frame[at] = value
      h.port.inject(frame)
    }
    bad(24, 0xff)
    bad(54, 0x55)
    const short = h.frame({ data: 'x' })
    short[46] = 0xf0
    h.port.inject(short)
    h.pass()
    expect([h.count('dropMalformed'), h.count('dropChecksum')]).toEqual([2, 1])
    expect(h.seen()).toEqual([])
  })

  it('the half of the ring to the slow path that strangers may fill is full -> dropped, counted, the rest goes on', () => {
    const h = new FastHarness({ toSlowEntries: 4 })
    const flow = h.addFlow()
    h.receive(...[1, 2, 3, 4, 5, 6].map((peerPort) => ({ peerPort, flags: TCP_SYN })), { data: 'ok' })
    expect([h.count('toSlowPackets'), h.count('dropSlowFull')]).toEqual([2, 4])
    expect(h.seen()).toMatchObject([{ flow }])
  })

  it('a packet handed back by the slow path -> handled as if from the port; unknown even then -> dropped', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.handBack(h.frame({ data: 'again' }))
    h.handBack(h.frame({ peerPort: 5, data: 'lost' }))
    h.pass()
    expect(text(h.received(flow, IRS1, 5))).toBe('again')
    expect(h.count('dropNotOurs')).toBe(1)
    expect(h.told()).toEqual([])
  })
})

describe('window closed, probed', () => {
  it('acknowledgment one before RCV.NXT, as from a peer whose probe was taken -> what it says counts (RFC 9293, 3.10.7.4; seed 2376)', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.write(flow, new Uint8Array(100))
    h.pass()
    h.receive({ data: 'x' })
    h.receive({ seq: IRS1, ack: ISS1 + 100, window: 5000 })
    expect([h.word(flow, TCB_SND_UNA), h.word(flow, TCB_SND_WND)]).toEqual([ISS1 + 100, 5000])
    h.receive({ seq: IRS1 - 1, ack: ISS1 + 100, window: 9000 })
    expect(h.word(flow, TCB_SND_WND)).toBe(5000)
  })
})
