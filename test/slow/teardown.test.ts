/** Both closes, TIME-WAIT, and who gives what back when. */
import { describe, expect, it } from 'vitest'
import {
  CLOSE_ABORT, EV_CONN_CLOSED, REQ_CONN_CLOSE, TCB_SND_MAX, TCB_SND_NXT, TO_FAST_FLOW_FIN, TO_FAST_FLOW_REMOVE, TO_FAST_FLOW_RX_SHUT,
  WHAT_FIN_ACKED, WHAT_FIN_QUEUED, WHAT_FIN_RECEIVED, WHAT_UNREAD,
} from '../../lib/memif/index.js'
import { Host, PEER_PORT } from './harness.js'
import {
  accepted, CONNECTION, finishTcb, type Open, opened, PEER_ISS, PEER_OPTIONS, REMOTE_PORT, shakeHands, TCP_ACK, TCP_FIN, TCP_RST,
  TCP_SYN,
} from './scenes.js'

const report = (open: Open, what: number): void => open.host.report(open.flow, open.gen, what)
const close = (open: Open, flags = 0): void => open.context.request(REQ_CONN_CLOSE, CONNECTION,
  { flow: open.flow, gen: open.gen, flags })
const types = (open: Open): number[] => open.host.work().map(({ type }) => type)
const gauges = ({ host }: Open): number[] => [host.count('flowsEstablished'), host.count('flowsClosing'),
  host.count('flowsTimeWait')]

/** We closed first and are in TIME-WAIT; the worker has let go. */
function timeWait(open: Open = accepted({}, PEER_OPTIONS)): Open {
  close(open)
  report(open, WHAT_FIN_QUEUED)
  report(open, WHAT_FIN_ACKED)
  finishTcb(open)
  report(open, WHAT_FIN_RECEIVED)
  types(open)
  open.host.sent()
  return open
}

describe('FIN-WAIT-1, FIN-WAIT-2', () => {
  it('we close, data has come on the way -> RST, the peer need not wait for room (RFC 1122, 4.2.2.13)', () => {
    const open = accepted()
    close(open)
    report(open, WHAT_FIN_QUEUED | WHAT_UNREAD)
    expect(types(open)).toEqual([TO_FAST_FLOW_RX_SHUT, TO_FAST_FLOW_REMOVE])
    expect(open.host.sent()).toMatchObject([{ flags: TCP_RST | TCP_ACK }])
    expect(open.host.count('connectionsReset')).toBe(1)
  })

  it('we close, ACK, peer closes -> TIME-WAIT, flow removed, EV_CONN_CLOSED (RFC 9293, 3.6, figure 12)', () => {
    const open = accepted()
    close(open)
    expect(types(open)).toEqual([TO_FAST_FLOW_RX_SHUT])
    report(open, WHAT_FIN_QUEUED)
    report(open, WHAT_FIN_ACKED)
    expect(gauges(open)).toEqual([0, 1, 0])
    finishTcb(open)
    report(open, WHAT_FIN_RECEIVED)
    expect(gauges(open)).toEqual([0, 0, 1])
    expect(open.context.read()).toEqual([])
    expect(types(open)).toEqual([TO_FAST_FLOW_REMOVE])
    expect(open.context.read()).toMatchObject([{ type: EV_CONN_CLOSED, handle: CONNECTION, flow: open.flow,
      gen: open.gen, status: 0 }])
    expect(open.host.count('bufferBytes')).toBe(0)
  })

  it('both close at once -> CLOSING, TIME-WAIT (RFC 9293, 3.6, figure 13)', () => {
    const open = accepted()
    report(open, WHAT_FIN_QUEUED)
    report(open, WHAT_FIN_RECEIVED)
    expect(gauges(open)).toEqual([0, 1, 0])
    report(open, WHAT_FIN_ACKED)
    expect(gauges(open)).toEqual([0, 0, 1])
  })

  it('the peer never closes, the application has -> given up after 60 s; not while the application reads', () => {
    const open = accepted()
    report(open, WHAT_FIN_QUEUED)
    report(open, WHAT_FIN_ACKED)
    open.host.advance(100_000_000)
    expect(gauges(open)).toEqual([0, 1, 0])
    close(open)
    open.host.advance(60_000_000)
    expect(types(open)).toEqual([TO_FAST_FLOW_RX_SHUT, TO_FAST_FLOW_REMOVE])
    expect(open.context.read()).toMatchObject([{ type: EV_CONN_CLOSED, status: 0 }])
    expect(open.host.slow.nextDeadlineUs()).toBe(Infinity)
  })

  it('closed, but the library sent no FIN -> the slow path orders one after 5 s, and looks for what is unread', () => {
    const open = accepted()
    close(open)
    open.host.advance(5_000_000)
    expect(types(open)).toEqual([TO_FAST_FLOW_RX_SHUT, TO_FAST_FLOW_RX_SHUT, TO_FAST_FLOW_FIN])
  })
})

describe('CLOSE-WAIT, LAST-ACK', () => {
  it('peer closes, we close, ACK -> CLOSED, no TIME-WAIT', () => {
    const open = accepted()
    report(open, WHAT_FIN_RECEIVED)
    close(open)
    report(open, WHAT_FIN_QUEUED)
    expect(gauges(open)).toEqual([0, 1, 0])
    finishTcb(open)
    report(open, WHAT_FIN_ACKED)
    expect(types(open)).toEqual([TO_FAST_FLOW_REMOVE])
    expect(open.context.read()).toMatchObject([{ type: EV_CONN_CLOSED, status: 0 }])
    expect([...gauges(open), open.host.count('bufferBytes')]).toEqual([0, 0, 0, 0])
    open.host.send({ seq: PEER_ISS + 2, ack: open.iss + 2, flags: TCP_ACK })
    expect(open.host.sent()).toMatchObject([{ flags: TCP_RST }])
  })

  it('both directions done before the application closes -> buffers kept until REQ_CONN_CLOSE', () => {
    const open = accepted()
    report(open, WHAT_FIN_RECEIVED)
    report(open, WHAT_FIN_QUEUED)
    report(open, WHAT_FIN_ACKED)
    expect(types(open)).toEqual([TO_FAST_FLOW_REMOVE])
    expect([open.context.read(), open.host.count('bufferBytes')]).toEqual([[], 12288])
    close(open)
    expect(open.context.read()).toMatchObject([{ type: EV_CONN_CLOSED, status: 0 }])
    expect([open.host.count('bufferBytes'), open.host.count('appBadRequests')]).toEqual([0, 0])
  })

  it('RST -> ECONNRESET once, also though the application has closed', () => {
    const open = accepted()
    close(open)
    open.host.send({ seq: PEER_ISS + 1, flags: TCP_RST }, open.flow, open.gen)
    types(open)
    expect(open.context.read()).toMatchObject([{ type: EV_CONN_CLOSED, status: 104 }])
    close(open)
    expect([open.context.read(), open.host.count('appBadRequests'), open.host.count('bufferBytes')]).toEqual([[], 0, 0])
  })
})

describe('ABORT', () => {
  it('REQ_CONN_CLOSE with CLOSE_ABORT -> RST with final numbers, EV_CONN_CLOSED (RFC 9293, 3.10.5)', () => {
    const open = opened()
    close(open, CLOSE_ABORT)
    expect(open.host.sent()).toEqual([])
    expect(types(open)).toEqual([TO_FAST_FLOW_REMOVE])
    expect(open.host.sent()).toMatchObject([{ seq: open.iss + 1, ack: PEER_ISS + 1, flags: TCP_RST | TCP_ACK,
      targetPort: REMOTE_PORT }])
    expect(open.context.read()).toMatchObject([{ type: EV_CONN_CLOSED, status: 0 }])
    expect([...gauges(open), open.host.count('bufferBytes')]).toEqual([0, 0, 0, 0])
  })

  it('data in flight -> RST with the oldest and with the newest number: the peer takes only the one it waits for (RFC 5961, 3.2)', () => {
    const open = opened()
    for (const word of [TCB_SND_NXT, TCB_SND_MAX]) open.host.setTcb(open.flow, word, (open.iss + 65) | 0)
    close(open, CLOSE_ABORT)
    types(open)
    const names = { ack: PEER_ISS + 1, flags: TCP_RST | TCP_ACK }
    expect(open.host.sent()).toMatchObject([{ ...names, seq: open.iss + 1 }, { ...names, seq: open.iss + 65 }])
  })
})

describe('end of the service', () => {
  it('data in flight -> RST with both numbers at once, before any worker answers', () => {
    const open = accepted()
    for (const word of [TCB_SND_NXT, TCB_SND_MAX]) open.host.setTcb(open.flow, word, (open.iss + 65) | 0)
    open.host.slow.shutdown(open.host.nowUs)
    expect(open.host.sent()).toMatchObject([{ seq: open.iss + 1, flags: TCP_RST | TCP_ACK }, { seq: open.iss + 65, flags: TCP_RST | TCP_ACK }])
  })
})

describe('TIME-WAIT', () => {
  const fin = ({ iss, remotePort, localPort }: Open): object => (
    { seq: PEER_ISS + 1, ack: iss + 2, flags: TCP_FIN | TCP_ACK, remotePort, localPort })

  it('the FIN again -> ACK, and 2 MSL begin again (RFC 9293, 3.10.7.4, eighth)', () => {
    const open = timeWait()
    open.host.advance(59_000_000)
    open.host.send(fin(open))
    expect(open.host.sent()).toMatchObject([{ seq: open.iss + 2, ack: PEER_ISS + 2, flags: TCP_ACK }])
    open.host.advance(59_000_000)
    expect(gauges(open)).toEqual([0, 0, 1])
    open.host.advance(1_000_000)
    expect(gauges(open)).toEqual([0, 0, 0])
    open.host.send(fin(open))
    expect(open.host.sent()).toMatchObject([{ flags: TCP_RST }])
  })

  it('RST and bare ACK -> ignored (RFC 1337, 3)', () => {
    const open = timeWait()
    open.host.send({ seq: PEER_ISS + 2, flags: TCP_RST })
    open.host.send({ seq: PEER_ISS + 2, ack: open.iss + 2, flags: TCP_ACK })
    expect([open.host.sent(), gauges(open)]).toEqual([[], [0, 0, 1]])
  })

  const stamped = (value: number): object => ({ options: { timestamps: { value, echo: 0 } } })
  // The last number of the peer's was PEER_ISS + 1, its FIN; the last timestamp 500.
  const [after, before] = [PEER_ISS + 2, PEER_ISS + 1]

  it.each([
    ['timestamps, SYN with a later one', true, { seq: 5, ...stamped(501) }],
    ['timestamps, SYN with the same and a higher number', true, { seq: after, ...stamped(500) }],
    ['timestamps, SYN without, a higher number', true, { seq: after }],
    ['no timestamps, SYN with', false, { seq: 5, ...stamped(1) }],
    ['no timestamps, SYN without, a higher number', false, { seq: after }],
  ])('%s -> a new connection beyond our old numbers (RFC 6191, 2; MAY-2, SHLD-4)', (_name, hadTimestamps, syn) => {
    const open = timeWait(accepted({}, hadTimestamps ? PEER_OPTIONS : {}))
    open.host.send({ ...syn, flags: TCP_SYN, remotePort: PEER_PORT })
    const [synAck] = open.host.sent()
    expect(synAck.flags).toBe(TCP_SYN | TCP_ACK)
    expect((synAck.seq - (open.iss + 2)) | 0).toBeGreaterThan(0)
    expect(gauges(open)).toEqual([0, 0, 0])
  })

  it.each([
    ['timestamps, SYN with an earlier one, whatever its number', true, { seq: after, ...stamped(499) }],
    ['timestamps, SYN with the same and no higher number', true, { seq: before, ...stamped(500) }],
    ['timestamps, SYN without, no higher number', true, { seq: before }],
    ['no timestamps, SYN without, no higher number', false, { seq: before }],
  ])('%s -> ACK, TIME-WAIT goes on (RFC 6191, 2; RFC 9293, 3.10.7.4, fourth)', (_name, hadTimestamps, syn) => {
    const open = timeWait(accepted({}, hadTimestamps ? PEER_OPTIONS : {}))
    open.host.send({ ...syn, flags: TCP_SYN, remotePort: PEER_PORT })
    expect(open.host.sent()).toMatchObject([{ flags: TCP_ACK, ack: PEER_ISS + 2 }])
    expect(gauges(open)).toEqual([0, 0, 1])
  })

  it('a SYN reopens, but its sender resets: it was an old one -> TIME-WAIT again (RFC 9293, 3.6.1 (2))', () => {
    const open = timeWait()
    open.host.send({ seq: after + 50, flags: TCP_SYN })
    open.host.send({ seq: after + 51, flags: TCP_RST })
    expect([gauges(open), open.host.count('flowsSynReceived')]).toEqual([[0, 0, 1], 0])
    open.host.sent()
    open.host.send(fin(open))
    expect(open.host.sent()).toMatchObject([{ seq: open.iss + 2, ack: PEER_ISS + 2, flags: TCP_ACK }])
    open.host.advance(60_000_000)
    expect([gauges(open), open.host.slow.nextDeadlineUs()]).toEqual([[0, 0, 0], Infinity])
  })

  it('a SYN reopens while the SYN queue is full -> a cookie, beyond the numbers of the connection before', () => {
    const open = timeWait()
    for (let port = 1; port <= 4; port++) open.host.send({ seq: 1, flags: TCP_SYN, remotePort: port })
    open.host.sent()
    open.host.send({ seq: after + 50, flags: TCP_SYN })
    const [synAck] = open.host.sent()
    expect(synAck).toMatchObject({ flags: TCP_SYN | TCP_ACK, ack: after + 51 })
    expect(gauges(open)).toEqual([0, 0, 0])
    open.host.send({ seq: after + 51, ack: synAck.seq + 1, flags: TCP_ACK })
    expect(open.host.count('synCookiesReceived')).toBe(1)
  })

  it('more than there may be -> the oldest ends early', () => {
    const { tcp } = new Host().config
    const open = timeWait(accepted({ config: { tcp: { ...tcp, timeWaitMax: 1 } } }))
    const iss = shakeHands(open.host, 6000)
    const flow = open.host.work()[0]
    const next = { ...open, flow: flow.flow, gen: flow.gen, iss }
    for (const what of [WHAT_FIN_QUEUED, WHAT_FIN_ACKED, WHAT_FIN_RECEIVED]) report(next, what)
    open.host.work()
    expect(gauges(open)).toEqual([0, 0, 1])
    open.host.sent()
    open.host.send(fin(open))
    expect(open.host.sent()).toMatchObject([{ flags: TCP_RST }])
    open.host.advance(60_000_000)
    expect([gauges(open), open.host.slow.nextDeadlineUs()]).toEqual([[0, 0, 0], Infinity])
  })

  it('a FIN that is not the one there was -> ACK, 2 MSL do not begin again', () => {
    const open = timeWait()
    open.host.advance(59_000_000)
    open.host.send({ seq: PEER_ISS + 700, ack: open.iss + 2, flags: TCP_FIN | TCP_ACK })
    expect(open.host.sent()).toMatchObject([{ seq: open.iss + 2, ack: PEER_ISS + 2, flags: TCP_ACK }])
    open.host.advance(1_000_000)
    expect(gauges(open)).toEqual([0, 0, 0])
  })

  it('of a connection that we opened, SYN from there -> ACK, nobody listens', () => {
    const open = timeWait(opened())
    open.host.send({ seq: PEER_ISS + 30, flags: TCP_SYN, remotePort: REMOTE_PORT, localPort: open.localPort })
    expect(open.host.sent()).toMatchObject([{ flags: TCP_ACK }])
  })

  it('the flow index is used again -> with another generation', () => {
    const open = timeWait()
    const next = open.host
    next.send({ seq: 1, flags: TCP_SYN, remotePort: 6000 })
    const [synAck] = next.sent()
    next.send({ seq: 2, ack: synAck.seq + 1, flags: TCP_ACK, remotePort: 6000 })
    const [add] = next.worker.read()
    expect([add.flow, add.gen]).toEqual([open.flow, open.gen + 1])
    report(open, WHAT_FIN_RECEIVED)
    expect(gauges(open)).toEqual([1, 0, 1])
  })
})
