/** TCP headers (RFC 9293, 3.1). */
import { readU16, readWord, writeU16, writeWord } from './bytes.js'
import { addBytes, addPseudoHeader, foldChecksum } from './checksum.js'
import { PROTOCOL_TCP } from './ipv4.js'
import { emitTcpOptions, NO_OPTIONS, parseTcpOptions, tcpOptionsLen, type TcpOptions } from './tcpoptions.js'

/** Bytes of a header without options. */
export const TCP_HEADER_BYTES = 20

export const TCP_FIN = 1 << 0
export const TCP_SYN = 1 << 1
export const TCP_RST = 1 << 2
export const TCP_PSH = 1 << 3
export const TCP_ACK = 1 << 4
export const TCP_URG = 1 << 5
export const TCP_ECE = 1 << 6
export const TCP_CWR = 1 << 7

export interface TcpHeader {
  readonly sourcePort: number
  readonly targetPort: number
  /** SEG.SEQ as a signed word. */
  readonly seq: number
  /** SEG.ACK as a signed word, 0 without TCP_ACK. */
  readonly ack: number
  /** TCP_* bits. */
  readonly flags: number
  /** The window field as it stands in the header, not scaled. */
  readonly window: number
  readonly urgent: number
  readonly options: TcpOptions
}

export interface TcpParsed extends TcpHeader {
  /** Bytes of the header, options included. */
  readonly headerLen: number
  /** Payload: where it starts and its bytes. */
  readonly payloadAt: number
  readonly payloadLen: number
}

/** What a segment says, in an object that can be used again. */
export class TcpFields implements TcpParsed {
  sourcePort = 0
  targetPort = 0
  seq = 0
  ack = 0
  flags = 0
  window = 0
  urgent = 0
  options: TcpOptions = NO_OPTIONS
  headerLen = 0
  payloadAt = 0
  payloadLen = 0
}

/**
 * Reads the segment of `len` bytes (header and payload) at `at` into `into`; null if a length is impossible. Checks no checksum.
 */
export function parseTcp(bytes: Uint8Array, at: number, len: number, into: TcpFields = new TcpFields()): TcpParsed | null {
  if (len < TCP_HEADER_BYTES || bytes.length < at + len) return null
  const headerLen = (bytes[at + 12] >>> 4) * 4
  if (headerLen < TCP_HEADER_BYTES || headerLen > len) return null
  const options = parseTcpOptions(bytes, at + TCP_HEADER_BYTES, at + headerLen)
  if (options === null) return null
  into.sourcePort = readU16(bytes, at)
  into.targetPort = readU16(bytes, at + 2)
  into.seq = readWord(bytes, at + 4)
  into.ack = readWord(bytes, at + 8)
  into.flags = bytes[at + 13]
  into.window = readU16(bytes, at + 14)
  into.urgent = readU16(bytes, at + 18)
  into.options = options
  into.headerLen = headerLen
  into.payloadAt = at + headerLen
  into.payloadLen = len - headerLen
  return into
}

/** Bytes of `header` when written. */
export function tcpHeaderLen(header: TcpHeader): number {
  return TCP_HEADER_BYTES + tcpOptionsLen(header.options)
}

/** Writes the header at `at` with checksum 0. Returns its bytes; payload belongs behind it, then `fillTcpChecksum`. */
export function emitTcp(bytes: Uint8Array, at: number, header: TcpHeader): number {
  const headerLen = tcpHeaderLen(header)
  writeU16(bytes, at, header.sourcePort)
  writeU16(bytes, at + 2, header.targetPort)
  writeWord(bytes, at + 4, header.seq)
  writeWord(bytes, at + 8, header.ack)
  bytes[at + 12] = (headerLen / 4) << 4
  bytes[at + 13] = header.flags
  writeU16(bytes, at + 14, header.window)
  writeU16(bytes, at + 16, 0)
  writeU16(bytes, at + 18, header.urgent)
  emitTcpOptions(bytes, at + TCP_HEADER_BYTES, header.options)
  return headerLen
}

function segmentSum(bytes: Uint8Array, at: number, len: number, sourceIp: number, targetIp: number): number {
  return addBytes(addPseudoHeader(0, sourceIp, targetIp, PROTOCOL_TCP, len), bytes, at, len)
}

/** Computes and writes the checksum of the segment of `len` bytes at `at`. */
export function fillTcpChecksum(bytes: Uint8Array, at: number, len: number, sourceIp: number, targetIp: number): void {
  writeU16(bytes, at + 16, 0)
  writeU16(bytes, at + 16, foldChecksum(segmentSum(bytes, at, len, sourceIp, targetIp)))
}

/** Whether the checksum of the segment of `len` bytes at `at` is right. */
export function tcpChecksumGood(bytes: Uint8Array, at: number, len: number, sourceIp: number, targetIp: number): boolean {
  return foldChecksum(segmentSum(bytes, at, len, sourceIp, targetIp)) === 0
}

/** Sequence numbers that the segment takes: payload, SYN and FIN (SEG.LEN). */
export function segmentLen(segment: Pick<TcpParsed, 'payloadLen' | 'flags'>): number {
  return segment.payloadLen + ((segment.flags & TCP_SYN) !== 0 ? 1 : 0) + ((segment.flags & TCP_FIN) !== 0 ? 1 : 0)
}
