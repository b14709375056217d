/** Changes to IPv4 packets inside frames: the ECN field, a flipped bit. */
import {
  ETHERNET_HEADER_BYTES, ETHERTYPE_IPV4, IPV4_HEADER_BYTES, PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP, readU16, writeU16,
} from '../../lib/wire/index.js'
import type { SeededRandom } from './random.js'

const TAG_BYTES = 4
const TAGS_MAX = 2
const ETHERTYPE_VLAN = 0x8100
const ETHERTYPE_SERVICE_VLAN = 0x88a8
const FRAGMENT_BITS = 0x3fff
/** The ECN field (RFC 3168, 5): not ECN-capable, congestion experienced. */
const NOT_ECT = 0
const CE = 3

/** Offset of what follows the Ethernet header, VLAN tags included in that. */
export function networkOffset(bytes: Uint8Array, len: number): number {
  let at = ETHERNET_HEADER_BYTES
  for (let tags = 0; tags < TAGS_MAX && at + TAG_BYTES <= len; tags++) {
    const type = readU16(bytes, at - 2)
    if (type !== ETHERTYPE_VLAN && type !== ETHERTYPE_SERVICE_VLAN) break
    at += TAG_BYTES
  }
  return at
}

/** Offset of the IPv4 header of a frame of `len` bytes, or -1 if it has none or one that makes no sense. */
export function ipv4Offset(bytes: Uint8Array, len: number): number {
  const at = networkOffset(bytes, len)
  if (at + IPV4_HEADER_BYTES > len || readU16(bytes, at - 2) !== ETHERTYPE_IPV4 || bytes[at] >>> 4 !== 4) return -1
  const headerLen = (bytes[at] & 15) * 4
  const totalLen = readU16(bytes, at + 2)
  return headerLen >= IPV4_HEADER_BYTES && totalLen >= headerLen && at + totalLen <= len ? at : -1
}

/** Sets "congestion experienced" (RFC 3168, 5). Returns false, and changes nothing, if the packet is not ECN-capable. */
export function markCe(bytes: Uint8Array, len: number): boolean {
  const at = ipv4Offset(bytes, len)
  if (at < 0 || (bytes[at + 1] & 3) === NOT_ECT) return false
  const before = readU16(bytes, at)
  bytes[at + 1] |= CE
  // RFC 1624, eqn. 3: HC' = ~(~HC + ~m + m').
  const sum = (~readU16(bytes, at + 10) & 0xffff) + (~before & 0xffff) + readU16(bytes, at)
  const folded = (sum & 0xffff) + (sum >>> 16)
  writeU16(bytes, at + 10, ~((folded & 0xffff) + (folded >>> 16)))
  return true
}

/** Bytes from the IP header on that some checksum covers. */
function checkedBytes(bytes: Uint8Array, at: number): number {
  const headerLen = (bytes[at] & 15) * 4
  const totalLen = readU16(bytes, at + 2)
  const protocol = bytes[at + 9]
  // A fragment's checksum is known to whoever has all of them.
  if ((readU16(bytes, at + 6) & FRAGMENT_BITS) !== 0) return headerLen
  if (protocol === PROTOCOL_TCP || protocol === PROTOCOL_ICMP) return totalLen
  // RFC 768: 0 means that the sender has computed none.
  const hasUdpSum = protocol === PROTOCOL_UDP && totalLen >= headerLen + 8 && readU16(bytes, at + headerLen + 6) !== 0
  return hasUdpSum ? totalLen : headerLen
}

/** Changes one bit of an IPv4 packet where a checksum shows it. Returns false, and changes nothing, if there is no such place. */
export function corruptBit(bytes: Uint8Array, len: number, random: SeededRandom): boolean {
  const at = ipv4Offset(bytes, len)
  if (at < 0) return false
  bytes[at + random.below(checkedBytes(bytes, at))] ^= 1 << random.below(8)
  return true
}
