/** Active open. */
import { describe, expect, it } from 'vitest'
import {
  EV_CONN_CLOSED, EV_CONN_OPEN, flowGroup, REQ_CONN_CLOSE, REQ_CONN_OPEN, STATE_GROUPS_U8, TCB_RCV_ADV, TCB_SND_WND, TO_FAST_FLOW_ADD,
  TO_FAST_FLOW_FIN, TO_FAST_FLOW_RX_SHUT,
} from '../../lib/memif/index.js'
import { ARP_REPLY } from '../../lib/wire/index.js'
import { arpFrame, OUR_IP, OUR_MAC, PEER_IP, PEER_MAC, RX_BUF, segmentFrame } from './harness.js'
import {
  CONNECTION, connecting, opened, PEER_ISS, PEER_OPTIONS, REMOTE_PORT, scene, TCP_ACK, TCP_RST, TCP_SYN,
} from './scenes.js'

describe('CONN_OPEN request', () => {
  it('no route, bad port, foreign or taken local address -> EV_CONN_OPEN with errno', () => {
    const { host, context } = connecting()
    const [existing] = [host.count('flowsSynSent')]
    context.request(REQ_CONN_OPEN, 1, { remoteIp: 0x0b000001, ports: 80 << 16 })
    context.request(REQ_CONN_OPEN, 2, { remoteIp: PEER_IP, ports: 0 })
    context.request(REQ_CONN_OPEN, 3, { remoteIp: PEER_IP, localIp: PEER_IP, ports: 80 << 16 })
    context.request(REQ_CONN_OPEN, CONNECTION, { remoteIp: PEER_IP, ports: 80 << 16 })
    context.request(REQ_CONN_OPEN, 4, { remoteIp: PEER_IP, ports: (80 << 16) | 5 })
    context.request(REQ_CONN_OPEN, 5, { remoteIp: PEER_IP, ports: (80 << 16) | 5 })
    context.request(REQ_CONN_OPEN, 6, { remoteIp: OUR_IP | 0xff, ports: 80 << 16 })
    expect(context.read().map(({ handle, status }) => [handle, status])).toEqual(
      [[1, 101], [2, 22], [3, 99], [CONNECTION, 22], [5, 98], [6, 101]])
    expect([existing, host.count('flowsSynSent')]).toEqual([1, 2])
  })

  it('no buffers left -> ENOBUFS', () => {
    const { context } = scene({}, 1)
    for (const handle of [1, 2]) context.request(REQ_CONN_OPEN, handle, { remoteIp: PEER_IP, ports: 80 << 16 })
    expect(context.read()).toMatchObject([{ type: EV_CONN_OPEN, handle: 2, status: 105 }])
  })

  it('the neighbour is unknown -> ARP first, SYN when it answers', () => {
    const { host, context } = scene({ coldArp: true })
    context.request(REQ_CONN_OPEN, CONNECTION, { remoteIp: PEER_IP, ports: 80 << 16 })
    expect(host.arpsSent()).toMatchObject([{ operation: 1, senderIp: OUR_IP, targetIp: PEER_IP }])
    host.receiveFrame(arpFrame({ operation: ARP_REPLY, targetMac: OUR_MAC }, OUR_MAC))
    expect([...host.frames[0].subarray(0, 6)]).toEqual([...PEER_MAC])
    expect(host.sent()).toMatchObject([{ flags: TCP_SYN }])
  })

  it('the neighbour never answers -> EHOSTUNREACH, everything given back', () => {
    const { host, context } = scene({ coldArp: true, config: { arp: { timeoutUs: 500, timeoutMaxUs: 4000 } } })
    context.request(REQ_CONN_OPEN, CONNECTION, { remoteIp: PEER_IP, ports: 80 << 16 })
    host.advance(500 + 1000 + 2000 + 4000)
    expect(context.read()).toMatchObject([{ type: EV_CONN_OPEN, status: 113 }])
    expect([host.count('bufferBytes'), host.count('arpEntries'), host.count('flowsSynSent')]).toEqual([0, 0, 0])
    expect(host.slow.nextDeadlineUs()).toBe(Infinity)
  })
})

describe('SYN-SENT', () => {
  it('the SYN -> MSS, window scale, timestamps; a random high port', () => {
    const { host, syn } = connecting()
    expect(syn).toMatchObject({
      targetPort: REMOTE_PORT, flags: TCP_SYN, window: RX_BUF, options: { mss: 1460, windowScale: 0,
        timestamps: { value: host.nowUs / 1000, echo: 0 } },
    })
    expect(syn.sourcePort).toBeGreaterThanOrEqual(10_240)
  })

  it('no answer -> SYN again with doubling timeouts for at least 3 minutes, then ETIMEDOUT (RFC 9293, 3.8.3: MUST-22, MUST-23)', () => {
    const { host, context } = connecting()
    const beganUs = host.nowUs
    for (let retry = 0; retry < 14; retry++) {
      host.advance(Math.min(10_000 * 2 ** retry, 60_000_000) - 1)
      expect(host.sent()).toEqual([])
      host.advance(1)
      expect(host.sent()).toMatchObject([{ flags: TCP_SYN }])
    }
    expect(context.read()).toEqual([])
    host.advance(60_000_000)
    expect(host.nowUs - beganUs).toBeGreaterThan(180_000_000)
    expect(context.read()).toMatchObject([{ type: EV_CONN_OPEN, handle: CONNECTION, status: 110, flow: -1 }])
    expect([host.count('handshakeRetransmits'), host.count('connectionsTimedOut'),
      host.count('bufferBytes')]).toEqual([14, 1, 0])
  })

  it('RST that acknowledges the SYN -> ECONNREFUSED; any other RST -> ignored (RFC 9293, 3.10.7.3)', () => {
    const { host, context, syn } = connecting()
    const from = { remotePort: REMOTE_PORT, localPort: syn.sourcePort }
    host.send({ ...from, flags: TCP_RST })
    host.send({ ...from, ack: syn.seq + 9, flags: TCP_RST | TCP_ACK })
    expect([context.read(), host.sent()]).toEqual([[], []])
    host.send({ ...from, ack: syn.seq + 1, flags: TCP_RST | TCP_ACK })
    expect(context.read()).toMatchObject([{ type: EV_CONN_OPEN, status: 111 }])
    expect([host.count('resetsReceived'), host.count('bufferBytes')]).toEqual([1, 0])
  })

  it('ACK of something else -> RST with its number', () => {
    const { host, syn } = connecting()
    host.send({ remotePort: REMOTE_PORT, localPort: syn.sourcePort, ack: syn.seq, flags: TCP_ACK })
    expect(host.sent()).toMatchObject([{ seq: syn.seq, flags: TCP_RST }])
    expect(host.count('flowsSynSent')).toBe(1)
  })

  it('SYN-ACK -> ACK, EV_CONN_OPEN, flow (RFC 9293, 3.5)', () => {
    const { host, context, syn } = connecting()
    host.nowUs += 50
    const from = { remotePort: REMOTE_PORT, localPort: syn.sourcePort }
    host.send({ ...from, seq: PEER_ISS, ack: syn.seq + 1, flags: TCP_SYN | TCP_ACK, window: 2000, options: PEER_OPTIONS })
    expect(host.sent()).toMatchObject([{ seq: syn.seq + 1, ack: PEER_ISS + 1, flags: TCP_ACK, window: RX_BUF,
      options: { timestamps: { echo: 500 } } }])
    const [event] = context.read()
    expect(event).toMatchObject({ type: EV_CONN_OPEN, handle: CONNECTION, status: 0, remoteIp: PEER_IP,
      txBase: syn.seq + 1, rxBase: PEER_ISS + 1 })
    expect(host.worker.read().map(({ type, flow }) => [type, flow])).toEqual([[TO_FAST_FLOW_ADD, event.flow]])
    // The window of a SYN is never scaled (RFC 7323, 2.2).
    expect(host.tcb(event.flow, TCB_SND_WND)).toBe(2000)
    expect(host.tcb(event.flow, TCB_RCV_ADV)).toBe(PEER_ISS + 1 + RX_BUF)
    expect([host.count('flowsEstablished'), host.count('connectionsOpened')]).toEqual([1, 1])
  })

  it('SYN -> simultaneous open: SYN-ACK, then ESTABLISHED by ACK or SYN-ACK (RFC 9293, 3.5, figure 8)', () => {
    for (const flags of [TCP_ACK, TCP_SYN | TCP_ACK]) {
      const { host, context, syn } = connecting()
      const from = { remotePort: REMOTE_PORT, localPort: syn.sourcePort }
      host.send({ ...from, seq: PEER_ISS, flags: TCP_SYN })
      expect(host.sent()).toMatchObject([{ seq: syn.seq, ack: PEER_ISS + 1, flags: TCP_SYN | TCP_ACK }])
      host.send({ ...from, seq: flags === TCP_ACK ? PEER_ISS + 1 : PEER_ISS, ack: syn.seq + 1, flags })
      expect(context.read()).toMatchObject([{ type: EV_CONN_OPEN, status: 0 }])
      expect(host.count('flowsEstablished')).toBe(1)
    }
  })

  it('simultaneous open, then RST -> ECONNREFUSED', () => {
    const { host, context, syn } = connecting()
    const from = { remotePort: REMOTE_PORT, localPort: syn.sourcePort }
    host.send({ ...from, seq: PEER_ISS, flags: TCP_SYN })
    host.send({ ...from, seq: PEER_ISS + 1, flags: TCP_RST })
    expect(context.read()).toMatchObject([{ type: EV_CONN_OPEN, status: 111 }])
  })

  it('CONN_CLOSE with flow -1 -> the attempt ends, EV_CONN_CLOSED', () => {
    const { host, context } = connecting()
    context.request(REQ_CONN_CLOSE, CONNECTION, { flow: -1 })
    expect(context.read()).toMatchObject([{ type: EV_CONN_CLOSED, handle: CONNECTION, flow: -1, status: 0 }])
    expect([host.count('flowsSynSent'), host.count('bufferBytes')]).toEqual([0, 0])
    expect(host.slow.nextDeadlineUs()).toBe(Infinity)
  })

  it('CONN_CLOSE with flow -1 that crosses EV_CONN_OPEN -> the slow path orders the FIN', () => {
    const { host, context } = opened()
    context.request(REQ_CONN_CLOSE, CONNECTION, { flow: -1 })
    expect(host.work().map(({ type }) => type)).toEqual([TO_FAST_FLOW_RX_SHUT, TO_FAST_FLOW_FIN])
  })
})

describe('workers', () => {
  it.each([0, 1])('two of them, the SYN-ACK arrives at worker %i -> the flow is the one\'s that has its group', (arrivesAt) => {
    const { host, syn } = connecting({ workers: 2 })
    for (const worker of host.workers) worker.read()
    const synAck = { remotePort: REMOTE_PORT, localPort: syn.sourcePort, seq: PEER_ISS, ack: syn.seq + 1,
      flags: TCP_SYN | TCP_ACK }
    host.receiveFrame(segmentFrame(synAck), -1, 0, 0, arrivesAt)
    const owner = host.state.bytes[STATE_GROUPS_U8 + flowGroup(OUR_IP, syn.sourcePort, PEER_IP, REMOTE_PORT)]
    const added = host.workers.map((worker) => worker.read().map(({ type }) => type))
    expect([added[owner], added[1 - owner]]).toEqual([[TO_FAST_FLOW_ADD], []])
  })

  it('three of them, ports of our choice -> answers come to each in turn', () => {
    const { host, context } = scene({ workers: 3 }, 16)
    for (let handle = 1; handle <= 9; handle++) context.request(REQ_CONN_OPEN, handle, { remoteIp: PEER_IP, ports: REMOTE_PORT << 16 })
    const workers = host.sent().map(({ sourcePort }) => host.state.bytes[STATE_GROUPS_U8 + flowGroup(OUR_IP, sourcePort, PEER_IP, REMOTE_PORT)])
    expect(workers).toEqual([1, 2, 0, 1, 2, 0, 1, 2, 0])
  })
})
