/** Segments that a worker passes up for a connection with a flow. */
import { describe, expect, it } from 'vitest'
import {
  EV_CONN_CLOSED, FLAG_RX_SHUT, TCB_FLAGS, TCB_RCV_ADV, TO_FAST_FLOW_ACK, TO_FAST_FLOW_REMOVE, TO_FAST_PACKET,
} from '../../lib/memif/index.js'
import * as wire from '../../lib/wire/index.js'
import { OUR_IP, parseSent, RX_BUF, segmentFrame } from './harness.js'
import {
  accepted, CONNECTION, type Open, PEER_ISS, PEER_OPTIONS, TCP_ACK, TCP_PSH, TCP_RST, TCP_SYN, TCP_URG,
} from './scenes.js'

const NEXT = PEER_ISS + 1
const commandsOf = (open: Open): number[] => open.host.worker.read().map(({ type }) => type)

describe('ESTABLISHED', () => {
  it('RST with the next number -> ECONNRESET, buffers held until the event is read (RFC 5961, 3.2)', () => {
    const open = accepted()
    const { host, context, flow, gen } = open
    host.send({ seq: NEXT, flags: TCP_RST }, flow, gen)
    expect(host.work().map(({ type }) => type)).toEqual([TO_FAST_FLOW_REMOVE])
    expect(host.count('bufferBytes')).toBe(12288)
    expect(context.read()).toMatchObject([{ type: EV_CONN_CLOSED, handle: CONNECTION, flow, gen, status: 104 }])
    host.poll()
    expect([host.count('bufferBytes'), host.count('connectionsReset'), host.count('flowsEstablished')]).toEqual([0, 1, 0])
    expect(host.sent()).toEqual([])
  })

  it('RST elsewhere in the window -> challenge ACK; outside -> ignored (RFC 5961, 3.2)', () => {
    const open = accepted()
    open.host.send({ seq: NEXT + 1, flags: TCP_RST }, open.flow, open.gen)
    expect(commandsOf(open)).toEqual([TO_FAST_FLOW_ACK])
    for (const seq of [NEXT - 1, NEXT + RX_BUF]) open.host.send({ seq, flags: TCP_RST }, open.flow, open.gen)
    expect(commandsOf(open)).toEqual([])
  })

  it('SYN -> challenge ACK, whatever its number (RFC 5961, 4)', () => {
    const open = accepted()
    for (const seq of [NEXT, NEXT + 1_000_000]) {
      open.host.send({ seq, flags: TCP_SYN }, open.flow, open.gen)
      expect(commandsOf(open)).toEqual([TO_FAST_FLOW_ACK])
    }
  })

  it('SYN-ACK again, our ACK was lost -> ACK', () => {
    const open = accepted()
    open.host.send({ seq: PEER_ISS, ack: open.iss + 1, flags: TCP_SYN | TCP_ACK }, open.flow, open.gen)
    expect(commandsOf(open)).toEqual([TO_FAST_FLOW_ACK])
  })

  it('no ACK bit -> dropped; ACK beyond what was sent -> ACK (RFC 9293, 3.10.7.4, fifth)', () => {
    const open = accepted()
    open.host.send({ seq: NEXT, flags: TCP_PSH }, open.flow, open.gen)
    expect(commandsOf(open)).toEqual([])
    open.host.send({ seq: NEXT, ack: open.iss + 100, flags: TCP_ACK }, open.flow, open.gen)
    expect(commandsOf(open)).toEqual([TO_FAST_FLOW_ACK])
  })

  it('data after RX_SHUT -> RST and ECONNRESET; old data -> ACK (RFC 9293, 3.6.1)', () => {
    const open = accepted()
    const { host, flow, gen } = open
    host.setTcb(flow, TCB_FLAGS, FLAG_RX_SHUT)
    host.send({ seq: NEXT - 2, ack: open.iss + 1, payload: Uint8Array.of(1, 2) }, flow, gen)
    expect(commandsOf(open)).toEqual([TO_FAST_FLOW_ACK])
    host.send({ seq: NEXT, ack: open.iss + 1, payload: Uint8Array.of(1) }, flow, gen)
    host.work()
    expect(host.sent()).toMatchObject([{ seq: open.iss + 1, ack: NEXT, flags: TCP_RST | TCP_ACK }])
    expect(open.context.read()).toMatchObject([{ type: EV_CONN_CLOSED, status: 104 }])
  })

  it('RX_SHUT, the window closed and the peer probes it with a byte -> RST and ECONNRESET', () => {
    const open = accepted()
    const { host, flow, gen } = open
    host.setTcb(flow, TCB_FLAGS, FLAG_RX_SHUT)
    host.setTcb(flow, TCB_RCV_ADV, NEXT)
    host.send({ seq: NEXT + 1, ack: open.iss + 1, payload: Uint8Array.of(1) }, flow, gen)
    expect(commandsOf(open)).toEqual([TO_FAST_FLOW_ACK])
    host.send({ seq: NEXT, ack: open.iss + 1, payload: Uint8Array.of(1) }, flow, gen)
    host.work()
    expect(host.sent()).toMatchObject([{ seq: open.iss + 1, ack: NEXT, flags: TCP_RST | TCP_ACK }])
    expect(open.context.read()).toMatchObject([{ type: EV_CONN_CLOSED, status: 104 }])
  })

  it('RX_SHUT, data outside the window or with an old ACK -> no reset, challenge ACK (RFC 5961, 5.2)', () => {
    for (const blind of [{ seq: NEXT + RX_BUF }, { ack: 0 }]) {
      const open = accepted()
      const { host, flow, gen } = open
      host.setTcb(flow, TCB_FLAGS, FLAG_RX_SHUT)
      host.send({ seq: NEXT, ack: open.iss + 1, payload: Uint8Array.of(1), ...blind }, flow, gen)
      expect(commandsOf(open)).toEqual([TO_FAST_FLOW_ACK])
    }
  })

  it('an odd segment with an ACK older than SND.UNA - MAX.SND.WND -> ACK, dropped; a little older -> taken (RFC 5961, 5.2; MAY-12)', () => {
    const open = accepted()
    const segment = { seq: NEXT, flags: TCP_ACK | TCP_URG, payload: Uint8Array.of(1) }
    open.host.send({ ...segment, ack: open.iss + 1 - 0x10000 }, open.flow, open.gen)
    expect(commandsOf(open)).toEqual([TO_FAST_FLOW_ACK])
    open.host.send({ ...segment, ack: open.iss + 1 - 0xffff }, open.flow, open.gen)
    expect(commandsOf(open)).toEqual([TO_FAST_PACKET])
  })

  it('URG and unknown options -> sent down without them (RFC 6093; RFC 9293, 3.2)', () => {
    const open = accepted({}, PEER_OPTIONS)
    const timestamps = { value: 600, echo: 1 }
    const odd = segmentFrame({
      seq: NEXT, ack: open.iss + 1, flags: TCP_ACK | TCP_URG, urgent: 3, payload: Uint8Array.of(4, 5),
        options: { sackPermitted: true, timestamps },
    })
    open.host.receiveFrame(odd, open.flow, open.gen)
    const [command] = open.host.worker.read()
    expect(command.type).toBe(TO_FAST_PACKET)
    const plain = parseSent(command.packet ?? new Uint8Array(0))
    expect(plain).toMatchObject({ seq: NEXT, ack: open.iss + 1, flags: TCP_ACK, urgent: 0, payloadLen: 2,
      options: { sackPermitted: false, timestamps } })
  })

  it('odd segment with ECE, CWR and a mark of congestion -> they stay (RFC 3168, 6.1.3)', () => {
    const open = accepted()
    const odd = segmentFrame({ seq: NEXT, ack: open.iss + 1, flags: TCP_ACK | TCP_URG | wire.TCP_ECE | wire.TCP_CWR, payload: Uint8Array.of(4) })
    odd[15] = 3
    odd[25] -= 3
    open.host.receiveFrame(odd, open.flow, open.gen)
    const packet = open.host.worker.read()[0].packet ?? new Uint8Array(0)
    expect([packet[15], parseSent(packet).flags]).toEqual([3, TCP_ACK | wire.TCP_ECE | wire.TCP_CWR])
  })

  it('a plain segment that the worker refused -> never sent back down', () => {
    const open = accepted()
    open.host.send({ seq: NEXT, ack: open.iss + 1, payload: Uint8Array.of(1) }, open.flow, open.gen)
    expect(commandsOf(open)).toEqual([TO_FAST_FLOW_ACK])
  })

  it('challenges -> ten a second for each connection (RFC 5961, 7)', () => {
    const open = accepted()
    let count = 0
    for (let i = 0; i < 50; i++) {
      open.host.send({ seq: NEXT, flags: TCP_SYN }, open.flow, open.gen)
      count += commandsOf(open).length
    }
    expect(count).toBe(10)
    open.host.nowUs += 1_000_000
    open.host.send({ seq: NEXT, flags: TCP_SYN }, open.flow, open.gen)
    expect(commandsOf(open)).toHaveLength(1)
  })
})

/** The frame, sent to everybody. */
function toAll(frame: Uint8Array): Uint8Array {
  frame.fill(0xff, 0, 6)
  return frame
}

describe('frames', () => {
  const frame = (): Uint8Array => segmentFrame({ flags: TCP_SYN })
  const damaged = (at: number, value: number): Uint8Array => {
    const bytes = frame()
    bytes[at] = value
    return bytes
  }

  it.each([
    ['a bad TCP checksum', damaged(50, 1), 'dropChecksum'],
    ['a bad IP checksum', damaged(22, 1), 'dropChecksum'],
    ['a bad header length', damaged(46, 0x10), 'dropMalformed'],
    ['no IPv4', damaged(14, 0x65), 'dropMalformed'],
    ['another MAC address', damaged(5, 77), 'packetsNotOurs'],
    ['an unknown protocol', damaged(12, 0x86), 'packetsNotOurs'],
    ['another IP address', segmentFrame({ flags: TCP_SYN, localIp: 0x0a000063 }), 'packetsNotOurs'],
    ['a source that is a multicast address', segmentFrame({ flags: TCP_SYN, remoteIp: 0xe0000001 | 0 }), 'packetsNotOurs'],
    ['a source that is our own address', segmentFrame({ flags: TCP_SYN, remoteIp: OUR_IP }), 'packetsNotOurs'],
    ['a multicast target', segmentFrame({ flags: TCP_SYN, localIp: 0xe0000001 | 0 }), 'packetsNotOurs'],
    ['the subnet\'s broadcast address as target', segmentFrame({ flags: TCP_SYN, localIp: 0x0a0000ff }), 'packetsNotOurs'],
    ['our address in a broadcast frame', toAll(segmentFrame({ flags: TCP_SYN })), 'packetsNotOurs'],
    ['a source that is no host', segmentFrame({ flags: TCP_SYN, remoteIp: 0x0a0000ff }), 'packetsNotOurs'],
    ['less than a header', new Uint8Array(10), 'dropMalformed'],
  ] as const)('%s -> counted and dropped, no answer (RFC 9293, 3.9.2.3: MUST-57, MUST-63)', (_name, bytes, counter) => {
    const { host } = accepted()
    host.receiveFrame(bytes)
    expect(host.count(counter)).toBe(1)
    expect([host.sent(), host.work()]).toEqual([[], []])
  })

  it('a checksum that the sender left to hardware -> not verified', () => {
    const { host } = accepted()
    const bytes = segmentFrame({ flags: TCP_SYN, remotePort: 1 })
    bytes[50] ^= 0xff
    host.receiveFrame(bytes, -1, 0, 1)
    expect(host.sent()).toMatchObject([{ flags: TCP_SYN | TCP_ACK }])
  })

  it('echo request -> reply; to a broadcast, a wrong checksum, a reply -> nothing (RFC 1122, 3.2.2.6)', () => {
    const { host } = accepted()
    const echo = (type: number, targetIp: number): Uint8Array => {
      const bytes = new Uint8Array(34 + 12)
      wire.emitEthernet(bytes, { target: segmentFrame({}).subarray(0, 6), source: segmentFrame({}).subarray(6,
        12), etherType: 0x0800 })
      wire.emitIpv4(bytes, 14, { sourceIp: 0x0a000002, targetIp, protocol: 1, ttl: 9, tos: 0, payloadLen: 12 })
      wire.emitIcmp(bytes, 34, { type, code: 0, id: 3, sequence: 4, payload: Uint8Array.of(1, 2, 3, 4) })
      return bytes
    }
    host.receiveFrame(echo(8, 0x0a000001))
    expect(wire.parseIcmp(host.frames[0], 34, 12)).toMatchObject({ type: 0, id: 3, sequence: 4,
      payload: Uint8Array.of(1, 2, 3, 4) })
    host.frames = []
    const bad = echo(8, 0x0a000001)
    bad[45] ^= 1
    for (const bytes of [bad, echo(8, 0x0a0000ff), echo(0, 0x0a000001)]) host.receiveFrame(bytes)
    expect(host.frames).toEqual([])
    expect(host.count('icmpEchoes')).toBe(1)
  })
})
