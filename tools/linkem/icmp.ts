/** ICMP "fragmentation needed and DF set": what a router sends that cannot pass a packet on. */
import {
  emitEthernet, emitIcmp, emitIpv4, ICMP_HEADER_BYTES, IPV4_HEADER_BYTES, isGroupMac, MAC_BYTES,
  parseIpv4, PROTOCOL_ICMP, readU16, readWord,
} from '../../lib/wire/index.js'
import { ipv4Offset } from './ippacket.js'

const DESTINATION_UNREACHABLE = 3
const FRAGMENTATION_NEEDED = 4
const DONT_FRAGMENT = 0x4000
/** RFC 1812, 4.3.2.3: as much of the packet as fits a datagram of 576 bytes. */
const DATAGRAM_MAX = 576
const TTL = 64
/** RFC 792's error messages; none is sent about these (RFC 1122, 3.2.2). */
const ICMP_ERRORS = [3, 4, 5, 11, 12]

function isAnswerable(frame: Uint8Array, at: number): boolean {
  const header = parseIpv4(frame, at)
  if (header === null || !header.checksumGood) return false
  const { sourceIp, targetIp } = header
  const isUnicast = (ip: number): boolean => (ip >>> 28) < 14 && (ip >>> 24) !== 0 && (ip >>> 24) !== 127
  // RFC 1122, 3.2.2: not about errors, group addresses, later fragments, sources that are not one host.
  if (isGroupMac(frame) || !isUnicast(sourceIp) || !isUnicast(targetIp)) return false
  if ((readU16(frame, at + 6) & 0x1fff) !== 0) return false
  return header.protocol !== PROTOCOL_ICMP || !ICMP_ERRORS.includes(frame[at + header.headerLen])
}

/**
 * The frame that tells the sender of `frame` (`len` bytes) to send packets of at most `mtu` bytes (RFC 1191, 4), or null if none may be
 * sent. The link has no address of its own: the message comes from the packet's target.
 */
export function fragmentationNeeded(frame: Uint8Array, len: number, mtu: number): Uint8Array | null {
  const at = ipv4Offset(frame, len)
  if (at < 0 || (readU16(frame, at + 6) & DONT_FRAGMENT) === 0 || !isAnswerable(frame, at)) return null
  const quotedMax = DATAGRAM_MAX - IPV4_HEADER_BYTES - ICMP_HEADER_BYTES
  const payload = frame.slice(at, Math.min(at + readU16(frame, at + 2), at + quotedMax))
  const payloadLen = ICMP_HEADER_BYTES + payload.length
  const answer = new Uint8Array(at + IPV4_HEADER_BYTES + payloadLen)
  // VLAN tags come back as they went.
  answer.set(frame.subarray(2 * MAC_BYTES, at), 2 * MAC_BYTES)
  const etherType = readU16(frame, 2 * MAC_BYTES)
  emitEthernet(answer, { target: frame.subarray(MAC_BYTES, 2 * MAC_BYTES), source: frame.subarray(0, MAC_BYTES), etherType })
  emitIpv4(answer, at, {
    sourceIp: readWord(frame, at + 16), targetIp: readWord(frame, at + 12), protocol: PROTOCOL_ICMP, ttl: TTL, tos: 0, payloadLen,
  })
  emitIcmp(answer, at + IPV4_HEADER_BYTES, { type: DESTINATION_UNREACHABLE, code: FRAGMENTATION_NEEDED, id: 0, sequence: mtu, payload })
  return answer
}
