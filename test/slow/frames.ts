/** Frames that the peer sends, and frames that it gets. */
import * as wire from '../../lib/wire/index.js'

export const OUR_IP = 0x0a000001
export const PEER_IP = 0x0a000002
export const OUR_MAC = Uint8Array.of(2, 0, 0, 0, 0, 1)
export const PEER_MAC = Uint8Array.of(2, 0, 0, 0, 0, 2)
export const LISTEN_PORT = 80
export const PEER_PORT = 5000
const IP_AT = wire.ETHERNET_HEADER_BYTES
const TCP_AT = IP_AT + wire.IPV4_HEADER_BYTES

export interface SegmentOptions {
  readonly seq?: number
  readonly ack?: number
  readonly flags?: number
  readonly window?: number
  readonly urgent?: number
  readonly options?: Partial<wire.TcpOptions>
  readonly payload?: Uint8Array
  readonly remotePort?: number
  readonly localPort?: number
  readonly remoteIp?: number
  readonly localIp?: number
  /** Comes by a source route. */
  readonly route?: RouteOptions
}

/** A source route as it arrives. */
export interface RouteOptions {
  readonly isStrict?: boolean
  readonly passed: readonly number[]
  /** Addresses behind the destination field's; its last is then the segment's destination. */
  readonly ahead?: readonly number[]
}

/** A frame from the peer to us. */
export function segmentFrame(segment: SegmentOptions): Uint8Array {
  const payload = segment.payload ?? new Uint8Array(0)
  const sourceIp = segment.remoteIp ?? PEER_IP
  const targetIp = segment.localIp ?? OUR_IP
  const header: wire.TcpHeader = {
    sourcePort: segment.remotePort ?? PEER_PORT, targetPort: segment.localPort ?? LISTEN_PORT,
      seq: segment.seq ?? 0, ack: segment.ack ?? 0,
    flags: segment.flags ?? wire.TCP_ACK, window: segment.window ?? 1000, urgent: segment.urgent ?? 0,
    options: { ...wire.NO_OPTIONS, ...segment.options },
  }
  const len = wire.tcpHeaderLen(header) + payload.length
  const frame = new Uint8Array(TCP_AT + len)
  wire.emitEthernet(frame, { target: OUR_MAC, source: PEER_MAC, etherType: wire.ETHERTYPE_IPV4 })
  wire.emitIpv4(frame, IP_AT, { sourceIp, targetIp, protocol: wire.PROTOCOL_TCP, ttl: 64, tos: 0, payloadLen: len })
  frame.set(payload, TCP_AT + wire.emitTcp(frame, TCP_AT, header))
  wire.fillTcpChecksum(frame, TCP_AT, len, sourceIp, segment.route?.ahead?.at(-1) ?? targetIp)
  return segment.route === undefined ? frame : withIpOptions(frame, routeOption(segment.route))
}

/** The options of a datagram that came by this route. */
export function routeOption({ isStrict = false, passed, ahead = [] }: RouteOptions): Uint8Array {
  const addresses = [...passed, ...ahead]
  const bytes = new Uint8Array(4 + 4 * addresses.length)
  bytes.set([isStrict ? 137 : 131, 3 + 4 * addresses.length, 4 + 4 * passed.length])
  addresses.forEach((address, i) => wire.writeWord(bytes, 3 + 4 * i, address))
  return bytes
}

/** The frame with these options, whose bytes are a multiple of four, in its IP header. */
export function withIpOptions(plain: Uint8Array, options: Uint8Array): Uint8Array {
  const frame = new Uint8Array(plain.length + options.length)
  frame.set(plain.subarray(0, TCP_AT))
  frame.set(options, TCP_AT)
  frame.set(plain.subarray(TCP_AT), TCP_AT + options.length)
  frame[IP_AT] += options.length / 4
  wire.writeU16(frame, IP_AT + 2, frame.length - IP_AT)
  wire.writeU16(frame, IP_AT + 10, 0)
  wire.writeU16(frame, IP_AT + 10, wire.checksum(frame, IP_AT, wire.IPV4_HEADER_BYTES + options.length))
  return frame
}

export function arpFrame(packet: Partial<wire.ArpPacket>, target: Uint8Array = wire.MAC_BROADCAST): Uint8Array {
  const frame = new Uint8Array(IP_AT + wire.ARP_BYTES)
  const full = { operation: wire.ARP_REQUEST, senderMac: PEER_MAC, senderIp: PEER_IP,
    targetMac: new Uint8Array(6), targetIp: OUR_IP }
  wire.emitEthernet(frame, { target, source: packet.senderMac ?? PEER_MAC, etherType: wire.ETHERTYPE_ARP })
  wire.emitArp(frame, IP_AT, { ...full, ...packet })
  return frame
}

/** What the test sees of a TCP frame that was sent; `hops` are those of its source route. */
export function parseSent(frame: Uint8Array): wire.TcpParsed & { remoteIp: number; hops: number[]; isStrict: boolean } {
  const ip = wire.parseIpv4(frame, IP_AT)
  const at = IP_AT + (ip?.headerLen ?? 0)
  const tcp = ip && wire.parseTcp(frame, at, ip.payloadLen)
  const route = wire.readSourceRoute(frame, IP_AT)
  if (!ip || !tcp || !ip.checksumGood || route === 'malformed') throw new Error('sent a malformed segment')
  const remoteIp = route?.ahead.at(-1) ?? ip.targetIp
  if (!wire.tcpChecksumGood(frame, at, ip.payloadLen, ip.sourceIp, remoteIp)) throw new Error('sent a bad checksum')
  const hops = route === null ? [] : [ip.targetIp, ...route.ahead.slice(0, -1)]
  return { ...tcp, remoteIp, hops, isStrict: route?.isStrict ?? false }
}
