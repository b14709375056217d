/** ICMP messages (RFC 792). */
import { readU16, writeU16 } from './bytes.js'
import { checksum } from './checksum.js'

export const ICMP_HEADER_BYTES = 8
export const ICMP_ECHO_REPLY = 0
export const ICMP_ECHO_REQUEST = 8

export interface IcmpMessage {
  readonly type: number
  readonly code: number
  /** Identifier and sequence number of echo messages. */
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
