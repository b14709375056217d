/** ICMP messages (RFC 792). */
import { readU16, readWord, writeU16 } from './bytes.js'
import { checksum } from './checksum.js'
import { parseIpv4Start, PROTOCOL_TCP } from './ipv4.js'
import { readSourceRoute } from './sourceroute.js'

export const ICMP_HEADER_BYTES = 8
export const ICMP_ECHO_REPLY = 0
export const ICMP_UNREACHABLE = 3
export const ICMP_SOURCE_QUENCH = 4
export const ICMP_ECHO_REQUEST = 8
export const ICMP_TIME_EXCEEDED = 11
export const ICMP_PARAMETER_PROBLEM = 12

/** Codes of ICMP_UNREACHABLE. */
export const ICMP_PROTOCOL_UNREACHABLE = 2
export const ICMP_PORT_UNREACHABLE = 3
export const ICMP_FRAGMENTATION_NEEDED = 4
export const ICMP_SOURCE_ROUTE_FAILED = 5
/** Code of ICMP_TIME_EXCEEDED: fragments of a datagram did not all come in time. */
export const ICMP_REASSEMBLY_TIME = 1

/** Bytes of the datagram that an error quotes behind its IP header, at least (RFC 792). */
export const ICMP_QUOTED_BYTES = 8

export interface IcmpMessage {
  readonly type: number
  readonly code: number
  /** Identifier and sequence number of echo messages; of fragmentation needed, `sequence` is the next hop's MTU (RFC 1191, 4). */
  readonly id: number
  readonly sequence: number
  /** Bytes behind the header: a view of what was parsed. */
  readonly payload: Uint8Array
}

/** Reads the message of `len` bytes at `at`; null if it is cut short or its checksum is wrong. */
export function parseIcmp(bytes: Uint8Array, at: number, len: number): IcmpMessage | null {
  if (len < ICMP_HEADER_BYTES || bytes.length < at + len || checksum(bytes, at, len) !== 0) return null
  return {
    type: bytes[at],
    code: bytes[at + 1],
    id: readU16(bytes, at + 4),
    sequence: readU16(bytes, at + 6),
    payload: bytes.subarray(at + ICMP_HEADER_BYTES, at + len),
  }
}

/** Writes the message at `at`, checksum included. Returns its bytes. */
export function emitIcmp(bytes: Uint8Array, at: number, message: IcmpMessage): number {
  const len = ICMP_HEADER_BYTES + message.payload.length
  bytes[at] = message.type
  bytes[at + 1] = message.code
  writeU16(bytes, at + 2, 0)
  writeU16(bytes, at + 4, message.id)
  writeU16(bytes, at + 6, message.sequence)
  bytes.set(message.payload, at + ICMP_HEADER_BYTES)
  writeU16(bytes, at + 2, checksum(bytes, at, len))
  return len
}

/** The start of a segment that an ICMP error quotes: one that we sent, if the error is honest. */
export interface QuotedSegment {
  readonly sourceIp: number
  /** Where it was to go in the end: with a source route that is not what the destination field says on its way. */
  readonly targetIp: number
  /** Total length of the datagram as its IP header says. */
  readonly totalLen: number
  readonly sourcePort: number
  readonly targetPort: number
  readonly seq: number
}

/** Whether messages of this type tell of a datagram that was sent before, and quote it (RFC 1122, 3.2.2). */
export function isIcmpError(type: number): boolean {
  return type === ICMP_UNREACHABLE || type === ICMP_SOURCE_QUENCH || type === ICMP_TIME_EXCEEDED ||
    type === ICMP_PARAMETER_PROBLEM
}

/**
 * Reads what the payload of an ICMP error quotes; null if it is cut short or no TCP segment's beginning. Checks no checksum:
 * the datagram may have been changed on its way.
 */
export function parseQuotedSegment(quoted: Uint8Array): QuotedSegment | null {
  const ip = parseIpv4Start(quoted, 0)
  if (ip === null || ip.protocol !== PROTOCOL_TCP || ip.fragmentOffset !== 0) return null
  const at = ip.headerLen
  if (quoted.length < at + ICMP_QUOTED_BYTES || ip.payloadLen < ICMP_QUOTED_BYTES) return null
  const route = readSourceRoute(quoted, 0)
  if (route === 'malformed') return null
  return {
    sourceIp: ip.sourceIp,
    targetIp: route?.ahead.at(-1) ?? ip.targetIp,
    totalLen: ip.headerLen + ip.payloadLen,
    sourcePort: readU16(quoted, at),
    targetPort: readU16(quoted, at + 2),
    seq: readWord(quoted, at + 4),
  }
}
