/**
 * The TCP segment at hand, parsed from a frame: one object for each worker, filled again for every frame.
 *
 *   frame    | Ethernet 14 | IPv4 20 | TCP 20 + options | payload |
 *            ^ 2 modulo 4  ^ aligned words from here
 */
import { ipHeaderGood, swap16, swap32 } from './bytes.js'
import { BLOCKS_MAX } from './sackblocks.js'

export const TCP_FIN = 0x01
export const TCP_SYN = 0x02
export const TCP_RST = 0x04
export const TCP_PSH = 0x08
export const TCP_ACK = 0x10
export const TCP_URG = 0x20
export const TCP_ECE = 0x40
export const TCP_CWR = 0x80

/** Beside TCP_* in Emitter.segment's flags: the segment carries data that has never been sent (RFC 3168, 6.1.4 and 6.1.5). */
export const SEGMENT_NEW_DATA = 0x100

/** Largest window field. What is older than the largest window is no answer to anything (RFC 5961, 5.2). */
export const WINDOW_FIELD_MAX = 0xffff

/** What `parseSegment` found. */
export const PARSED = 0
/** Not for the fast path: not TCP over IPv4, a fragment, or IP options. Nothing is known. */
export const PARSED_FOREIGN = 1
/** Not for the fast path: unusual TCP flags. Addresses, ports and flags are known, so its flow can be found. */
export const PARSED_UNUSUAL = 2
/** Lengths or checksum are wrong: to be dropped. */
export const PARSED_MALFORMED = 3

/** As the little-endian half word that the frame has. */
export const ETHERTYPE_IPV4 = 0x0008
/** NOP, NOP, timestamps, length 10: how everybody lays the option out (RFC 7323, appendix A), as a raw word. */
export const TIMESTAMPS_ALIGNED = 0x0a080101
export const ETHERNET_BYTES = 14
/** Without options; with them a header is no longer the worker's business. */
export const IP_BYTES = 20
/** Without options. */
export const TCP_BYTES = 20
/** NOP, NOP and the timestamps option. */
export const TIMESTAMPS_BYTES = 12
const OPTION_SACK = 5

export class Segment {
  /** Raw words: source address, destination address, both ports. */
  remoteIp = 0
  localIp = 0
  ports = 0
  seq = 0
  ack = 0
  flags = 0
  /** Window field, not scaled. */
  window = 0
  /** Payload bytes, and where they start from the Ethernet header on. */
  payloadLen = 0
  payloadFrom = 0
  hasTimestamps = false
  tsVal = 0
  tsEcr = 0
  /** ECN codepoint "congestion experienced" in the IP header (RFC 3168, 5). */
  congested = false
  /** Blocks of a SACK option (RFC 2018, 3), as they came: unchecked. */
  sackBlocks = 0
  /** Their edges, left and right in turn. */
  readonly sackEdges = new Int32Array(2 * BLOCKS_MAX)
}

/** Parses the frame of `len` bytes at byte `eth` into `segment`. About 10 ns. */
export function parseSegment(segment: Segment, bytes: Uint8Array, words: Int32Array, eth: number, len: number): number {
  if (len < ETHERNET_BYTES + IP_BYTES + TCP_BYTES) return PARSED_FOREIGN
  if ((bytes[eth + 12] | (bytes[eth + 13] << 8)) !== ETHERTYPE_IPV4) return PARSED_FOREIGN
  const ip = (eth + ETHERNET_BYTES) >> 2
  const first = words[ip]
  if ((first & 0xff) !== 0x45) return PARSED_FOREIGN
  if ((words[ip + 1] & 0xff3f0000) !== 0) return PARSED_FOREIGN
  if (((words[ip + 2] >>> 8) & 0xff) !== 6) return PARSED_FOREIGN
  if (!ipHeaderGood(words, ip)) return PARSED_MALFORMED
  const ipLen = swap16(first >>> 16)
  const control = words[ip + 8]
  const headerLen = (control & 0xf0) >> 2
  const payloadLen = ipLen - IP_BYTES - headerLen
  if (headerLen < TCP_BYTES || payloadLen < 0 || ipLen + ETHERNET_BYTES > len) return PARSED_MALFORMED
  const flags = (control >>> 8) & 0xff
  segment.remoteIp = words[ip + 3]
  segment.localIp = words[ip + 4]
  segment.ports = words[ip + 5]
  segment.flags = flags
  if ((flags & (TCP_SYN | TCP_RST | TCP_URG | TCP_ACK)) !== TCP_ACK) return PARSED_UNUSUAL
  segment.seq = swap32(words[ip + 6])
  segment.ack = swap32(words[ip + 7])
  segment.window = swap16(control >>> 16)
  segment.payloadLen = payloadLen
  segment.payloadFrom = ETHERNET_BYTES + IP_BYTES + headerLen
  segment.congested = ((first >>> 8) & 3) === 3
  segment.sackBlocks = 0
  if (headerLen === TCP_BYTES + TIMESTAMPS_BYTES && words[ip + 10] === TIMESTAMPS_ALIGNED) {
    segment.hasTimestamps = true
    segment.tsVal = swap32(words[ip + 11])
    segment.tsEcr = swap32(words[ip + 12])
    return PARSED
  }
  segment.hasTimestamps = false
  const tcp = eth + ETHERNET_BYTES + IP_BYTES
  return headerLen === TCP_BYTES || parseOptions(segment, bytes, tcp + TCP_BYTES, tcp + headerLen) ? PARSED : PARSED_MALFORMED
}

/** Looks for timestamps and SACK blocks in an option list (RFC 9293, 3.2). Returns false if it is malformed. */
function parseOptions(segment: Segment, bytes: Uint8Array, from: number, end: number): boolean {
  let at = from
  while (at < end) {
    const kind = bytes[at]
    if (kind === 0) return true
    if (kind === 1) {
      at++
      continue
    }
    const length = at + 1 < end ? bytes[at + 1] : 0
    if (length < 2 || at + length > end) return false
    if (kind === 8 && length === 10) {
      segment.hasTimestamps = true
      segment.tsVal = wordAt(bytes, at + 2)
      segment.tsEcr = wordAt(bytes, at + 6)
    } else if (kind === OPTION_SACK && length >= 10 && (length & 7) === 2) readBlocks(segment, bytes, at + 2, (length - 2) >> 3)
    at += length
  }
  return true
}

function readBlocks(segment: Segment, bytes: Uint8Array, at: number, blocks: number): void {
  segment.sackBlocks = blocks
  for (let edge = 0; edge < 2 * blocks; edge++) segment.sackEdges[edge] = wordAt(bytes, at + 4 * edge)
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]
}
