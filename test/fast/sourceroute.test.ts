/** Segments that a worker sends by a source route (RFC 9293, 3.9.2.1). */
import { describe, expect, it } from 'vitest'
import {
  BUMP_URGENT, FLAG_ECN, FLAG_EXTRA, FLAG_SACK, NEIGHBOR_WORDS, ROUTE_OPTION_WORDS, SF_ROUTE, SF_ROUTE_HOP, TCB_FLAGS, TCB_SND_NXT,
  TO_FAST_FLOW_ACK, TO_FAST_FLOW_MTU_PROBE, TO_FAST_FLOW_PROBE, TO_FAST_FLOW_ROUTE, TO_FAST_FLOW_SEND, TO_FAST_FLOW_UPDATE, TCB_CWND,
} from '../../lib/memif/index.js'
import { emitSourceRoute, sourceRouteBytes, TCP_URG } from '../../lib/wire/index.js'
import { type FlowOptions, FastHarness } from './harness.js'
import { IRS1, ISS1, PEER_IP } from './frames.js'

const HOPS = Array.from({ length: 9 }, (_, i) => 0x0a000110 + i)
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

function rawWord(word: number): number {
  return new DataView(Uint32Array.of(word >>> 0).buffer).getInt32(0, false)
}

/** Orders a route over the first `count` of HOPS, by neighbour `neighbor`, as the slow path does. */
function order(h: FastHarness, flow: number, count: number, neighbor = 0): void {
  const route = { isStrict: false, hops: HOPS.slice(0, count) }
  const words = new Int32Array(SF_ROUTE_HOP - SF_ROUTE + 1 + ROUTE_OPTION_WORDS)
  words[0] = sourceRouteBytes(route) | (neighbor << 16)
  words[1] = rawWord(HOPS[0])
  emitSourceRoute(new Uint8Array(words.buffer), 8, route, PEER_IP)
  h.command(TO_FAST_FLOW_ROUTE, { flow, route: words })
  h.pass()
}

function routed(count: number, flowOptions: FlowOptions = {}, options: { offload?: boolean } = {}): { h: FastHarness; flow: number } {
  const h = new FastHarness(options)
  const flow = h.addFlow(flowOptions)
  order(h, flow, count)
  return { h, flow }
}

/** Destination field and option of a route over `count` hops. */
const way = (count: number): number[] => [...HOPS.slice(0, count), PEER_IP]

describe('source route ordered', () => {
  it.each([[1, false], [3, true], [9, false], [9, true]])('%i hops, offload %s -> data, in its bytes and order, with the route', (count, offload) => {
    const { h, flow } = routed(count, { timestamps: true, mss: 1400 }, { offload })
    h.write(flow, new TextEncoder().encode('by another way'))
    h.pass()
    h.write(flow, new Uint8Array(3000).fill(7))
    h.pass()
    const sent = h.sent()
    expect(sent.map(({ route, seq, payloadLen, gso }) => [route, seq - ISS1, payloadLen, gso])).toEqual([
      [way(count), 0, 14, 0], [way(count), 14, 1400, 0], [way(count), 1414, 1400, 0], [way(count), 2814, 200, 0],
    ])
    expect(text(sent[0].data)).toBe('by another way')
    expect(sent[0].options.timestamps).not.toBeNull()
  })

  it('acknowledgment, window probe, retransmission, probe of the path’s MTU -> with the route (RFC 9293, 3.9.2.1: MUST-53)', () => {
    const { h, flow } = routed(2, { cwnd: 1448 })
    h.command(TO_FAST_FLOW_ACK, { flow })
    h.pass()
    h.command(TO_FAST_FLOW_PROBE, { flow })
    h.pass()
    h.write(flow, new Uint8Array(10_000))
    h.pass()
    h.command(TO_FAST_FLOW_SEND, { flow, first: ISS1, second: 1448 })
    h.pass()
    h.command(TO_FAST_FLOW_MTU_PROBE, { flow, first: 1700, second: 65_535 })
    h.pass()
    const sent = h.sent()
    expect(sent.map(({ seq, payloadLen }) => [seq - ISS1, payloadLen])).toEqual([[0, 0], [-1, 0], [0, 1448], [0, 1448], [1448, 1700]])
    for (const { route } of sent) expect(route).toEqual(way(2))
  })

  it('FIN -> with the route', () => {
    const { h, flow } = routed(1)
    h.write(flow, new Uint8Array(3), { fin: true })
    h.pass()
    expect(h.sent()).toMatchObject([{ route: way(1), payloadLen: 3 }])
  })

  it('another one ordered -> that, and its neighbour (SHLD-24)', () => {
    const { h, flow } = routed(3)
    h.state.bytes.set([2, 0, 0, 0, 9, 9], (h.state.places.neighborsWord + NEIGHBOR_WORDS * 5) * 4)
    const frames: Uint8Array[] = []
    const transmit = h.port.transmit.bind(h.port)
    h.port.transmit = (first, count) => {
      frames.push(h.port.txHeaders.slice(first * 128 + 18, first * 128 + 24))
      return transmit(first, count)
    }
    order(h, flow, 1, 5)
    h.write(flow, new Uint8Array(3))
    h.pass()
    expect(h.sent()).toMatchObject([{ route: way(1), payloadLen: 3 }])
    expect([...frames[0]]).toEqual([2, 0, 0, 0, 9, 9])
  })

  it('a gap, with timestamps -> as many SACK blocks as a header slot leaves room for: 3, 2, 1, none', () => {
    const blocks = (count: number): number => {
      const { h, flow } = routed(count, { timestamps: true, flags: FLAG_SACK })
      for (const at of [100, 300, 500]) h.receive({ seq: IRS1 + at, data: new Uint8Array(10), timestamps: { value: 200, echo: 0 } })
      h.worker.flushDelayedAcks()
      h.pass()
      h.command(TO_FAST_FLOW_ACK, { flow })
      h.pass()
      const sent = h.sent()
      for (const { route } of sent) expect(route).toEqual(way(count))
      return sent.at(-1)?.options.sackBlocks?.length ?? 0
    }
    expect([1, 2, 3, 4, 5, 6, 7, 8, 9].map(blocks)).toEqual([3, 3, 3, 2, 2, 1, 1, 0, 0])
  })

  it('a gap that no block can report -> closed as ever', () => {
    const { h, flow } = routed(9, { timestamps: true, flags: FLAG_SACK })
    const timestamps = { value: 200, echo: 0 }
    h.receive({ seq: IRS1 + 3, data: 'def', timestamps })
    h.receive({ seq: IRS1 + 3, data: 'def', timestamps })
    h.receive({ data: 'abc', timestamps })
    expect(text(h.received(flow, IRS1, 6))).toBe('abcdef')
    for (let i = 0; i < 20; i++) h.pass(10_000)
    expect(h.hasGap(flow)).toBe(false)
  })

  it('ECN and urgent data besides -> ECT(0), URG and the pointer, and the route behind the urgent mode too', () => {
    const { h, flow } = routed(2, { flags: FLAG_ECN })
    h.write(flow, new Uint8Array(10), { bits: BUMP_URGENT })
    h.pass()
    expect(h.sent()).toMatchObject([{ route: way(2), tos: 2, urgent: 10 }])
    h.receive({ ack: ISS1 + 10 })
    h.write(flow, new Uint8Array(5))
    h.pass()
    const [plain] = h.sent()
    expect([plain.route, plain.flags & TCP_URG]).toEqual([way(2), 0])
    expect(h.word(flow, TCB_FLAGS) & FLAG_EXTRA).not.toBe(0)
  })

  it('the worker is replaced -> the same route, and nothing is urgent', () => {
    const { h, flow } = routed(4, { cwnd: 0 })
    h.write(flow, new Uint8Array(10))
    h.pass()
    h.replaceWorker()
    h.state.words[h.tcb(flow) + TCB_CWND] = 1 << 20
    h.command(TO_FAST_FLOW_UPDATE, { flow })
    h.pass()
    const sent = h.sent()
    expect(sent.some(({ payloadLen }) => payloadLen === 10)).toBe(true)
    for (const { route, flags } of sent) expect([route, flags & TCP_URG]).toEqual([way(4), 0])
  })

  it('urgent data of a flow whose place another with a route had -> no route', () => {
    const { h, flow } = routed(2)
    const next = h.addFlow({ flow })
    h.write(next, new Uint8Array(10), { bits: BUMP_URGENT })
    h.pass()
    expect(h.sent().map(({ route, urgent }) => [route, urgent])).toEqual([[[], 10]])
  })

  it('none -> no IP options, and super-segments', () => {
    const h = new FastHarness({ offload: true })
    const flow = h.addFlow()
    h.write(flow, new Uint8Array(5000))
    h.pass()
    expect(h.sent()).toMatchObject([{ route: [], payloadLen: 5000, gso: 1448 }])
    expect(h.word(flow, TCB_SND_NXT)).toBe(ISS1 + 5000)
  })
})
