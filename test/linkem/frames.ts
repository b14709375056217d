/** Frames for the tests of the link emulator. */
import * as wire from '../../lib/wire/index.js'
import type { Frame } from '../../tools/linkem/index.js'

export const MAC_A = Uint8Array.of(2, 0, 0, 0, 0, 1)
export const MAC_B = Uint8Array.of(2, 0, 0, 0, 0, 2)
export const IP_A = 0x0a000001
export const IP_B = 0x0a000002
export const IP_AT = wire.ETHERNET_HEADER_BYTES

/** A TCP segment from A to B in a frame of `len` bytes (54 at least), checksums right. `nth` is its sequence number. */
export function tcpFrame(len: number, nth = 0, tos = 0): Uint8Array {
  const frame = new Uint8Array(len)
  const payloadLen = len - IP_AT - wire.IPV4_HEADER_BYTES
  wire.emitEthernet(frame, { target: MAC_B, source: MAC_A, etherType: wire.ETHERTYPE_IPV4 })
  wire.emitIpv4(frame, IP_AT, { sourceIp: IP_A, targetIp: IP_B, protocol: wire.PROTOCOL_TCP, ttl: 64, tos, payloadLen })
  const tcpAt = IP_AT + wire.IPV4_HEADER_BYTES
  wire.emitTcp(frame, tcpAt, {
    sourcePort: 1, targetPort: 2, seq: nth, ack: 0, flags: wire.TCP_ACK, window: 1000, urgent: 0, options: wire.NO_OPTIONS,
  })
  wire.fillTcpChecksum(frame, tcpAt, payloadLen, IP_A, IP_B)
  return frame
}

export function frameOf(bytes: Uint8Array): Frame {
  return { bytes, len: bytes.length }
}

/** The sequence number of a frame of `tcpFrame`. */
export function nthOf({ bytes }: Frame): number {
  return wire.readWord(bytes, IP_AT + wire.IPV4_HEADER_BYTES + 4)
}

/** Whether IP and TCP checksum of a frame of `tcpFrame` are right. */
export function areSumsGood({ bytes, len }: Frame): boolean {
  const header = wire.parseIpv4(bytes, IP_AT)
  if (header === null || !header.checksumGood) return false
  const sum = wire.addPseudoHeader(0, header.sourceIp, header.targetIp, header.protocol, header.payloadLen)
  return wire.foldChecksum(wire.addBytes(sum, bytes, IP_AT + header.headerLen, len - IP_AT - header.headerLen)) === 0
}
