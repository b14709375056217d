/** Two hosts at work while strangers flood one of them: work goes on, memory is bounded, nothing is left. */
import { describe, expect, it } from 'vitest'
import * as wire from '../../lib/wire/index.js'
import { SimHost } from './host.js'
import { GOOD_LINK } from './network.js'
import { CLIENT_IP, exchange, expectNothingLeft, listen, type Running, SERVER_IP, start, twoHosts, type TwoHosts } from './scene.js'

const PORT = 80
const IP_AT = wire.ETHERNET_HEADER_BYTES
const TCP_AT = IP_AT + wire.IPV4_HEADER_BYTES
const BACKLOG = 32

/** Throws `perMs` frames a millisecond at a host, until it is stopped. */
class Flood {
  sent = 0
  isOn = true
  private nextUs: number

  constructor(host: SimHost, startUs: number, perMs: number, make: () => Uint8Array) {
    this.nextUs = startUs
    const step = host.step.bind(host)
    const deadline = host.nextDeadlineUs.bind(host)
    host.step = (nowUs) => {
      for (; this.isOn && this.nextUs <= nowUs; this.nextUs += 1000) {
        for (let i = 0; i < perMs; i++) host.receiveAnything(make(), 0)
        this.sent += perMs
      }
      return step(nowUs)
    }
    host.nextDeadlineUs = () => Math.min(deadline(), this.isOn ? this.nextUs : Infinity)
  }
}

interface Scene extends TwoHosts {
  readonly serving: Running
  readonly calling: Running
  readonly response: Uint8Array
}

/** The server's router is the client, which drops what is not its own. */
function scene(seed: number): Scene {
  const config = { routes: [{ dest: 0, prefix: 0, nextHop: CLIENT_IP }] }
  const hosts = twoHosts(seed, { flows: 256, regionBytes: 1 << 23, config })
  hosts.net.faults = { ...GOOD_LINK, delayUs: 2000 }
  const serving = start(hosts.server, 'server')
  const calling = start(hosts.client, 'client')
  const response = hosts.net.random.bytes(10_000)
  listen(hosts, serving, PORT, () => response)
  return { ...hosts, serving, calling, response }
}

function exchanges(begun: Scene, times: number): void {
  for (let i = 0; i < times; i++) exchange(begun, begun.calling, begun.serving, PORT, begun.response)
}

interface Spoofed { readonly flags: number; readonly sourceIp?: number; readonly sourcePort?: number; readonly targetPort?: number }

function tcpFrame({ net, server }: Scene, spoofed: Spoofed): Uint8Array {
  const { random } = net
  const sourceIp = spoofed.sourceIp ?? (0x20000000 | (random.u32() & 0x1fffffff))
  const timestamps = random.chance(0.5) ? { value: random.u32() | 0, echo: random.u32() | 0 } : null
  const header = {
    sourcePort: spoofed.sourcePort ?? 1 + random.below(65_535), targetPort: spoofed.targetPort ?? PORT, seq: random.u32() | 0,
    ack: random.u32() | 0, flags: spoofed.flags, window: random.below(65_536), urgent: 0,
    options: { ...wire.NO_OPTIONS, mss: (spoofed.flags & wire.TCP_SYN) !== 0 ? 1460 : null, timestamps },
  }
  const payloadLen = wire.tcpHeaderLen(header)
  const frame = new Uint8Array(TCP_AT + payloadLen)
  wire.emitEthernet(frame, { target: server.mac, source: Uint8Array.of(2, 9, 9, 9, 9, 9), etherType: wire.ETHERTYPE_IPV4 })
  wire.emitIpv4(frame, IP_AT, { sourceIp, targetIp: SERVER_IP, protocol: wire.PROTOCOL_TCP, ttl: 64, tos: 0, payloadLen })
  wire.emitTcp(frame, TCP_AT, header)
  wire.fillTcpChecksum(frame, TCP_AT, payloadLen, sourceIp, SERVER_IP)
  return frame
}

function finish(begun: Scene, flood: Flood): void {
  flood.isOn = false
  exchanges(begun, 1)
  expectNothingLeft(begun, [[begun.server, begun.serving], [begun.client, begun.calling]])
}

describe('flooded host', () => {
  it('SYNs from everywhere -> clients connect and transfer, half-open connections stay within the backlog (RFC 4987)', () => {
    const begun = scene(1)
    const { server, net } = begun
    const flood = new Flood(server, net.nowUs, 60, () => tcpFrame(begun, { flags: wire.TCP_SYN }))
    net.run(() => false, 50_000)
    let most = 0
    const step = server.step.bind(server)
    server.step = (nowUs) => {
      most = Math.max(most, server.slowCount('flowsSynReceived'))
      return step(nowUs)
    }
    exchanges(begun, 5)
    expect(most).toBe(BACKLOG)
    expect(flood.sent).toBeGreaterThan(5000)
    expect(server.slowCount('synCookiesSent')).toBeGreaterThan(2000)
    expect(server.slowCount('synCookiesReceived')).toBeGreaterThan(0)
    expect([server.slowCount('synCookiesFailed'), server.slowCount('acceptOverflows')]).toEqual([0, 0])
    expect(begun.client.slowCount('connectionsReset')).toBe(0)
    finish(begun, flood)
  })

  it('SYNs and ACKs from everywhere -> guessed cookies fail, clients connect', () => {
    const begun = scene(2)
    const { server, net } = begun
    const flood = new Flood(server, net.nowUs, 60, () => tcpFrame(begun, { flags: net.random.chance(0.5) ? wire.TCP_SYN : wire.TCP_ACK }))
    net.run(() => false, 50_000)
    exchanges(begun, 3)
    expect(server.slowCount('synCookiesFailed')).toBeGreaterThan(1000)
    expect(server.slowCount('connectionsAccepted')).toBe(3)
    finish(begun, flood)
  })

  it('ACKs from everywhere -> a bounded number of resets, connections go on, closed ports refuse (RFC 9293, 3.10.7.1)', () => {
    const begun = scene(3)
    const { server, net, calling } = begun
    const flood = new Flood(server, net.nowUs, 60, () => tcpFrame(begun, { flags: wire.TCP_ACK }))
    const startUs = net.nowUs
    exchanges(begun, 3)
    const call = calling.program.connect(SERVER_IP, PORT + 1, new Uint8Array(1))
    expect(net.run(() => call.closed, 1_000_000)).toBe(true)
    expect(call.status).toBe(111)
    net.run(() => false, 1_000_000)
    expect(server.slowCount('resetsSent')).toBeLessThan(5000 * (1 + (net.nowUs - startUs) / 1e6) + 10)
    expect(server.slowCount('synCookiesFailed')).toBe(0)
    finish(begun, flood)
  })

  it('RSTs with random numbers at a connection -> it lives; challenges are bounded (RFC 5961, 3)', () => {
    const begun = scene(4)
    const { server, client, net } = begun
    let clientPort = 5
    const send = net.send.bind(net)
    net.send = (from, frame) => {
      const isOpen = from === client && frame[23] === wire.PROTOCOL_TCP && (frame[TCP_AT + 13] & wire.TCP_SYN) === 0
      if (isOpen) clientPort = wire.readU16(frame, TCP_AT)
      send(from, frame)
    }
    const flags = [wire.TCP_RST, wire.TCP_RST | wire.TCP_ACK, wire.TCP_SYN | wire.TCP_ACK]
    const flood = new Flood(server, net.nowUs, 60, () => {
      return tcpFrame(begun, { flags: flags[net.random.below(3)], sourceIp: CLIENT_IP, sourcePort: clientPort })
    })
    exchanges(begun, 5)
    expect([server.slowCount('connectionsReset'), client.slowCount('connectionsReset')]).toEqual([0, 0])
    expect(server.fastCount('dropFlood')).toBeGreaterThan(100)
    finish(begun, flood)
  })

  it('pings and garbage -> connections go on', () => {
    const begun = scene(5)
    const { server, net } = begun
    const garbage = (): Uint8Array => {
      const frame = net.random.bytes(20 + net.random.below(1400))
      frame.set(server.mac)
      wire.emitEthernet(frame, { target: server.mac, source: Uint8Array.of(2, 9, 9, 9, 9, 9), etherType: wire.ETHERTYPE_IPV4 })
      return frame
    }
    const ping = (): Uint8Array => {
      const frame = new Uint8Array(TCP_AT + 1008)
      wire.emitEthernet(frame, { target: server.mac, source: Uint8Array.of(2, 9, 9, 9, 9, 9), etherType: wire.ETHERTYPE_IPV4 })
      wire.emitIpv4(frame, IP_AT, { sourceIp: net.random.u32() | 0, targetIp: SERVER_IP, protocol: wire.PROTOCOL_ICMP, ttl: 9, tos: 0, payloadLen: 1008 })
      wire.emitIcmp(frame, TCP_AT, { type: wire.ICMP_ECHO_REQUEST, code: 0, id: 1, sequence: 1, payload: net.random.bytes(1000) })
      return frame
    }
    const flood = new Flood(server, net.nowUs, 60, () => (net.random.chance(0.5) ? garbage() : ping()))
    exchanges(begun, 3)
    net.run(() => false, 100_000)
    expect(server.slowCount('icmpEchoes')).toBeGreaterThan(100)
    finish(begun, flood)
  })
})
