/** What a handshake says about the path (RFC 5681, 3.1; RFC 6298, 3 and 5.7; RFC 7323, 4.1), and its user timeout. */
import { describe, expect, it } from 'vitest'
import {
  EV_CONN_OPEN, OPTION_USER_TIMEOUT, REQ_CONN_OPEN, REQ_CONN_OPTION, REQ_LISTEN_ACCEPT, REQ_LISTEN_OPEN, TCB_CWND, TCB_SND_END, TCB_SND_MAX, TCB_SND_NXT,
  TCB_SND_UNA, TCB_SRTT_US8, TO_FAST_FLOW_ADD, TO_FAST_FLOW_SEND, WHAT_ACTIVE,
} from '../../lib/memif/index.js'
import { ARP_REPLY } from '../../lib/wire/index.js'
import { arpFrame, type Host, LISTEN_PORT, OUR_MAC, type parseSent, PEER_IP } from './harness.js'
import {
  CONNECTION, connecting, LISTENER, listening, PEER_ISS, PEER_OPTIONS, REMOTE_PORT, scene, shakeHands, TCP_ACK, TCP_RST, TCP_SYN,
} from './scenes.js'

type Sent = ReturnType<typeof parseSent>
/** Which of the SYNs (SYN-ACKs) that were sent the peer's timestamps echo; null: it has none. */
type Echoes = 'first' | 'middle' | 'last' | null

const ETIMEDOUT = 110
const MSS = 1460
const WINDOW = 10 * MSS
const TIMESTAMPS_BYTES = 12

function answer(sent: readonly Sent[], echoes: Echoes): typeof PEER_OPTIONS | { mss: number } {
  if (echoes === null) return { mss: MSS }
  const at = { first: 0, middle: 1, last: sent.length - 1 }[echoes]
  return { ...PEER_OPTIONS, timestamps: { value: 500, echo: sent[at].options.timestamps?.value ?? 0 } }
}

/** We open; the answer comes after `ms`. Returns the flow. */
function open(ms: number, echoes: Echoes): { host: Host; flow: number; gen: number } {
  const { host, context, syn } = connecting()
  host.advance(ms * 1000)
  const sent = [syn, ...host.sent()]
  host.send({
    seq: PEER_ISS, ack: syn.seq + 1, flags: TCP_SYN | TCP_ACK, remotePort: REMOTE_PORT, localPort: syn.sourcePort, options: answer(sent, echoes),
  })
  const [{ flow, gen }] = context.read()
  return { host, flow, gen }
}

/** The peer opens; its ACK comes after `ms`. Returns the flow. */
function accept(ms: number, echoes: Echoes): { host: Host; flow: number; gen: number } {
  const { host } = listening()
  host.send({ seq: PEER_ISS, flags: TCP_SYN, options: echoes === null ? { mss: MSS } : PEER_OPTIONS })
  host.advance(ms * 1000)
  const sent = host.sent()
  const { mss: _, ...options } = answer(sent, echoes)
  host.send({ seq: PEER_ISS + 1, ack: sent[0].seq + 1, flags: TCP_ACK, options })
  const [{ flow, gen }] = host.worker.read()
  return { host, flow, gen }
}

/** Milliseconds until data without an answer is sent again. */
function firstTimeoutMs({ host, flow, gen }: { host: Host; flow: number; gen: number }): number {
  const end = host.tcb(flow, TCB_SND_UNA) + 100
  for (const word of [TCB_SND_NXT, TCB_SND_MAX, TCB_SND_END]) host.setTcb(flow, word, end)
  host.report(flow, gen, WHAT_ACTIVE)
  host.work()
  for (let ms = 50; ; ms += 50) {
    host.advance(50_000)
    if (host.work().some(({ type }) => type === TO_FAST_FLOW_SEND)) return ms
  }
}

describe.each([['SYN', open], ['SYN-ACK', accept]] as const)('%s sent again', (_, shake) => {
  // Sent at 0, 10, 30 and 70 ms.
  it.each([
    ['first', 100, WINDOW, 100_000], ['middle', 100, MSS, 0], ['last', 100, MSS, 30_000], [null, 100, MSS, 0], [null, 20, WINDOW, 0],
  ] as const)('the answer echoes %s, after %i ms -> window %i, round-trip time %i us (RFC 5681, 3.1; RFC 6928, 2; RFC 7323, 4.1)', (echoes, ms, window, rttUs) => {
    const { host, flow } = shake(ms, echoes)
    const segment = MSS - (echoes === null ? 0 : TIMESTAMPS_BYTES)
    expect([host.tcb(flow, TCB_CWND) / segment * MSS, host.tcb(flow, TCB_SRTT_US8) / 8]).toEqual([window, rttUs])
  })

  it('no round-trip time from it -> first timeout of data after three seconds; otherwise one (RFC 6298, 5.7)', () => {
    expect(firstTimeoutMs(shake(100, null))).toBe(3000)
    expect(firstTimeoutMs(shake(100, 'middle'))).toBe(3000)
    expect(firstTimeoutMs(shake(100, 'first'))).toBeLessThan(1000)
  })
})

describe('SYN-ACK acknowledged, but no room yet', () => {
  it('the accept queue has room later -> the round-trip time is that of the first acknowledgment', () => {
    const { host, context } = listening({}, 2)
    host.send({ seq: PEER_ISS, flags: TCP_SYN, options: PEER_OPTIONS })
    const [synAck] = host.sent()
    for (const port of [6000, 6001]) shakeHands(host, port)
    host.advance(5000)
    const ack = { seq: PEER_ISS + 1, ack: synAck.seq + 1, flags: TCP_ACK, options: answer([synAck], 'first') }
    host.send(ack)
    host.advance(1_000_000)
    context.request(REQ_LISTEN_ACCEPT, CONNECTION, { listener: LISTENER })
    host.worker.read()
    host.send(ack)
    const [{ type, flow }] = host.worker.read()
    expect([type, host.tcb(flow, TCB_SRTT_US8) / 8, host.tcb(flow, TCB_CWND)]).toEqual([TO_FAST_FLOW_ADD, 5000, 10 * (MSS - TIMESTAMPS_BYTES)])
  })
})

describe('user timeout of a handshake (RFC 9293, 3.10.8)', () => {
  it('SYN-SENT: no answer for so long -> ETIMEDOUT, nothing left', () => {
    const { host, context } = scene()
    context.post(REQ_CONN_OPTION, CONNECTION, { flow: -1, option: OPTION_USER_TIMEOUT, value: 1000 })
    context.request(REQ_CONN_OPEN, CONNECTION, { remoteIp: PEER_IP, ports: REMOTE_PORT << 16 })
    host.advance(999_000)
    expect([host.sent().length, context.read()]).toEqual([7, []])
    host.advance(1000)
    expect(context.read()).toMatchObject([{ type: EV_CONN_OPEN, status: ETIMEDOUT }])
    expect([host.sent(), host.count('userTimeouts'), host.count('bufferBytes'), host.slow.nextDeadlineUs()]).toEqual([[], 1, 0, Infinity])
  })

  it('SYN-SENT: the neighbour\'s address is not found for so long -> ETIMEDOUT, nothing left', () => {
    const { host, context } = scene({ coldArp: true })
    context.post(REQ_CONN_OPTION, CONNECTION, { flow: -1, option: OPTION_USER_TIMEOUT, value: 1000 })
    context.request(REQ_CONN_OPEN, CONNECTION, { remoteIp: PEER_IP, ports: REMOTE_PORT << 16 })
    host.advance(999_000)
    expect(context.read()).toEqual([])
    host.advance(1000)
    expect(context.read()).toMatchObject([{ type: EV_CONN_OPEN, status: ETIMEDOUT }])
    expect([host.sent(), host.count('userTimeouts'), host.count('bufferBytes'), host.count('flowsSynSent')]).toEqual([[], 1, 0, 0])
  })

  it('SYN-SENT: the neighbour\'s address comes late -> the time spent on it counts', () => {
    const { host, context } = scene({ coldArp: true })
    context.post(REQ_CONN_OPTION, CONNECTION, { flow: -1, option: OPTION_USER_TIMEOUT, value: 1000 })
    context.request(REQ_CONN_OPEN, CONNECTION, { remoteIp: PEER_IP, ports: REMOTE_PORT << 16 })
    host.advance(900_000)
    host.receiveFrame(arpFrame({ operation: ARP_REPLY, targetMac: OUR_MAC }, OUR_MAC))
    host.advance(99_000)
    expect([host.sent().length > 0, context.read()]).toEqual([true, []])
    host.advance(1000)
    expect(context.read()).toMatchObject([{ type: EV_CONN_OPEN, status: ETIMEDOUT }])
  })

  it('SYN-RECEIVED: the listener\'s -> the half-open connection is reset', () => {
    const { host, context } = scene()
    context.post(REQ_CONN_OPTION, LISTENER, { flow: -1, option: OPTION_USER_TIMEOUT, value: 500 })
    context.request(REQ_LISTEN_OPEN, LISTENER, { ports: LISTEN_PORT, backlog: 4 })
    host.send({ seq: PEER_ISS, flags: TCP_SYN })
    host.advance(499_000)
    expect(host.count('flowsSynReceived')).toBe(1)
    host.sent()
    host.advance(1000)
    expect(host.sent()).toMatchObject([{ flags: TCP_RST | TCP_ACK }])
    expect(host.count('flowsSynReceived')).toBe(0)
  })
})
