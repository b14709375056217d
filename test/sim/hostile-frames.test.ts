/** A whole host with programs at work, and frames of every kind and none thrown at it. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as wire from '../../lib/wire/index.js'
import { exchange, expectNothingLeft, listen, SERVER_IP, start, twoHosts, type TwoHosts } from './scene.js'
import type { SeededRandom } from './random.js'

const PORT = 80
const OTHER_IP = 0x0a000009
const IP_AT = wire.ETHERNET_HEADER_BYTES
/** Frames between two looks at the well-behaved connection. */
const FRAMES = 400
/** RX_* bits: sums to be verified, partial, said to be good (a peer on the same machine can do that). */
const FLAGS = [0, 0, 1, 2]

/** Makes frames for a host out of nothing and out of what it has seen. */
class Attacker {
  readonly seen: Uint8Array[] = []
  private readonly random: SeededRandom
  private readonly mac: Uint8Array

  constructor(random: SeededRandom, mac: Uint8Array) {
    this.random = random
    this.mac = mac
  }

  private pick<T>(from: readonly T[]): T {
    return from[this.random.below(from.length)]
  }

  private ipFrame(protocol: number, payload: Uint8Array, header: Partial<wire.Ipv4Header> = {}): Uint8Array {
    const frame = new Uint8Array(IP_AT + wire.IPV4_HEADER_BYTES + payload.length)
    wire.emitEthernet(frame, { target: this.mac, source: Uint8Array.of(2, 9, 9, 9, 9, 9), etherType: wire.ETHERTYPE_IPV4 })
    wire.emitIpv4(frame, IP_AT, { sourceIp: OTHER_IP, targetIp: SERVER_IP, protocol, ttl: 64, tos: 0, payloadLen: payload.length, ...header })
    frame.set(payload, IP_AT + wire.IPV4_HEADER_BYTES)
    return frame
  }

  arp(): Uint8Array {
    const frame = new Uint8Array(IP_AT + wire.ARP_BYTES)
    const { random } = this
    const ips = [SERVER_IP, OTHER_IP, 0, -1, random.u32() | 0]
    wire.emitEthernet(frame, { target: random.chance(0.5) ? this.mac : wire.MAC_BROADCAST, source: random.bytes(6), etherType: wire.ETHERTYPE_ARP })
    wire.emitArp(frame, IP_AT, {
      operation: random.below(4), senderMac: random.bytes(6), senderIp: this.pick([OTHER_IP, SERVER_IP, 0, -1]), targetMac: random.bytes(6),
      targetIp: this.pick(ips),
    })
    return frame
  }

  icmp(): Uint8Array {
    const payload = this.random.bytes(this.random.below(100))
    const message = new Uint8Array(wire.ICMP_HEADER_BYTES + payload.length)
    wire.emitIcmp(message, 0, { type: this.pick([0, 3, 5, 8, 8, 8, 11, 13]), code: this.random.below(3), id: 1, sequence: 2, payload })
    return this.ipFrame(wire.PROTOCOL_ICMP, message)
  }

  /** TCP of any state, from strangers, with options nobody has heard of. */
  tcp(): Uint8Array {
    const { random } = this
    const options = { mss: 1 + random.below(70_000) & 0xffff, windowScale: random.below(15), sackPermitted: true,
      timestamps: { value: random.u32() | 0, echo: random.u32() | 0 } }
    const header: wire.TcpHeader = {
      sourcePort: 1 + random.below(30), targetPort: this.pick([PORT, PORT, PORT, 81]), seq: random.u32() | 0, ack: random.u32() | 0,
      flags: random.chance(0.5) ? wire.TCP_SYN : random.below(256), window: random.below(65_536), urgent: random.below(100),
      options: random.chance(0.5) ? options : wire.NO_OPTIONS,
    }
    const data = random.bytes(random.below(300))
    const segment = new Uint8Array(wire.tcpHeaderLen(header) + data.length)
    segment.set(data, wire.emitTcp(segment, 0, header))
    if (random.chance(0.3)) for (let at = 20; at < Math.min(segment.length, 60); at++) segment[at] = random.below(256)
    if (random.chance(0.1)) segment[12] = random.below(256)
    wire.fillTcpChecksum(segment, 0, segment.length, OTHER_IP, SERVER_IP)
    return this.ipFrame(wire.PROTOCOL_TCP, segment)
  }

  /** IP options of any kind between the header and a segment. */
  ipOptions(): Uint8Array {
    const plain = this.random.chance(0.5) || this.seen.length === 0 ? this.tcp() : this.pick(this.seen)
    const words = 1 + this.random.below(10)
    const frame = new Uint8Array(plain.length + words * 4)
    frame.set(plain.subarray(0, IP_AT + 20))
    frame.set(this.random.chance(0.5) ? this.random.bytes(words * 4) : new Uint8Array(words * 4).fill(1), IP_AT + 20)
    frame.set(plain.subarray(IP_AT + 20), IP_AT + 20 + words * 4)
    frame[IP_AT] = 0x45 + words
    wire.writeU16(frame, IP_AT + 2, frame.length - IP_AT)
    return this.summed(frame)
  }

  fragment(): Uint8Array {
    const frame = (this.seen.length > 0 ? this.pick(this.seen) : this.tcp()).slice()
    if (frame.length < IP_AT + 20) return frame
    wire.writeU16(frame, IP_AT + 6, this.random.u32() & 0x3fff)
    return this.summed(frame)
  }

  /** A frame that was on the link, changed a little; its sums are right again, or not. */
  mutated(): Uint8Array {
    const { random } = this
    if (this.seen.length === 0) return this.noise()
    const original = this.pick(this.seen)
    const cut = random.chance(0.2) ? random.below(original.length) : 0
    const frame = new Uint8Array(Math.max(14, original.length - cut) + (random.chance(0.2) ? random.below(80) : 0))
    frame.set(original.subarray(0, Math.min(original.length, frame.length)))
    for (let changes = 1 + random.below(4); changes > 0; changes--) frame[random.below(Math.min(frame.length, 80))] = random.below(256)
    return random.chance(0.7) ? this.summed(frame) : frame
  }

  /** What was on the link once more, as it was. */
  replayed(): Uint8Array {
    return this.seen.length === 0 ? this.noise() : this.pick(this.seen)
  }

  noise(): Uint8Array {
    const frame = this.random.bytes(14 + this.random.below(200))
    if (this.random.chance(0.8)) frame.set(this.mac)
    if (this.random.chance(0.8)) wire.writeU16(frame, 12, this.pick([wire.ETHERTYPE_IPV4, wire.ETHERTYPE_ARP, 0x86dd, 0x8100]))
    return frame
  }

  /** Makes the IP header's checksum right, wherever it says that the header ends. */
  private summed(frame: Uint8Array): Uint8Array {
    const headerLen = (frame[IP_AT] & 0xf) * 4
    if (frame.length < IP_AT + Math.max(headerLen, 20)) return frame
    wire.writeU16(frame, IP_AT + 10, 0)
    wire.writeU16(frame, IP_AT + 10, wire.checksum(frame, IP_AT, headerLen))
    return frame
  }
}

type Kind = 'arp' | 'icmp' | 'tcp' | 'ipOptions' | 'fragment' | 'mutated' | 'replayed' | 'noise'
const KINDS: readonly Kind[] = ['arp', 'icmp', 'tcp', 'ipOptions', 'fragment', 'mutated', 'replayed', 'noise']

/** Keeps copies of frames that go to the server. */
function eavesdrop({ net, client }: TwoHosts, attacker: Attacker): void {
  const send = net.send.bind(net)
  net.send = (from, frame) => {
    if (from === client && attacker.seen.length < 200) attacker.seen.push(frame.slice())
    send(from, frame)
  }
}

function attack(seed: number, kinds: readonly Kind[]): void {
  const hosts = twoHosts(seed, { flows: 256, regionBytes: 1 << 23 })
  const { net, server, client } = hosts
  const attacker = new Attacker(net.random, server.mac)
  eavesdrop(hosts, attacker)
  const serving = start(server, 'server')
  const calling = start(client, 'client')
  const response = net.random.bytes(10_000)
  listen(hosts, serving, PORT, () => response)
  exchange(hosts, calling, serving, PORT, response)
  const throwSome = (count: number): void => {
    for (let n = 0; n < count; n++) {
      const kind = kinds[net.random.below(kinds.length)]
      server.receiveAnything(attacker[kind](), FLAGS[net.random.below(FLAGS.length)])
      if (n % 16 === 0) net.run(() => false, net.random.below(2000))
    }
  }
  throwSome(FRAMES / 2)
  // One connection lives through it all; the frames know its port, but not its numbers.
  attacker.seen.length = 0
  const step = server.step.bind(server)
  let budget = FRAMES
  server.step = (nowUs) => {
    if (budget-- > 0) server.receiveAnything(attacker[kinds[budget % kinds.length]](), 0)
    return step(nowUs)
  }
  net.run(() => false, 1_000_000)
  server.step = step
  net.run(() => false, 5 * 60_000_000)
  exchange(hosts, calling, serving, PORT, response)
  expectNothingLeft(hosts, [[server, serving], [client, calling]])
  expect(server.fastCount('rxPackets')).toBeGreaterThan(FRAMES)
}

describe('a whole host', () => {
  it.each(KINDS)('frames of kind "%s" -> no exception, programs go on, nothing leaks', (kind) => {
    fc.assert(fc.property(fc.integer(), (seed) => attack(seed, [kind])), { numRuns: 5 })
  })

  it('frames of every kind -> no exception, programs go on, nothing leaks', { timeout: 120_000 }, () => {
    fc.assert(fc.property(fc.integer(), (seed) => attack(seed, KINDS)), { numRuns: 25 })
  })
})
