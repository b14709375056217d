/** Source routes (RFC 9293, 3.9.2.1; RFC 1122, 3.2.1.8 (c)). The peer is on a network to which nothing but its route leads. */
import { describe, expect, it } from 'vitest'
import {
  EV_CONN_OPEN, EV_CONN_OPTION, EV_LISTEN_ACCEPT, EV_LISTEN_OPEN, EXTRA_IS_URGENT, EXTRA_ROUTE_BYTES, EXTRA_ROUTE_HOP, EXTRA_WORDS,
  FLAG_EXTRA, OPTION_SOURCE_ROUTE, REQ_CONN_CLOSE, REQ_CONN_OPEN, REQ_CONN_OPTION, REQ_LISTEN_ACCEPT, REQ_LISTEN_OPEN, TCB_FLAGS,
  TCB_MSS_U16, TO_FAST_FLOW_MSS, TO_FAST_FLOW_ROUTE, TO_FAST_PACKET,
} from '../../lib/memif/index.js'
import * as wire from '../../lib/wire/index.js'
import { DEFAULT_TCP } from '../../service/slow/index.js'
import { Dialogue } from './dialogue.js'
import { type SegmentOptions, withIpOptions } from './frames.js'
import {
  arpFrame, type FakeContext, Host, type HostOptions, LISTEN_PORT, OUR_IP, parseSent, PEER_IP, PEER_PORT, RX_BUF, routeOption, segmentFrame, TX_BUF,
} from './harness.js'
import { errorFrame, fragmentsOf, icmpFrame } from './icmpframes.js'
import { CONNECTION, LISTENER, PEER_ISS, PEER_OPTIONS, REMOTE_PORT, TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from './scenes.js'

/** Neighbours of ours, which are routers, and one behind them. */
const NEAR = 0x0a0000fe
const OTHER = 0x0a0000fd
const FAR = 0xc6336401 | 0
const OUR_OTHER_IP = 0x0a000009
const STRANGER = 0xc0000209 | 0
const NEXT = PEER_ISS + 1
const ENABLED = { tcp: { ...DEFAULT_TCP, rxBufLen: RX_BUF, txBufLen: TX_BUF, rxBufMax: RX_BUF, txBufMax: TX_BUF, sourceRoutes: true } }
const BY_NEAR = { passed: [FAR, NEAR] }
const BY_OTHER = { passed: [FAR, OTHER] }

interface Scene {
  readonly host: Host
  readonly context: FakeContext
  /** The peer sends a segment. */
  readonly send: (segment: SegmentOptions) => void
}

function scene(options: HostOptions = { config: ENABLED }, backlog = 4): Scene {
  const host = new Host(options)
  const { context } = host.addApp()
  host.worker.read()
  for (const senderIp of [NEAR, OTHER]) host.receiveFrame(arpFrame({ senderIp }))
  context.request(REQ_LISTEN_OPEN, LISTENER, { ports: LISTEN_PORT, backlog })
  context.read()
  host.frames = []
  return { host, context, send: (segment) => host.send({ remoteIp: STRANGER, ...segment }) }
}

/** Whereto the segments that were sent are to go, and by which hops. */
const ways = (host: Host): unknown[] => host.sent().map(({ remoteIp, hops }) => [remoteIp, hops])
const TO_STRANGER_BY_NEAR = [STRANGER, [NEAR, FAR]]
const TO_STRANGER_BY_OTHER = [STRANGER, [OTHER, FAR]]

interface Open extends Scene {
  readonly flow: number
  readonly gen: number
  readonly iss: number
}

/** A connection that the stranger has opened by NEAR. */
function accepted(options?: HostOptions): Open {
  const begun = scene(options)
  const { host, context, send } = begun
  send({ seq: PEER_ISS, flags: TCP_SYN, options: PEER_OPTIONS, route: BY_NEAR })
  const [synAck] = host.sent()
  send({ seq: NEXT, ack: synAck.seq + 1, options: { timestamps: PEER_OPTIONS.timestamps }, route: BY_NEAR })
  context.request(REQ_LISTEN_ACCEPT, CONNECTION, { listener: LISTENER })
  const event = context.read().find(({ type }) => type === EV_LISTEN_ACCEPT)
  if (event === undefined) throw new Error('not accepted')
  host.work()
  return { ...begun, flow: event.flow, gen: event.gen, iss: synAck.seq }
}

function half(host: Host, flow: number, index: number): number {
  return host.state.halves[(host.state.tcbWord + flow * 32) * 2 + index]
}

function extra(host: Host, flow: number, index: number): number {
  return host.state.words[host.state.places.extrasWord + flow * EXTRA_WORDS + index]
}

function raw(word: number): number {
  return new DataView(Uint32Array.of(word >>> 0).buffer).getInt32(0, false)
}

describe('without --ip-source-route', () => {
  it('SYN with LSRR or SSRR -> dropped and counted (RFC 7126, 4.3.5 and 4.4.5); without -> answered', () => {
    const { host, send } = scene({})
    for (const isStrict of [false, true]) host.send({ seq: PEER_ISS, flags: TCP_SYN, route: { passed: [NEAR], isStrict } })
    send({ seq: PEER_ISS, flags: TCP_SYN, route: BY_NEAR })
    expect([host.sent(), host.count('dropSourceRoute')]).toEqual([[], 3])
    host.send({ seq: PEER_ISS, flags: TCP_SYN })
    expect(host.sent()).toMatchObject([{ remoteIp: PEER_IP, hops: [] }])
  })

  it('connect by a route -> EPERM', () => {
    const { context } = scene({})
    context.post(REQ_CONN_OPTION, CONNECTION, { flow: -1, option: OPTION_SOURCE_ROUTE, value: 0, value2: NEAR, value3: 0 })
    context.request(REQ_CONN_OPEN, CONNECTION, { remoteIp: PEER_IP, ports: REMOTE_PORT << 16 })
    expect(context.read()).toMatchObject([{ type: EV_CONN_OPEN, status: 1 }])
  })
})

describe('passive open', () => {
  it('SYN by a route -> SYN-ACK by the same way back, of its kind (RFC 9293, 3.9.2.1: MUST-53)', () => {
    const { host, send } = scene()
    send({ seq: PEER_ISS, flags: TCP_SYN, route: BY_NEAR })
    send({ seq: PEER_ISS, flags: TCP_SYN, remotePort: 5001, route: { ...BY_OTHER, isStrict: true } })
    expect(host.sent().map(({ remoteIp, hops, isStrict, flags }) => [remoteIp, hops, isStrict, flags])).toEqual([
      [...TO_STRANGER_BY_NEAR, false, TCP_SYN | TCP_ACK], [...TO_STRANGER_BY_OTHER, true, TCP_SYN | TCP_ACK],
    ])
  })

  it('the peer has entered itself -> no hop (RFC 1122, 3.2.1.8 (c)); without hops there is no way back to it', () => {
    const { host, send } = scene()
    send({ seq: PEER_ISS, flags: TCP_SYN, route: { passed: [STRANGER, FAR, NEAR] } })
    expect(ways(host)).toEqual([TO_STRANGER_BY_NEAR])
    send({ seq: PEER_ISS, flags: TCP_SYN, remotePort: 5001, route: { passed: [STRANGER] } })
    expect([ways(host), host.count('synDropped')]).toEqual([[], 1])
  })

  it('a strict route whose last hop is no neighbour -> no way back (RFC 791, 3.1)', () => {
    const { host, send } = scene({ config: { ...ENABLED, routes: [{ dest: 0, prefix: 0, nextHop: NEAR }] } })
    send({ seq: PEER_ISS, flags: TCP_SYN, route: { passed: [FAR], isStrict: true } })
    expect([ways(host), host.count('synDropped')]).toEqual([[], 1])
    send({ seq: PEER_ISS, flags: TCP_SYN, route: { passed: [FAR] } })
    expect(ways(host)).toEqual([[STRANGER, [FAR]]])
  })

  it('established: tas state -> its way is shown', () => {
    const { host, flow } = accepted()
    const hops = [NEAR, FAR].map(wire.formatIpv4Address).join(' ')
    expect(host.slow.describeFlow({ flow }, host.nowUs)?.connection).toMatchObject({ sourceRoute: `loose ${hops}` })
  })

  it('established -> the worker has the way in the table of extras, and segments are shorter by it (3.7.1)', () => {
    const { host, flow } = accepted()
    expect(host.tcb(flow, TCB_FLAGS) & FLAG_EXTRA).toBe(FLAG_EXTRA)
    const words = [EXTRA_IS_URGENT, EXTRA_ROUTE_BYTES, EXTRA_ROUTE_HOP].map((index) => extra(host, flow, index))
    expect(words).toEqual([0, 12, raw(NEAR)])
    expect([1, 2, 3].map((word) => extra(host, flow, EXTRA_ROUTE_HOP + word))).toEqual([raw(0x01830b04), raw(FAR), raw(STRANGER)])
    expect(half(host, flow, TCB_MSS_U16)).toBe(1460 - 12 - 12)
  })

  it('the SYN again by another way, its ACK by a third -> SYN-ACK, then segments, by that (SHLD-24)', () => {
    const { host, send, context } = scene()
    send({ seq: PEER_ISS, flags: TCP_SYN, route: BY_NEAR })
    send({ seq: PEER_ISS, flags: TCP_SYN, route: BY_OTHER })
    const [first, second] = host.sent()
    expect([first.hops, second.hops]).toEqual([[NEAR, FAR], [OTHER, FAR]])
    send({ seq: NEXT, ack: first.seq + 1, route: { passed: [NEAR] } })
    context.request(REQ_LISTEN_ACCEPT, CONNECTION, { listener: LISTENER })
    const flow = context.read().find(({ type }) => type === EV_LISTEN_ACCEPT)?.flow ?? -1
    expect([extra(host, flow, EXTRA_ROUTE_BYTES), extra(host, flow, EXTRA_ROUTE_HOP)]).toEqual([8, raw(NEAR)])
  })

  it('backlog full -> the cookie goes back by the way, and so does the connection that it makes', () => {
    const { host, send, context } = scene(undefined, 1)
    host.send({ seq: 1, flags: TCP_SYN, remotePort: 6000 })
    host.sent()
    send({ seq: PEER_ISS, flags: TCP_SYN, route: BY_NEAR })
    const [cookie] = host.sent()
    expect([cookie.hops, host.count('synCookiesSent')]).toEqual([[NEAR, FAR], 1])
    send({ seq: NEXT, ack: cookie.seq + 1, route: BY_NEAR })
    context.request(REQ_LISTEN_ACCEPT, CONNECTION, { listener: LISTENER })
    const flow = context.read().find(({ type }) => type === EV_LISTEN_ACCEPT)?.flow ?? -1
    expect(extra(host, flow, EXTRA_ROUTE_HOP)).toBe(raw(NEAR))
  })

  it('nobody listens -> RST by the way back; connection aborted -> RST by its way', () => {
    const { host, send, context, flow, gen } = accepted()
    send({ seq: PEER_ISS, flags: TCP_SYN, localPort: LISTEN_PORT + 1, route: BY_OTHER })
    expect(ways(host)).toEqual([TO_STRANGER_BY_OTHER])
    context.request(REQ_CONN_CLOSE, CONNECTION, { flow, gen, flags: 1 })
    host.work()
    expect(host.sent()).toMatchObject([{ flags: TCP_RST | TCP_ACK, remoteIp: STRANGER, hops: [NEAR, FAR] }])
  })
})

/** What the worker was told of a way: first hop and neighbour; and the segment size. */
function orders(host: Host): (number | undefined)[] {
  const words: (number | undefined)[] = []
  for (const { type, first, second } of host.worker.read()) {
    if (type === TO_FAST_FLOW_ROUTE) words.push(first & 0xffff, second)
    if (type === TO_FAST_FLOW_MSS) words.push(first)
  }
  return words
}

describe('a connection that the peer has opened', () => {
  const timestamps = { timestamps: { value: 501, echo: 0 } }

  it('segment by another way -> that from now on, the worker and the segment size too (SHLD-24)', () => {
    const { host, send, iss } = accepted()
    send({ seq: NEXT, ack: iss + 1, payload: Uint8Array.of(1), options: timestamps, route: { passed: [OTHER] } })
    expect(orders(host)).toEqual([8, raw(OTHER), 1460 - 12 - 8])
    send({ seq: NEXT, ack: iss + 1, payload: Uint8Array.of(1), options: timestamps, route: { passed: [OTHER] } })
    expect(orders(host)).toEqual([])
  })

  it('the same way, or none -> as before', () => {
    const { host, send, iss, flow, gen } = accepted()
    send({ seq: NEXT, ack: iss + 1, payload: Uint8Array.of(1), options: timestamps, route: BY_NEAR })
    host.receiveFrame(segmentFrame({ remoteIp: STRANGER, seq: NEXT, ack: iss + 1, flags: TCP_ACK | wire.TCP_URG, options: timestamps }), flow, gen)
    expect(orders(host)).toEqual([])
  })

  it('by another way but outside the window, or with an acknowledgment that cannot be -> as before (RFC 5961, 5.2)', () => {
    const { host, send, iss } = accepted()
    for (const forged of [{ seq: NEXT + RX_BUF }, { seq: NEXT - 1 }, { ack: iss + 100 }]) {
      send({ seq: NEXT, ack: iss + 1, options: timestamps, route: BY_OTHER, ...forged })
    }
    send({ seq: NEXT + 1, flags: TCP_RST, route: BY_OTHER })
    send({ seq: NEXT, flags: TCP_SYN, route: BY_OTHER })
    expect(orders(host)).toEqual([])
  })

  it('the new neighbour is not known yet -> the way changes once it is; if it is never found not', () => {
    const { host, send, iss } = accepted()
    const unknown = 0x0a0000aa
    send({ seq: NEXT, ack: iss + 1, options: timestamps, route: { passed: [unknown] } })
    send({ seq: NEXT, ack: iss + 1, options: timestamps, route: { passed: [unknown] } })
    expect(orders(host)).toEqual([])
    host.receiveFrame(arpFrame({ senderIp: unknown, operation: wire.ARP_REPLY }))
    expect(orders(host)).toEqual([8, raw(unknown), 1460 - 12 - 8])
    send({ seq: NEXT, ack: iss + 1, options: timestamps, route: { passed: [0x0a0000bb] } })
    host.advance(60_000_000)
    expect(orders(host)).toEqual([])
    send({ seq: NEXT, ack: iss + 1, options: timestamps, route: BY_OTHER })
    expect(orders(host)).toEqual([1460 - 12 - 12, 12, raw(OTHER)])
  })

  it('data by its way -> without IP options to the worker (MUST-50)', () => {
    const { host, send, iss } = accepted()
    send({ seq: NEXT, ack: iss + 1, payload: Uint8Array.of(1, 2, 3), options: timestamps, route: BY_NEAR })
    const [command] = host.worker.read()
    const ip = wire.parseIpv4(command.packet ?? new Uint8Array(0), wire.ETHERNET_HEADER_BYTES)
    expect([command.type, ip?.headerLen, ip?.sourceIp, ip?.targetIp]).toEqual([TO_FAST_PACKET, 20, STRANGER, OUR_IP])
  })

  it('ICMP error that quotes a segment on its way -> heard (RFC 1122, 4.2.3.9)', () => {
    const { host, iss } = accepted()
    host.setTcb(0, 9, iss + 2)
    const quoted = new Uint8Array(wire.IPV4_HEADER_BYTES + 12 + 8)
    quoted.set(routeOption({ passed: [NEAR], ahead: [STRANGER] }), wire.IPV4_HEADER_BYTES)
    wire.emitIpv4(quoted, 0, { sourceIp: OUR_IP, targetIp: FAR, protocol: wire.PROTOCOL_TCP, ttl: 3, tos: 0, payloadLen: 20 }, null, 12)
    wire.writeU16(quoted, 32, LISTEN_PORT)
    wire.writeU16(quoted, 34, PEER_PORT)
    wire.writeWord(quoted, 36, iss + 1)
    host.receiveFrame(errorFrame(3, 5, quoted))
    expect([host.count('icmpErrors'), host.count('icmpErrorsIgnored')]).toEqual([1, 0])
  })
})

/** REQ_CONN_OPEN by these hops. */
function connectBy(context: FakeContext, hops: readonly number[], remoteIp = STRANGER, isStrict = 0): void {
  hops.forEach((hop, place) => {
    context.post(REQ_CONN_OPTION, CONNECTION, { flow: -1, option: OPTION_SOURCE_ROUTE, value: place, value2: hop, value3: isStrict })
  })
  context.request(REQ_CONN_OPEN, CONNECTION, { remoteIp, ports: REMOTE_PORT << 16 })
}

describe('active open', () => {
  it('by a route that the program names -> SYN, ACK and segments take it (RFC 9293, 3.9.2.1: MUST-51)', () => {
    const { host, context, send } = scene()
    connectBy(context, [NEAR, FAR])
    const [syn] = host.sent()
    expect([syn.flags, syn.remoteIp, syn.hops, syn.isStrict]).toEqual([TCP_SYN, ...TO_STRANGER_BY_NEAR, false])
    send({ seq: PEER_ISS, ack: syn.seq + 1, flags: TCP_SYN | TCP_ACK, remotePort: REMOTE_PORT, localPort: syn.sourcePort })
    expect(ways(host)).toEqual([TO_STRANGER_BY_NEAR])
    const [{ flow, status }] = context.read()
    expect([status, extra(host, flow, EXTRA_ROUTE_BYTES), extra(host, flow, EXTRA_ROUTE_HOP)]).toEqual([0, 12, raw(NEAR)])
  })

  it('the peer’s segments come by another route -> that of the program stays; without one there is none (MUST-52)', () => {
    for (const hops of [[NEAR, FAR], []]) {
      const { host, context, send } = scene({ config: { ...ENABLED, routes: [{ dest: 0, prefix: 0, nextHop: NEAR }] } })
      connectBy(context, hops)
      const [syn] = host.sent()
      const names = { remotePort: REMOTE_PORT, localPort: syn.sourcePort, route: BY_OTHER }
      send({ seq: PEER_ISS, ack: syn.seq + 1, flags: TCP_SYN | TCP_ACK, ...names })
      expect(ways(host)).toEqual([[STRANGER, hops]])
      const [{ flow }] = context.read()
      host.work()
      send({ seq: NEXT, ack: syn.seq + 1, payload: Uint8Array.of(1), ...names })
      expect(orders(host)).toEqual([])
      expect(host.tcb(flow, TCB_FLAGS) & FLAG_EXTRA).toBe(hops.length > 0 ? FLAG_EXTRA : 0)
    }
  })

  it('nine hops -> as long as a header can be; the peer itself as the only hop -> directly', () => {
    const hops = [NEAR, ...Array.from({ length: 8 }, (_, i) => FAR + i)]
    const { host, context } = scene()
    connectBy(context, hops)
    expect(host.sent()).toMatchObject([{ hops, remoteIp: STRANGER }])
    const near = scene()
    connectBy(near.context, [PEER_IP], PEER_IP)
    expect(near.host.sent()).toMatchObject([{ hops: [PEER_IP], remoteIp: PEER_IP }])
  })

  it('strict -> SSRR; its first hop no neighbour -> ENETUNREACH', () => {
    const config = { ...ENABLED, routes: [{ dest: 0, prefix: 0, nextHop: NEAR }] }
    const { host, context } = scene({ config })
    connectBy(context, [OTHER, FAR], STRANGER, 1)
    expect(host.sent()).toMatchObject([{ hops: [OTHER, FAR], isStrict: true }])
    const far = scene({ config })
    connectBy(far.context, [FAR], STRANGER, 1)
    expect(far.context.read()).toMatchObject([{ type: EV_CONN_OPEN, status: 101 }])
  })

  it('to an address of ours, ten hops, a hop out of its place -> EINVAL; by an address of ours -> ENETUNREACH', () => {
    const statusOf = (open: (context: FakeContext) => void): number => {
      const { context } = scene()
      open(context)
      return context.read()[0].status
    }
    expect(statusOf((context) => connectBy(context, [NEAR], OUR_IP))).toBe(22)
    expect(statusOf((context) => connectBy(context, Array.from({ length: 10 }, () => NEAR)))).toBe(22)
    for (const [value, value3] of [[1, 0], [-1, 0], [0, 2]]) {
      expect(statusOf((context) => {
        context.post(REQ_CONN_OPTION, CONNECTION, { flow: -1, option: OPTION_SOURCE_ROUTE, value, value2: NEAR, value3 })
        context.request(REQ_CONN_OPEN, CONNECTION, { remoteIp: STRANGER, ports: REMOTE_PORT << 16 })
      })).toBe(22)
    }
    expect(statusOf((context) => connectBy(context, [OUR_IP]))).toBe(101)
  })

  it('for a listener, or once the connection is open -> EINVAL', () => {
    const { context, flow, gen } = accepted()
    context.post(REQ_CONN_OPTION, 30, { flow: -1, option: OPTION_SOURCE_ROUTE, value: 0, value2: NEAR, value3: 0 })
    context.request(REQ_LISTEN_OPEN, 30, { ports: LISTEN_PORT + 1, backlog: 4 })
    context.request(REQ_CONN_OPTION, CONNECTION, { flow, gen, option: OPTION_SOURCE_ROUTE, value: 0, value2: OTHER, value3: 0 })
    expect(context.read()).toMatchObject([{ type: EV_LISTEN_OPEN, status: 22 }, { type: EV_CONN_OPTION, status: 22 }])
  })
})

describe('a datagram with a source route', () => {
  const TWO = { config: { ...ENABLED, addresses: [{ ip: OUR_IP, prefix: 24 }, { ip: OUR_OTHER_IP, prefix: 24 }] } }

  it('goes on from here -> dropped, ICMP source route failed (RFC 1122, 3.3.5), not too many', () => {
    const { host } = scene()
    for (let i = 0; i < 10_000; i++) host.send({ seq: PEER_ISS, flags: TCP_SYN, remotePort: 1 + i, route: { passed: [NEAR], ahead: [FAR] } })
    const answers = host.frames.map((frame) => wire.parseIcmp(frame, 34, frame.length - 34))
    expect(answers[0]).toMatchObject({ type: 3, code: 5 })
    const quoted = wire.parseQuotedSegment(answers[0]?.payload ?? new Uint8Array(0))
    expect(quoted).toMatchObject({ sourceIp: PEER_IP, targetIp: FAR, targetPort: LISTEN_PORT })
    expect(answers.length).toBeLessThan(10_000)
    expect(host.count('dropSourceRoute')).toBe(10_000)
  })

  it('goes on to another address of ours -> for that one; ours are no hops of the way back', () => {
    const { host, send } = scene(TWO)
    send({ seq: PEER_ISS, flags: TCP_SYN, route: { passed: [FAR, NEAR], ahead: [OUR_OTHER_IP] } })
    const [frame] = host.frames
    expect(wire.parseIpv4(frame, 14)?.sourceIp).toBe(OUR_OTHER_IP)
    expect(parseSent(frame)).toMatchObject({ remoteIp: STRANGER, hops: [NEAR, FAR] })
  })

  it('senseless, or with two -> dropped and counted', () => {
    const { host } = scene()
    const plain = segmentFrame({ seq: PEER_ISS, flags: TCP_SYN })
    for (const options of [[131, 6, 4, 0, 0, 0, 0, 0], [131, 7, 5, 10, 0, 0, 9, 0], [131, 3, 4, 137, 3, 4, 0, 0], [131, 40, 4, 0]]) {
      host.receiveFrame(withIpOptions(plain, Uint8Array.from(options)))
    }
    expect([host.sent(), host.count('dropSourceRoute')]).toEqual([[], 4])
  })

  it('in fragments, each with the route -> the whole came by it (RFC 1122, 3.2.1.8 (c))', () => {
    const { host } = scene()
    const whole = icmpFrame({ type: wire.ICMP_ECHO_REQUEST, payload: new Uint8Array(100) }, { sourceIp: STRANGER })
    const request = whole.subarray(wire.ETHERNET_HEADER_BYTES + wire.IPV4_HEADER_BYTES)
    for (const part of fragmentsOf(request, [0, 48], 7, { sourceIp: STRANGER })) host.receiveFrame(withIpOptions(part, routeOption(BY_NEAR)))
    expect(host.frames.map((frame) => wire.parseIpv4(frame, 14))).toMatchObject([{ headerLen: 32, payloadLen: 108, targetIp: NEAR }])
  })

  it('an echo request -> the reply by the way back, also in fragments (RFC 1122, 3.2.2.6)', () => {
    const { host } = scene()
    const request = icmpFrame({ type: wire.ICMP_ECHO_REQUEST, payload: new Uint8Array(2000) }, { sourceIp: STRANGER })
    host.receiveFrame(withIpOptions(request, routeOption(BY_NEAR)))
    const parts = host.frames.map((frame) => wire.parseIpv4(frame, 14))
    expect(parts.map((ip) => [ip?.headerLen, ip?.payloadLen, ip?.hasMore, ip?.targetIp])).toEqual([[32, 1464, true, NEAR], [32, 544, false, NEAR]])
    for (const frame of host.frames) expect(wire.readSourceRoute(frame, 14)).toEqual({ isStrict: false, passed: [], ahead: [FAR, STRANGER] })
  })
})

describe('a host whose peer comes by a route', () => {
  it('data both ways and both FINs -> delivered, and all that is sent takes the way back (MUST-53)', () => {
    const dialogue = new Dialogue({ config: { tcp: { ...DEFAULT_TCP, rxBufLen: 1 << 15, txBufLen: 1 << 15, sourceRoutes: true } } })
    dialogue.injectFrame(arpFrame({ senderIp: NEAR }))
    dialogue.play(['established 300 100'])
    const sent = (): ReturnType<typeof parseSent>[] => dialogue.net.frames.splice(0).map(parseSent)
    const send = (segment: SegmentOptions): void => dialogue.inject({ ack: 300 + dialogue.offset, route: BY_NEAR, ...segment })
    send({ seq: 100, payload: Uint8Array.of(1, 2, 3) })
    send({ seq: 103, payload: Uint8Array.of(4, 5) })
    const answers = sent()
    expect(answers.at(-1)).toMatchObject({ ack: 105, hops: [NEAR, FAR], remoteIp: PEER_IP })
    dialogue.play(['received 5'])
    send({ seq: 105, flags: TCP_ACK | TCP_FIN })
    const [ack, ...rest] = sent()
    expect([ack.ack, ack.hops, rest]).toEqual([106, [NEAR, FAR], []])
  })
})
