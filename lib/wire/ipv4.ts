/** IPv4 headers (RFC 791). Options are skipped when reading; of them only source routes are written (sourceroute.ts). */
import { readU16, readWord, writeU16, writeWord } from './bytes.js'
import { checksum } from './checksum.js'

/** Bytes of a header without options. */
export const IPV4_HEADER_BYTES = 20
/** Longest datagram: the length field has 16 bits. */
export const IPV4_BYTES_MAX = 0xffff
export const PROTOCOL_ICMP = 1
export const PROTOCOL_TCP = 6
export const PROTOCOL_UDP = 17

const DONT_FRAGMENT = 0x4000
const MORE_FRAGMENTS = 0x2000
const FRAGMENT_BITS = 0x3fff
const OFFSET_BITS = 0x1fff
/** Fragment offsets count in these. */
export const FRAGMENT_UNIT_BYTES = 8
/** ECN codepoint "congestion experienced", and mask of the field (RFC 3168, 5). */
export const ECN_CE = 3

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

/** What becomes of a datagram that does not fit. */
export interface Fragmentation {
  /** Identification: the same in all fragments of a datagram. */
  readonly id: number
  /** More fragments follow. */
  readonly hasMore: boolean
  /** Where the payload stands in that of the whole datagram, in bytes. */
  readonly fragmentOffset: number
}

export interface Ipv4Parsed extends Ipv4Header, Fragmentation {
  /** Bytes of the header, options included. */
  readonly headerLen: number
  /** More fragments, or not the first one. */
  readonly isFragment: boolean
  readonly checksumGood: boolean
}

/** What a header says, in an object that can be used again. */
export class Ipv4Fields implements Ipv4Parsed {
  sourceIp = 0
  targetIp = 0
  protocol = 0
  ttl = 0
  tos = 0
  payloadLen = 0
  headerLen = 0
  id = 0
  isFragment = false
  hasMore = false
  fragmentOffset = 0
  checksumGood = false
}

/** Reads the header at `at` into `into`; null if version, header length or total length do not fit the bytes there are. */
export function parseIpv4(bytes: Uint8Array, at: number, into: Ipv4Fields = new Ipv4Fields()): Ipv4Parsed | null {
  const ip = parseIpv4Start(bytes, at, into)
  return ip === null || bytes.length < at + ip.headerLen + ip.payloadLen ? null : ip
}

/** The same where the end of the datagram may be missing, as in what ICMP errors quote. */
export function parseIpv4Start(bytes: Uint8Array, at: number, into: Ipv4Fields = new Ipv4Fields()): Ipv4Parsed | null {
  if (bytes.length < at + IPV4_HEADER_BYTES || bytes[at] >>> 4 !== 4) return null
  const headerLen = (bytes[at] & 15) * 4
  const totalLen = readU16(bytes, at + 2)
  if (headerLen < IPV4_HEADER_BYTES || totalLen < headerLen || bytes.length < at + headerLen) return null
  const fragment = readU16(bytes, at + 6)
  into.sourceIp = readWord(bytes, at + 12)
  into.targetIp = readWord(bytes, at + 16)
  into.protocol = bytes[at + 9]
  into.ttl = bytes[at + 8]
  into.tos = bytes[at + 1]
  into.payloadLen = totalLen - headerLen
  into.headerLen = headerLen
  into.id = readU16(bytes, at + 4)
  into.isFragment = (fragment & FRAGMENT_BITS) !== 0
  into.hasMore = (fragment & MORE_FRAGMENTS) !== 0
  into.fragmentOffset = (fragment & OFFSET_BITS) * FRAGMENT_UNIT_BYTES
  into.checksumGood = checksum(bytes, at, headerLen) === 0
  return into
}

/**
 * Writes a header at `at`, checksum included: of a datagram never to be fragmented unless `part` is given. Behind its IPV4_HEADER_BYTES
 * `optionBytes` of options, a multiple of four, are there already.
 */
export function emitIpv4(bytes: Uint8Array, at: number, header: Ipv4Header, part: Fragmentation | null = null, optionBytes = 0): void {
  const headerLen = IPV4_HEADER_BYTES + optionBytes
  bytes[at] = 0x40 | (headerLen / 4)
  bytes[at + 1] = header.tos
  writeU16(bytes, at + 2, headerLen + header.payloadLen)
  // With DF set the identification has no use and stays 0 (RFC 6864, 4.1).
  writeU16(bytes, at + 4, part?.id ?? 0)
  writeU16(bytes, at + 6, part === null ? DONT_FRAGMENT : fragmentField(part))
  bytes[at + 8] = header.ttl
  bytes[at + 9] = header.protocol
  writeU16(bytes, at + 10, 0)
  writeWord(bytes, at + 12, header.sourceIp)
  writeWord(bytes, at + 16, header.targetIp)
  writeU16(bytes, at + 10, checksum(bytes, at, headerLen))
}

function fragmentField({ hasMore, fragmentOffset }: Fragmentation): number {
  return (hasMore ? MORE_FRAGMENTS : 0) | (fragmentOffset / FRAGMENT_UNIT_BYTES)
}

/** Makes the header at `at`, its options kept, that of a whole datagram with `payloadLen` bytes behind it. */
export function makeIpv4Whole(bytes: Uint8Array, at: number, payloadLen: number, tos: number): void {
  const headerLen = (bytes[at] & 15) * 4
  bytes[at + 1] = tos
  writeU16(bytes, at + 2, headerLen + payloadLen)
  writeU16(bytes, at + 6, 0)
  writeU16(bytes, at + 10, 0)
  writeU16(bytes, at + 10, checksum(bytes, at, headerLen))
}
