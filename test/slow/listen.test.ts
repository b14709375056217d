/** Passive open. */
import { describe, expect, it } from 'vitest'
import {
  CONTEXT_NONE, EV_CONN_CLOSED, EV_LISTEN_ACCEPT, EV_LISTEN_CLOSED, EV_LISTEN_NEWCONN, EV_LISTEN_OPEN, FLAG_SACK, FLAG_TIMESTAMPS,
  LISTEN_REUSEPORT, REQ_CONN_CLOSE, REQ_LISTEN_ACCEPT, REQ_LISTEN_CLOSE, REQ_LISTEN_OPEN, TCB_BUFFER, TCB_CONTEXT_U16,
  TCB_CWND, TCB_FLAGS, TCB_MSS_U16, TCB_PORTS, TCB_RCV_ADV, TCB_RCV_NXT, TCB_RCV_READ, TCB_RCV_WSCALE_U8,
  TCB_REMOTE_IP, TCB_RX_BASE, TCB_RX_LOG2_U8, TCB_SND_END, TCB_SND_MAX, TCB_SND_NXT, TCB_SND_UNA, TCB_SND_WND,
  TCB_SND_WSCALE_U8, TCB_SRTT_US8, TCB_TS_RECENT, TCB_TX_BASE, TCB_TX_LOG2_U8, TO_FAST_FLOW_ADD, TO_FAST_FLOW_CONTEXT,
  TO_FAST_FLOW_REMOVE, TO_FAST_PACKET,
} from '../../lib/memif/index.js'
import { type FakeContext, Host, LISTEN_PORT, OUR_IP, PEER_IP, PEER_PORT, RX_BUF, segmentFrame } from './harness.js'
import {
  accepted, LISTENER, listening, PEER_ISS, PEER_OPTIONS, scene, shakeHands, TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN,
} from './scenes.js'

/** Two contexts of an application that share port 80. */
function sharing(): { readonly host: Host; readonly contexts: readonly FakeContext[] } {
  const { host, app: { addContext, context } } = scene({ config: { kinBytes: 8192, koutBytes: 8192 } }, 16)
  const contexts = [context, addContext()]
  contexts.forEach((each, i) => each.request(REQ_LISTEN_OPEN, i + 1, { ports: 80, backlog: 20, flags: LISTEN_REUSEPORT }))
  return { host, contexts }
}

describe('listener', () => {
  it('opening: a free port -> EV_LISTEN_OPEN with address and port', () => {
    const { context } = scene()
    context.request(REQ_LISTEN_OPEN, 1, { ports: 80, backlog: 5 })
    context.request(REQ_LISTEN_OPEN, 2, { ports: 80, localIp: OUR_IP, backlog: 5 })
    context.request(REQ_LISTEN_OPEN, 3, { backlog: 5 })
    const events = context.read()
    expect(events.map(({ type, handle, status }) => [type, handle, status])).toEqual(
      [[EV_LISTEN_OPEN, 1, 0], [EV_LISTEN_OPEN, 2, 0], [EV_LISTEN_OPEN, 3, 0]])
    expect(events[2].ports).toBeGreaterThanOrEqual(10_240)
  })

  it('opening: port taken, foreign address, bad port, handle in use -> errno', () => {
    const { context } = listening()
    context.request(REQ_LISTEN_OPEN, 1, { ports: LISTEN_PORT })
    context.request(REQ_LISTEN_OPEN, 2, { ports: 81, localIp: PEER_IP })
    context.request(REQ_LISTEN_OPEN, 3, { ports: 65_536 })
    context.request(REQ_LISTEN_OPEN, LISTENER, { ports: 82 })
    expect(context.read().map(({ status }) => status)).toEqual([98, 99, 22, 22])
  })

  it.each([[0, OUR_IP], [OUR_IP, 0]])('opening: another application has the port on %i, wanted on %i -> EADDRINUSE', (has, wants) => {
    const { host, context } = scene()
    context.request(REQ_LISTEN_OPEN, 1, { ports: 80, localIp: has, backlog: 5 })
    const { context: other } = host.addApp()
    other.request(REQ_LISTEN_OPEN, 1, { ports: 80, localIp: wants, backlog: 5, flags: LISTEN_REUSEPORT })
    expect([context.read()[0].status, other.read()[0].status]).toEqual([0, 98])
  })

  it('REUSEPORT: both have the flag -> the port is shared and SYNs are spread', () => {
    const { host, context } = scene()
    for (const handle of [1, 2]) context.request(REQ_LISTEN_OPEN, handle, { ports: 80, backlog: 20,
      flags: LISTEN_REUSEPORT })
    context.request(REQ_LISTEN_OPEN, 3, { ports: 80, backlog: 20 })
    expect(context.read().map(({ status }) => status)).toEqual([0, 0, 98])
    for (let port = 1; port <= 8; port++) shakeHands(host, port)
    expect(new Set(context.read().map(({ handle }) => handle))).toEqual(new Set([1, 2]))
  })

  it('REUSEPORT: another user has the port -> EADDRINUSE (socket(7))', () => {
    const { host, context } = scene()
    context.request(REQ_LISTEN_OPEN, 1, { ports: 80, backlog: 5, flags: LISTEN_REUSEPORT })
    const same = host.addApp(8, 0).context
    const other = host.addApp(8, 1000).context
    for (const each of [same, other]) each.request(REQ_LISTEN_OPEN, 1, { ports: 80, backlog: 5, flags: LISTEN_REUSEPORT })
    expect([context, same, other].map((each) => each.read()[0].status)).toEqual([0, 0, 98])
  })

  it('REUSEPORT: a context waits in accept, another does not -> all connections go to the one that waits', () => {
    const { host, contexts: [, idle] } = sharing()
    for (let handle = 1; handle <= 8; handle++) idle.request(REQ_LISTEN_ACCEPT, 20 + handle, { listener: 2 })
    for (let port = 1; port <= 8; port++) shakeHands(host, port)
    const events = idle.read().filter(({ type }) => type !== EV_LISTEN_OPEN)
    expect(events.map(({ type, listener }) => [type, listener])).toEqual(
      Array.from({ length: 8 }, () => [[EV_LISTEN_NEWCONN, 0], [EV_LISTEN_ACCEPT, 2]]).flat())
    expect(events.filter(({ type }) => type === EV_LISTEN_ACCEPT).map(({ handle }) => handle)).toEqual([21, 22, 23, 24, 25, 26, 27, 28])
  })

  it('REUSEPORT: connections wait with a busy context -> an idle one gets them by its accepts', () => {
    const { host, contexts: [busy, idle] } = sharing()
    for (let port = 1; port <= 8; port++) shakeHands(host, port)
    for (let handle = 1; handle <= 9; handle++) idle.request(REQ_LISTEN_ACCEPT, 20 + handle, { listener: 2 })
    expect(idle.read().filter(({ type }) => type === EV_LISTEN_ACCEPT)).toHaveLength(8)
    expect(busy.read().some(({ type }) => type === EV_LISTEN_ACCEPT)).toBe(false)
    busy.request(REQ_LISTEN_CLOSE, 1)
    expect([host.count('flowsEstablished'), host.sent()]).toEqual([8, []])
  })

  it('an exact address and any -> the exact one is asked first', () => {
    const { host, context } = listening()
    context.request(REQ_LISTEN_OPEN, 1, { ports: LISTEN_PORT, localIp: OUR_IP, backlog: 1 })
    context.read()
    shakeHands(host)
    expect(context.read()[0]).toMatchObject({ type: EV_LISTEN_NEWCONN, handle: 1 })
  })

  it('closing: waiting connections are reset, accepts end with ECANCELED, the port is free', () => {
    const { host, context } = listening()
    shakeHands(host)
    host.work()
    host.send({ seq: 1, flags: TCP_SYN, remotePort: 6000 })
    host.sent()
    context.read()
    context.request(REQ_LISTEN_CLOSE, LISTENER)
    expect(host.sent()).toMatchObject([{ flags: TCP_RST | TCP_ACK, targetPort: 6000 }])
    expect(host.work().map(({ type }) => type)).toEqual([TO_FAST_FLOW_REMOVE])
    expect(host.sent()).toMatchObject([{ flags: TCP_RST | TCP_ACK, targetPort: PEER_PORT }])
    context.request(REQ_LISTEN_OPEN, 2, { ports: LISTEN_PORT, backlog: 1 })
    context.request(REQ_LISTEN_ACCEPT, 3, { listener: 2 })
    context.request(REQ_LISTEN_CLOSE, 2)
    expect(context.read().map(({ type, handle, status }) => [type, handle, status])).toEqual([
      [EV_LISTEN_CLOSED, LISTENER, 0], [EV_LISTEN_OPEN, 2, 0], [EV_LISTEN_ACCEPT, 3, 125], [EV_LISTEN_CLOSED, 2, 0],
    ])
    expect(host.count('listeners')).toBe(0)
    expect(host.count('bufferBytes')).toBe(0)
  })
})

describe('LISTEN', () => {
  it('SYN with all options -> SYN-ACK answers window scale, SACK and timestamps (RFC 9293, 3.10.7.2; RFC 7323)', () => {
    const { host } = listening()
    host.send({ seq: PEER_ISS, flags: TCP_SYN, options: PEER_OPTIONS })
    expect(host.sent()).toMatchObject([{
      sourcePort: LISTEN_PORT, targetPort: PEER_PORT, ack: PEER_ISS + 1, flags: TCP_SYN | TCP_ACK, window: RX_BUF,
      options: { mss: 1460, windowScale: 0, sackPermitted: true, timestamps: { value: host.nowUs / 1000, echo: 500 } },
    }])
    expect(host.count('flowsSynReceived')).toBe(1)
  })

  it('SYN without options -> SYN-ACK with MSS alone', () => {
    const { host } = listening()
    host.send({ seq: PEER_ISS, flags: TCP_SYN })
    expect(host.sent()[0].options).toEqual({ mss: 1460, windowScale: null, sackPermitted: false, timestamps: null })
  })

  it('ACK -> RST with its number; RST -> nothing (RFC 9293, 3.10.7.2)', () => {
    const { host } = listening()
    host.send({ seq: 1, ack: 77, flags: TCP_ACK })
    expect(host.sent()).toMatchObject([{ seq: 77, flags: TCP_RST }])
    host.send({ seq: 1, flags: TCP_RST })
    expect(host.sent()).toEqual([])
  })

  it('SYN when the accept queue is full -> dropped', () => {
    const { host } = listening({}, 2)
    shakeHands(host, 1)
    shakeHands(host, 2)
    host.send({ flags: TCP_SYN, remotePort: 3 })
    expect(host.sent()).toEqual([])
    expect([host.count('synDropped'), host.count('synCookiesSent')]).toEqual([1, 0])
  })

  it('ISN: different for every four-tuple, rising with time (RFC 6528)', () => {
    const isn = (afterUs: number, remotePort: number): number => {
      const { host } = listening()
      host.nowUs += afterUs
      host.send({ flags: TCP_SYN, remotePort })
      return host.sent()[0].seq
    }
    expect(isn(4000, 1) - isn(0, 1)).toBe(1000)
    expect(Math.abs(isn(0, 1) - isn(0, 2))).toBeGreaterThan(1000)
  })
})

describe('SYN-RECEIVED', () => {
  it('no ACK -> SYN-ACK again after 10, 20, 40 ms ... and given up with a RST', () => {
    const { host } = listening({ config: { tcp: { ...new Host().config.tcp, handshakeRetries: 3 } } })
    host.send({ seq: PEER_ISS, flags: TCP_SYN })
    host.sent()
    for (const waitUs of [10_000, 20_000, 40_000]) {
      host.advance(waitUs - 1)
      expect(host.sent()).toEqual([])
      host.advance(1)
      expect(host.sent()).toMatchObject([{ flags: TCP_SYN | TCP_ACK }])
    }
    host.advance(80_000)
    expect(host.sent()).toMatchObject([{ flags: TCP_RST | TCP_ACK }])
    expect([host.count('handshakeRetransmits'), host.count('connectionsTimedOut'),
      host.count('flowsSynReceived')]).toEqual([3, 1, 0])
    expect(host.slow.nextDeadlineUs()).toBe(Infinity)
  })

  it('the SYN again -> the same SYN-ACK; another SYN outside the window -> ACK (RFC 9293, 3.10.7.4, first)', () => {
    const { host } = listening()
    host.send({ seq: PEER_ISS, flags: TCP_SYN })
    const [first] = host.sent()
    host.send({ seq: PEER_ISS, flags: TCP_SYN })
    expect(host.sent()).toMatchObject([{ seq: first.seq, flags: TCP_SYN | TCP_ACK }])
    host.send({ seq: PEER_ISS - 5, flags: TCP_SYN })
    expect(host.sent()).toMatchObject([{ seq: first.seq + 1, ack: PEER_ISS + 1, flags: TCP_ACK }])
  })

  it('challenge ACK with window scaling -> the window of the SYN-ACK, scaled (RFC 7323, 2.2)', () => {
    const { host } = listening({ config: { tcp: { ...new Host().config.tcp, rxBufLen: 1 << 17, rxBufMax: 1 << 17 } } })
    host.send({ seq: PEER_ISS, flags: TCP_SYN, options: PEER_OPTIONS })
    const [synAck] = host.sent()
    host.send({ seq: PEER_ISS + 9, flags: TCP_RST })
    const [challenge] = host.sent()
    const shift = synAck.options.windowScale ?? 0
    expect([synAck.window, shift, challenge.window]).toEqual([0xffff, 2, 0xffff >> 2])
  })

  it('RST with the next number -> gone; another -> not (RFC 9293, 3.10.7.4, second)', () => {
    const { host } = listening()
    host.send({ seq: PEER_ISS, flags: TCP_SYN })
    host.send({ seq: PEER_ISS + 3, flags: TCP_RST })
    expect(host.count('flowsSynReceived')).toBe(1)
    host.send({ seq: PEER_ISS + 1, flags: TCP_RST })
    expect(host.count('flowsSynReceived')).toBe(0)
    expect(host.count('connectionsFailed')).toBe(1)
  })

  it('ACK of something never sent -> RST with its number (RFC 9293, 3.10.7.4, fifth)', () => {
    const { host } = listening()
    host.send({ seq: PEER_ISS, flags: TCP_SYN })
    const [synAck] = host.sent()
    host.send({ seq: PEER_ISS + 1, ack: synAck.seq + 2, flags: TCP_ACK })
    expect(host.sent()).toMatchObject([{ seq: synAck.seq + 2, flags: TCP_RST }])
    host.send({ seq: PEER_ISS + 1 + RX_BUF, ack: synAck.seq + 1, flags: TCP_ACK })
    expect(host.sent()).toMatchObject([{ flags: TCP_ACK, ack: PEER_ISS + 1 }])
  })

  it('ACK -> ESTABLISHED: NEWCONN, then the flow, whose TCB has all that the segment says', () => {
    const { host, context } = listening()
    host.send({ seq: PEER_ISS, flags: TCP_SYN, options: PEER_OPTIONS })
    const [synAck] = host.sent()
    host.nowUs += 300
    const options = { timestamps: { value: 510, echo: 1 } }
    host.receiveFrame(segmentFrame({ seq: PEER_ISS + 1, ack: synAck.seq + 1, window: 9, flags: TCP_ACK, options }))
    expect(context.read()).toMatchObject([
      { type: EV_LISTEN_NEWCONN, handle: LISTENER, remoteIp: PEER_IP, ports: (PEER_PORT << 16) | LISTEN_PORT },
    ])
    const commands = host.worker.read()
    expect(commands.map(({ type }) => type)).toEqual([TO_FAST_FLOW_ADD])
    const { flow } = commands[0]
    const [iss, nxt] = [synAck.seq + 1, PEER_ISS + 1]
    for (const word of [TCB_SND_UNA, TCB_SND_NXT, TCB_SND_MAX, TCB_SND_END, TCB_TX_BASE]) expect(host.tcb(flow,
      word)).toBe(iss)
    for (const word of [TCB_RCV_NXT, TCB_RCV_READ, TCB_RX_BASE]) expect(host.tcb(flow, word)).toBe(nxt)
    expect(host.tcb(flow, TCB_RCV_ADV)).toBe(nxt + RX_BUF)
    const rest = [TCB_SND_WND, TCB_TS_RECENT, TCB_CWND, TCB_FLAGS].map((word) => host.tcb(flow, word))
    expect(rest).toEqual([9 << 7, 510, 10 * 1448, FLAG_TIMESTAMPS | FLAG_SACK])
    expect(host.tcb(flow, TCB_SRTT_US8)).toBe(2400)
    expect(host.tcb(flow, TCB_REMOTE_IP)).toBe(0x0200000a)
    expect(host.tcb(flow, TCB_PORTS) >>> 0).toBe(0x50008813)
    expect(host.tcb(flow, TCB_BUFFER)).toBeGreaterThan(0)
    const { halves, bytes, tcbWord } = host.state
    const half = (index: number): number => halves[(tcbWord + flow * 32) * 2 + index]
    const byte = (index: number): number => bytes[(tcbWord + flow * 32) * 4 + index]
    expect([half(TCB_CONTEXT_U16), half(TCB_MSS_U16)]).toEqual([CONTEXT_NONE, 1448])
    expect([TCB_RX_LOG2_U8, TCB_TX_LOG2_U8, TCB_SND_WSCALE_U8, TCB_RCV_WSCALE_U8].map(byte)).toEqual([12, 13, 7, 0])
  })

  it.each([
    ['with data', { payload: Uint8Array.of(1) }], ['with FIN', { flags: TCP_ACK | TCP_FIN }], ['beyond a gap', { seq: PEER_ISS + 9 }],
  ])('ACK %s -> the worker gets the segment behind the flow', (_name, more) => {
    const { host } = listening()
    host.send({ seq: PEER_ISS, flags: TCP_SYN })
    const [synAck] = host.sent()
    host.send({ seq: PEER_ISS + 1, ack: synAck.seq + 1, flags: TCP_ACK, ...more })
    expect(host.worker.read().map(({ type }) => type)).toEqual([TO_FAST_FLOW_ADD, TO_FAST_PACKET])
  })

  it('ACK with a small MSS, none at all -> honoured, 536 (RFC 9293, 3.7.1)', () => {
    for (const [offer, mss] of [[{ mss: 300 }, 300], [{}, 536], [{ mss: 9000 }, 1460]] as const) {
      const { host, context } = listening()
      shakeHands(host, PEER_PORT, offer)
      context.read()
      context.request(REQ_LISTEN_ACCEPT, 1, { listener: LISTENER })
      expect(context.read()[0].sizes >>> 16).toBe(mss)
    }
  })

  it('data before the flow is known to the worker -> reinjected (TO_FAST_PACKET)', () => {
    const { host } = listening()
    const iss = shakeHands(host)
    host.worker.read()
    host.send({ seq: PEER_ISS + 1, ack: iss + 1, flags: TCP_ACK, payload: Uint8Array.of(1, 2, 3) })
    const [command] = host.worker.read()
    expect(command.type).toBe(TO_FAST_PACKET)
    expect([...(command.packet ?? []).slice(-3)]).toEqual([1, 2, 3])
    expect(host.count('reinjectedPackets')).toBe(1)
  })

  it('no memory -> stays half-open; the next segment after memory is free succeeds', () => {
    const { host, context } = listening({}, 4, 1)
    shakeHands(host, 1)
    const iss = shakeHands(host, 2)
    expect([host.count('flowsEstablished'), host.count('flowsSynReceived')]).toEqual([1, 1])
    context.request(REQ_LISTEN_ACCEPT, 1, { listener: LISTENER })
    const event = context.read().find(({ type }) => type === EV_LISTEN_ACCEPT)
    context.request(REQ_CONN_CLOSE, 1, { flow: event?.flow ?? -1, gen: event?.gen ?? 0, flags: 1 })
    host.work()
    host.send({ seq: PEER_ISS + 1, ack: iss + 1, flags: TCP_ACK | TCP_FIN, remotePort: 2 })
    expect([host.count('flowsEstablished'), host.count('flowsSynReceived')]).toEqual([1, 0])
  })
})

describe('accept', () => {
  it('a handle waits -> NEWCONN before ACCEPT, and the flow has the context', () => {
    const { host, context } = listening()
    context.request(REQ_LISTEN_ACCEPT, 5, { listener: LISTENER })
    shakeHands(host)
    const events = context.read()
    expect(events.map(({ type }) => type)).toEqual([EV_LISTEN_NEWCONN, EV_LISTEN_ACCEPT])
    expect(events[1]).toMatchObject({ handle: 5, listener: LISTENER, status: 0, rxBase: PEER_ISS + 1, worker: 0 })
    expect(host.state.halves[(host.state.tcbWord + events[1].flow * 32) * 2 + TCB_CONTEXT_U16]).toBe(context.id)
  })

  it('a connection waits -> ACCEPT at once, then TO_FAST_FLOW_CONTEXT', () => {
    const { host, context } = listening()
    shakeHands(host, 1)
    shakeHands(host, 2)
    host.work()
    context.request(REQ_LISTEN_ACCEPT, 5, { listener: LISTENER })
    expect(context.read().at(-1)).toMatchObject({ type: EV_LISTEN_ACCEPT, ports: (1 << 16) | LISTEN_PORT })
    expect(host.work()).toMatchObject([{ type: TO_FAST_FLOW_CONTEXT, context: 0 }])
  })

  it('unknown listener, handle twice -> EINVAL', () => {
    const { host, context } = listening()
    context.request(REQ_LISTEN_ACCEPT, 5, { listener: 99 })
    context.request(REQ_LISTEN_ACCEPT, 5, { listener: LISTENER })
    context.request(REQ_LISTEN_ACCEPT, 5, { listener: LISTENER })
    expect(context.read().map(({ status }) => status)).toEqual([22, 22])
    expect(host.count('appBadRequests')).toBe(1)
  })

  it('a pending accept is closed -> EV_CONN_CLOSED with flow -1; the next connection waits', () => {
    const { host, context } = listening()
    context.request(REQ_LISTEN_ACCEPT, 5, { listener: LISTENER })
    context.request(REQ_CONN_CLOSE, 5, { flow: -1 })
    expect(context.read()).toMatchObject([{ type: EV_CONN_CLOSED, handle: 5, flow: -1, status: 0 }])
    shakeHands(host)
    expect(context.read().map(({ type }) => type)).toEqual([EV_LISTEN_NEWCONN])
  })

  it('a connection reset before it was accepted -> nobody hears of its end', () => {
    const { host, context } = listening()
    shakeHands(host)
    const { flow, gen } = host.work()[0]
    context.read()
    host.send({ seq: PEER_ISS + 1, flags: TCP_RST }, flow, gen)
    host.work()
    expect(context.read()).toEqual([])
    expect([host.count('bufferBytes'), host.count('flowsEstablished')]).toEqual([0, 0])
    context.request(REQ_LISTEN_ACCEPT, 5, { listener: LISTENER })
    expect(context.read()).toEqual([])
  })

  it('with timestamps -> MSS is twelve bytes less', () => {
    const open = accepted({}, PEER_OPTIONS)
    expect(open.host.state.halves[(open.host.state.tcbWord + open.flow * 32) * 2 + TCB_MSS_U16]).toBe(1448)
  })
})
