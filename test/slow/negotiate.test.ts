/** SACK (RFC 2018, 2) and ECN (RFC 3168, 6.1.1) in both opens. */
import { describe, expect, it } from 'vitest'
import { EV_CONN_OPEN, FLAG_ECN, FLAG_ECN_ACCURATE, FLAG_SACK, TCB_FLAGS, TO_FAST_FLOW_ADD } from '../../lib/memif/index.js'
import { TCP_CWR, TCP_ECE } from '../../lib/wire/index.js'
import { DEFAULT_CONGESTION, DEFAULT_TCP, type EcnMode } from '../../service/slow/index.js'
import { type Host, type HostOptions, PEER_PORT, RX_BUF, TX_BUF } from './harness.js'
import {
  connecting, listening, PEER_ISS, REMOTE_PORT, shakeHands, TCP_ACK, TCP_RST, TCP_SYN,
} from './scenes.js'

const SYN_ACK = TCP_SYN | TCP_ACK
const ECN_SYN = TCP_SYN | TCP_ECE | TCP_CWR
const ECN_SYN_ACK = SYN_ACK | TCP_ECE

function mode(ecn: EcnMode): HostOptions {
  return { config: { tcp: { ...DEFAULT_TCP, rxBufLen: RX_BUF, txBufLen: TX_BUF, ecn } } }
}

/** FLAG_* bits of the flow that was added last. */
function flagsOf(host: Host): number {
  const added = host.worker.read().filter(({ type }) => type === TO_FAST_FLOW_ADD).at(-1)
  return added === undefined ? 0 : host.tcb(added.flow, TCB_FLAGS)
}

/** A SYN with `flags` to our listener and the ACK behind it: flags of the SYN-ACK, flags of the flow. */
function passive(ecn: EcnMode, flags: number): [number, number] {
  const { host } = listening(mode(ecn))
  host.send({ seq: PEER_ISS, flags })
  const [synAck] = host.sent()
  host.send({ seq: PEER_ISS + 1, ack: synAck.seq + 1, flags: TCP_ACK })
  return [synAck.flags, flagsOf(host) & FLAG_ECN]
}

/** Our SYN, answered with `flags`: flags of the SYN, flags of the flow. */
function active(ecn: EcnMode, flags: number): [number, number] {
  const { host, syn } = connecting(mode(ecn))
  const from = { remotePort: REMOTE_PORT, localPort: syn.sourcePort }
  host.send({ ...from, seq: PEER_ISS, ack: syn.seq + 1, flags })
  return [syn.flags, flagsOf(host) & FLAG_ECN]
}

describe('ECN, receiver', () => {
  it.each([
    ['dctcp-rate', true], ['dctcp-win', true], ['cubic', false], ['timely', false],
  ] as const)('ECN agreed on, --cc=%s -> marks echoed one by one: %s (RFC 8257, 3.2)', (algorithm, isAccurate) => {
    const { host } = listening({ config: { ...mode('passive').config, cc: { ...DEFAULT_CONGESTION, algorithm } } })
    host.send({ seq: PEER_ISS, flags: ECN_SYN })
    const [synAck] = host.sent()
    host.send({ seq: PEER_ISS + 1, ack: synAck.seq + 1, flags: TCP_ACK })
    expect((flagsOf(host) & FLAG_ECN_ACCURATE) !== 0).toBe(isAccurate)
  })
})

describe('SACK', () => {
  it('LISTEN: SYN permits it -> SYN-ACK does too, FLAG_SACK (RFC 2018, 2)', () => {
    const { host } = listening()
    shakeHands(host, PEER_PORT, { sackPermitted: true })
    expect(flagsOf(host) & FLAG_SACK).toBe(FLAG_SACK)
    shakeHands(host, PEER_PORT + 1, { mss: 1460 })
    expect(flagsOf(host) & FLAG_SACK).toBe(0)
  })

  it.each([true, false])('SYN-SENT: SYN-ACK permits it: %s -> FLAG_SACK only then (RFC 2018, 2)', (sackPermitted) => {
    const { host, syn } = connecting()
    expect(syn.options.sackPermitted).toBe(true)
    const from = { remotePort: REMOTE_PORT, localPort: syn.sourcePort }
    host.send({ ...from, seq: PEER_ISS, ack: syn.seq + 1, flags: SYN_ACK, options: { sackPermitted } })
    expect(flagsOf(host) & FLAG_SACK).toBe(sackPermitted ? FLAG_SACK : 0)
  })
})

describe('ECN', () => {
  it.each([
    ['passive', ECN_SYN, ECN_SYN_ACK, FLAG_ECN],
    ['on', ECN_SYN, ECN_SYN_ACK, FLAG_ECN],
    ['off', ECN_SYN, SYN_ACK, 0],
    ['passive', TCP_SYN, SYN_ACK, 0],
    ['passive', TCP_SYN | TCP_ECE, SYN_ACK, 0],
    ['passive', TCP_SYN | TCP_CWR, SYN_ACK, 0],
  ] as const)('LISTEN, --tcp-ecn=%s: SYN with flags %i -> SYN-ACK with flags %i, flow with %i (RFC 3168, 6.1.1)',
    (ecn, flags, synAck, flow) => {
      expect(passive(ecn, flags)).toEqual([synAck, flow])
    })

  it.each([
    ['on', ECN_SYN_ACK, ECN_SYN, FLAG_ECN],
    ['on', SYN_ACK, ECN_SYN, 0],
    // A peer that reflects all flags does not know ECN (RFC 3168, 6.1.1).
    ['on', ECN_SYN_ACK | TCP_CWR, ECN_SYN, 0],
    ['passive', ECN_SYN_ACK, TCP_SYN, 0],
    ['off', ECN_SYN_ACK, TCP_SYN, 0],
  ] as const)('SYN-SENT, --tcp-ecn=%s: SYN-ACK with flags %i -> our SYN has flags %i, flow %i (RFC 3168, 6.1.1)',
    (ecn, flags, syn, flow) => {
      expect(active(ecn, flags)).toEqual([syn, flow])
    })

  it('SYN-SENT: no answer to three SYNs -> the fourth asks without ECN, and ECN is off (RFC 3168, 6.1.1.1)', () => {
    const { host, syn } = connecting(mode('on'))
    host.advance(10_000 + 20_000 + 40_000)
    expect(host.sent().map(({ flags }) => flags)).toEqual([ECN_SYN, ECN_SYN, TCP_SYN])
    const from = { remotePort: REMOTE_PORT, localPort: syn.sourcePort }
    host.send({ ...from, seq: PEER_ISS, ack: syn.seq + 1, flags: ECN_SYN_ACK })
    expect(flagsOf(host) & FLAG_ECN).toBe(0)
  })

  it('SYN-SENT: RST to a SYN with ECN -> SYN without; RST to that -> ECONNREFUSED (RFC 3168, 6.1.1.1)', () => {
    const { host, context, syn } = connecting(mode('on'))
    const refusal = { remotePort: REMOTE_PORT, localPort: syn.sourcePort, ack: syn.seq + 1, flags: TCP_RST | TCP_ACK }
    host.send(refusal)
    expect(host.sent()).toMatchObject([{ seq: syn.seq, flags: TCP_SYN }])
    expect(context.read()).toEqual([])
    host.send(refusal)
    expect(context.read()).toMatchObject([{ type: EV_CONN_OPEN, status: 111 }])
  })

  it('SYN-RECEIVED: the SYN again without ECN -> SYN-ACK without, no FLAG_ECN (RFC 3168, 6.1.1.1)', () => {
    const { host } = listening()
    host.send({ seq: PEER_ISS, flags: ECN_SYN })
    host.send({ seq: PEER_ISS, flags: TCP_SYN })
    const [first, second] = host.sent()
    expect([first.flags, second.flags]).toEqual([ECN_SYN_ACK, SYN_ACK])
    host.send({ seq: PEER_ISS + 1, ack: first.seq + 1, flags: TCP_ACK })
    expect(flagsOf(host) & FLAG_ECN).toBe(0)
  })

  it.each([['on', ECN_SYN_ACK, FLAG_ECN], ['passive', SYN_ACK, 0]] as const)(
    'simultaneous open, --tcp-ecn=%s: SYN with ECN -> SYN-ACK with flags %i, flow with %i (RFC 3168, 6.1.1)', (ecn, flags, flow) => {
      const { host, syn } = connecting(mode(ecn))
      const from = { remotePort: REMOTE_PORT, localPort: syn.sourcePort }
      host.send({ ...from, seq: PEER_ISS, flags: ECN_SYN })
      expect(host.sent()[0].flags).toBe(flags)
      host.send({ ...from, seq: PEER_ISS, ack: syn.seq + 1, flags })
      expect(flagsOf(host) & FLAG_ECN).toBe(flow)
    })
})
