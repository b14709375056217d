/** Makes an odd but honest segment plain, so that a worker can take it. */
import {
  emitIpv4, emitTcp, ETHERNET_HEADER_BYTES, fillTcpChecksum, OPTION_NOP, OPTION_TIMESTAMPS, PROTOCOL_TCP, readWord,
  TCP_ACK, TCP_CWR, TCP_ECE, TCP_FIN, TCP_HEADER_BYTES, TCP_PSH, tcpHeaderLen,
} from '../../lib/wire/index.js'
import { PAYLOAD_AT } from './output.js'
import type { Segment } from './stack.js'

const PLAIN_FLAGS = TCP_FIN | TCP_PSH | TCP_ACK | TCP_ECE | TCP_CWR
/** NOP NOP TIMESTAMPS 10: how everybody writes it (RFC 7323, appendix A). */
const TIMESTAMPS_START = (OPTION_NOP << 24) | (OPTION_NOP << 16) | (OPTION_TIMESTAMPS << 8) | 10

/**
 * The segment without urgent data marks (taken in line, RFC 6093), without IP options and without any TCP option but those that a
 * worker reads, in their usual place; null if it is like that already.
 */
export function rebuildPlain(segment: Segment): Uint8Array | null {
  const { tcp, frame } = segment
  if (isPlain(segment)) return null
  const options = { ...tcp.options, mss: null, windowScale: null, sackPermitted: false }
  const header = { ...tcp, flags: tcp.flags & PLAIN_FLAGS, urgent: 0, options }
  const headerLen = tcpHeaderLen(header)
  const len = headerLen + tcp.payloadLen
  const plain = new Uint8Array(PAYLOAD_AT + len)
  plain.set(frame.bytes.subarray(0, ETHERNET_HEADER_BYTES))
  plain.set(frame.bytes.subarray(tcp.payloadAt, tcp.payloadAt + tcp.payloadLen), PAYLOAD_AT + headerLen)
  // A mark of congestion must not get lost (RFC 3168, 6.1.3).
  const tos = frame.bytes[ETHERNET_HEADER_BYTES + 1]
  const addresses = { sourceIp: segment.remoteIp, targetIp: segment.localIp }
  emitIpv4(plain, ETHERNET_HEADER_BYTES, { ...addresses, protocol: PROTOCOL_TCP, ttl: 1, tos, payloadLen: len })
  emitTcp(plain, PAYLOAD_AT, header)
  fillTcpChecksum(plain, PAYLOAD_AT, len, segment.remoteIp, segment.localIp)
  return plain
}

/** Whether IP options stand in front of the segment: then no worker can tell which flow it is for. */
export function hasIpOptions({ tcp }: Segment): boolean {
  return tcp.payloadAt - tcp.headerLen !== PAYLOAD_AT
}

function isPlain(segment: Segment): boolean {
  const { tcp, frame } = segment
  if ((tcp.flags & ~PLAIN_FLAGS) !== 0 || hasIpOptions(segment)) return false
  if (tcp.headerLen === TCP_HEADER_BYTES) return true
  const optionsAt = PAYLOAD_AT + TCP_HEADER_BYTES
  return tcp.headerLen === TCP_HEADER_BYTES + 12 && readWord(frame.bytes, optionsAt) === TIMESTAMPS_START
}
