/** IPv4 headers (RFC 791). Options are skipped when reading and never written. */
import { readU16, readWord, writeU16, writeWord } from './bytes.js'
import { checksum } from './checksum.js'

/** Bytes of a header without options. */
export const IPV4_HEADER_BYTES = 20
export const PROTOCOL_ICMP = 1
export const PROTOCOL_TCP = 6
export const PROTOCOL_UDP = 17

const DONT_FRAGMENT = 0x4000
const FRAGMENT_BITS = 0x3fff

export interface Ipv4Header {
  readonly sourceIp: number
  readonly targetIp: number
  readonly protocol: number
  readonly ttl: number
  /** Differentiated services and ECN bits. */
  readonly tos: number
  /** Bytes behind the IP header. */
  readonly payloadLen: number
}

export interface Ipv4Parsed extends Ipv4Header {
  /** Bytes of the header, options included. */
  readonly headerLen: number
  /** More fragments, or not the first one. */
  readonly isFragment: boolean
  readonly checksumGood: boolean
}

/** Reads the header at `at`; null if version, header length or total length do not fit the bytes there are. */
export function parseIpv4(bytes: Uint8Array, at: number): Ipv4Parsed | null {
  if (bytes.length < at + IPV4_HEADER_BYTES || bytes[at] >>> 4 !== 4) return null
  const headerLen = (bytes[at] & 15) * 4
  const totalLen = readU16(bytes, at + 2)
  if (headerLen < IPV4_HEADER_BYTES || totalLen < headerLen || bytes.length < at + totalLen) return null
  return {
    sourceIp: readWord(bytes, at + 12),
    targetIp: readWord(bytes, at + 16),
    protocol: bytes[at + 9],
    ttl: bytes[at + 8],
    tos: bytes[at + 1],
    payloadLen: totalLen - headerLen,
    headerLen,
    isFragment: (readU16(bytes, at + 6) & FRAGMENT_BITS) !== 0,
    checksumGood: checksum(bytes, at, headerLen) === 0,
  }
}

/** Writes a header of IPV4_HEADER_BYTES at `at`, never to be fragmented, checksum included. */
export function emitIpv4(bytes: Uint8Array, at: number, header: Ipv4Header): void {
  bytes[at] = 0x45
  bytes[at + 1] = header.tos
  writeU16(bytes, at + 2, IPV4_HEADER_BYTES + header.payloadLen)
  // With DF set the identification has no use and stays 0 (RFC 6864, 4.1).
  writeU16(bytes, at + 4, 0)
  writeU16(bytes, at + 6, DONT_FRAGMENT)
  bytes[at + 8] = header.ttl
  bytes[at + 9] = header.protocol
  writeU16(bytes, at + 10, 0)
  writeWord(bytes, at + 12, header.sourceIp)
  writeWord(bytes, at + 16, header.targetIp)
  writeU16(bytes, at + 10, checksum(bytes, at, IPV4_HEADER_BYTES))
}
