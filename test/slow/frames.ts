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
  wire.fillTcpChecksum(frame, TCP_AT, len, sourceIp, targetIp)
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

/** What the test sees of a TCP frame that was sent. */
export function parseSent(frame: Uint8Array): wire.TcpParsed & { remoteIp: number } {
  const ip = wire.parseIpv4(frame, IP_AT)
  const tcp = ip && wire.parseTcp(frame, TCP_AT, ip.payloadLen)
  if (!ip || !tcp || !ip.checksumGood) throw new Error('sent a malformed segment')
  if (!wire.tcpChecksumGood(frame, TCP_AT, ip.payloadLen, ip.sourceIp, ip.targetIp)) throw new Error('sent a bad checksum')
  return { ...tcp, remoteIp: ip.targetIp }
}
