/** Frames that workers pass up: which protocol, which connection. */
import { RX_CHECKSUM_GOOD, RX_CHECKSUM_PARTIAL, RX_TRUNCATED } from '../../native/port.js'
import {
  ETHERNET_HEADER_BYTES, ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_VLAN, IPV4_HEADER_BYTES, type Ipv4Parsed, isGroupMac, parseArp,
  parseIpv4, parseTcp, PROTOCOL_ICMP, PROTOCOL_TCP, readU16, sameMac, type SourceRoute, TCP_ACK, TCP_RST, TCP_SYN, tcpChecksumGood,
} from '../../lib/wire/index.js'
import { receiveInSynSent } from './active.js'
import type { Connection } from './connection.js'
import { mayFollowCookie, receiveCookieAck, receiveOtherCookieAck } from './cookieack.js'
import { receiveOnFlow } from './established.js'
import { findListener, receiveInSynReceived, receiveSyn } from './handshake.js'
import { receiveIcmp } from './icmp.js'
import { isInside } from './loopback.js'
import { receivedIp, receivedSegment, receivedTcp } from './received.js'
import { refuse } from './reset.js'
import { followSourceRoute } from './sourceroutes.js'
import type { Frame, Segment, Stack } from './stack.js'
import { receiveInTimeWait } from './timewait.js'

/** Behind both addresses. */
const ETHERTYPE_AT = 12
/** 802.1Q: where a tag stands, its bytes, and the part of them that names the VLAN. */
const VLAN_TAG_AT = 12
const VLAN_TAG_BYTES = 4
const VLAN_ID_BITS = 0xfff

const NOT_TRUSTED_CHECKSUM = RX_CHECKSUM_GOOD | RX_CHECKSUM_PARTIAL

/** Takes one frame. `mac` is our address. */
export function receiveFrame(stack: Stack, received: Frame, mac: Uint8Array): void {
  stack.stats.add('packets')
  const frame = withoutPriorityTag(received)
  const { bytes } = frame
  if ((frame.rxFlags & RX_TRUNCATED) !== 0 || bytes.length < ETHERNET_HEADER_BYTES) return stack.stats.add('dropMalformed')
  // A frame begins with the address that it is for.
  const isGroup = isGroupMac(bytes)
  if (!isGroup && !sameMac(bytes, mac)) return stack.stats.add('packetsNotOurs')
  const etherType = readU16(bytes, ETHERTYPE_AT)
  if (etherType === ETHERTYPE_ARP) receiveArp(stack, frame)
  else if (etherType === ETHERTYPE_IPV4) receiveIpv4(stack, frame, isGroup)
  else leave(stack, frame)
}

/** IEEE 802.1Q, 6.9: a tag with VLAN 0 gives a priority and nothing else; the frame counts as untagged. */
function withoutPriorityTag(frame: Frame): Frame {
  const { bytes } = frame
  const isTagged = bytes.length >= ETHERNET_HEADER_BYTES + VLAN_TAG_BYTES && readU16(bytes, VLAN_TAG_AT) === ETHERTYPE_VLAN
  if (!isTagged || (readU16(bytes, VLAN_TAG_AT + 2) & VLAN_ID_BITS) !== 0) return frame
  const untagged = bytes.slice(VLAN_TAG_BYTES)
  untagged.set(bytes.subarray(0, VLAN_TAG_AT))
  return { ...frame, bytes: untagged }
}

/** Not for us: the host kernel's, if there is one. */
function leave(stack: Stack, frame: Frame): void {
  if (!stack.hostKernel.pass(frame)) stack.stats.add('packetsNotOurs')
}

function receiveArp(stack: Stack, frame: Frame): void {
  const packet = parseArp(frame.bytes, ETHERNET_HEADER_BYTES)
  if (packet === null) return stack.stats.add('dropMalformed')
  // Both answer for an address that they share, with the same MAC address: the kernel may not have it (yet).
  stack.hostKernel.pass(frame)
  stack.arp.receive(packet)
}

function receiveIpv4(stack: Stack, frame: Frame, isGroup: boolean): void {
  const ip = parseIpv4(frame.bytes, ETHERNET_HEADER_BYTES, receivedIp)
  if (ip === null) return stack.stats.add('dropMalformed')
  if (!ip.checksumGood) return stack.stats.add('dropChecksum')
  // Nobody else can have our address (RFC 1122, 3.2.1.3; RFC 9293, 3.9.2.3: MUST-63).
  if (!isInside(frame) && stack.routes.localIndex(ip.sourceIp) >= 0) return stack.stats.add('packetsNotOurs')
  // Neither TCP (RFC 9293, 3.10.7: MUST-57) nor our echo replies answer to groups; a host kernel may want them.
  const isOurs = !isGroup && stack.routes.localIndex(ip.targetIp) >= 0 && stack.routes.isUnicast(ip.sourceIp)
  if (!isOurs) leave(stack, frame)
  else if (ip.isFragment) receiveFragment(stack, frame, ip)
  else receiveDatagram(stack, frame, ip)
}

function receiveDatagram(stack: Stack, frame: Frame, received: Ipv4Parsed): void {
  if (received.headerLen === IPV4_HEADER_BYTES) return receiveRouted(stack, frame, received, null)
  const routed = followSourceRoute(stack, frame, received)
  if (routed !== null) receiveRouted(stack, frame, routed.ip, routed.wayBack)
}

function receiveRouted(stack: Stack, frame: Frame, ip: Ipv4Parsed, wayBack: SourceRoute | null): void {
  if (ip.protocol === PROTOCOL_TCP) receiveTcp(stack, frame, ip, wayBack)
  else if (ip.protocol === PROTOCOL_ICMP) receiveIcmp(stack, frame, ip, wayBack)
  else leave(stack, frame)
}

/** Only TCP can be both ours and the host kernel's, and which of them shows in the whole segment. */
function receiveFragment(stack: Stack, frame: Frame, ip: Ipv4Parsed): void {
  if (ip.protocol !== PROTOCOL_TCP && stack.hostKernel.pass(frame)) return
  if (ip.protocol !== PROTOCOL_TCP && ip.protocol !== PROTOCOL_ICMP) return stack.stats.add('packetsNotOurs')
  const bytes = stack.reassembly.add(frame.bytes, ip)
  const whole = bytes === null ? null : parseIpv4(bytes, ETHERNET_HEADER_BYTES)
  if (bytes === null || whole === null) return
  // A checksum over a whole datagram is nothing that a port can have checked, or a sender left out, in one of its fragments.
  receiveDatagram(stack, { bytes, rxFlags: 0, gso: 0, flow: -1, gen: 0 }, whole)
}

function receiveTcp(stack: Stack, frame: Frame, ip: Ipv4Parsed, wayBack: SourceRoute | null): void {
  const at = ETHERNET_HEADER_BYTES + ip.headerLen
  const tcp = parseTcp(frame.bytes, at, ip.payloadLen, receivedTcp)
  if (tcp === null) return stack.stats.add('dropMalformed')
  const mustVerify = (frame.rxFlags & NOT_TRUSTED_CHECKSUM) === 0
  const isGood = !mustVerify || tcpChecksumGood(frame.bytes, at, ip.payloadLen, ip.sourceIp, ip.targetIp)
  if (!isGood) return stack.stats.add('dropChecksum')
  const segment = receivedSegment
  segment.begin(frame, ip, tcp, wayBack)
  const connection = stack.connections.find(segment)
  if (connection) receiveForConnection(stack, connection, segment)
  else receiveUnknown(stack, segment)
}

function receiveForConnection(stack: Stack, connection: Connection, segment: Segment): void {
  if (connection.state === 'TIME-WAIT') receiveInTimeWait(stack, connection, segment)
  else if (connection.state === 'SYN-SENT') receiveInSynSent(stack, connection, segment)
  else if (connection.state === 'SYN-RECEIVED' && receiveOtherCookieAck(stack, connection, segment)) return
  else if (connection.state === 'SYN-RECEIVED') receiveInSynReceived(stack, connection, segment)
  else if (connection.phase === 'worker') receiveOnFlow(stack, connection, segment)
}

/** No connection: a SYN for a listener, or nothing of ours (RFC 9293, 3.10.7.1 and 3.10.7.2). */
function receiveUnknown(stack: Stack, segment: Segment): void {
  const listener = findListener(stack, segment)
  const isSyn = (segment.tcp.flags & (TCP_SYN | TCP_ACK | TCP_RST)) === TCP_SYN
  if (listener !== null && isSyn) return receiveSyn(stack, segment, listener)
  if (listener !== null && receiveCookieAck(stack, segment, listener)) return
  // The host kernel may have a connection of that name, even from a port on which we listen; if not it refuses.
  if (stack.hostKernel.pass(segment.frame)) return
  if (listener !== null && mayFollowCookie(stack, segment, listener)) return
  refuse(stack, segment)
}
