/** Boxes between a host and the network: one that takes TCP options out of SYNs, and a cable that gives the host another MAC address. */
import {
  ETHERNET_HEADER_BYTES, ETHERTYPE_ARP, ETHERTYPE_IPV4, isGroupMac, MAC_BYTES, PROTOCOL_TCP, fillTcpChecksum, readU16, readWord, sameMac,
  TCP_ACK, TCP_SYN, tcpChecksumGood,
} from '../../../lib/wire/index.js'
import type { Middlebox } from '../network.js'
import type { StripPlan } from './plan.js'

const IP_AT = ETHERNET_HEADER_BYTES
const OPTION_NOP = 1
const TCP_HEADER_BYTES = 20
/** Numbers of options (IANA). */
const KIND_MSS = 2
const KIND_WINDOW_SCALE = 3
const KIND_SACK_PERMITTED = 4
const KIND_TIMESTAMPS = 8
const ARP_SENDER_MAC = ETHERNET_HEADER_BYTES + 8

export class ScenarioBox implements Middlebox {
  /** The host's MAC address as others see it; null: its own. */
  alias: Uint8Array | null = null
  private readonly mac: Uint8Array
  private readonly kinds: ReadonlySet<number>

  constructor(mac: Uint8Array, strip: StripPlan) {
    this.mac = mac
    this.kinds = new Set([
      ...(strip.mss ? [KIND_MSS] : []), ...(strip.windowScale ? [KIND_WINDOW_SCALE] : []), ...(strip.sack ? [KIND_SACK_PERMITTED] : []),
      ...(strip.timestamps ? [KIND_TIMESTAMPS] : []),
    ])
  }

  outbound(frame: Uint8Array): Uint8Array {
    if (this.alias !== null) this.rename(frame, this.alias)
    if (this.kinds.size > 0) this.strip(frame)
    return frame
  }

  /** Frames are shared between those that they may be for. */
  inbound(shared: Uint8Array): Uint8Array | null {
    if (isGroupMac(shared)) return shared
    if (this.alias !== null && !sameMac(shared, this.alias)) return null
    if (this.alias === null && (this.kinds.size === 0 || !sameMac(shared, this.mac))) return shared
    const frame = shared.slice()
    frame.set(this.mac)
    if (this.kinds.size > 0) this.strip(frame)
    return frame
  }

  private rename(frame: Uint8Array, alias: Uint8Array): void {
    frame.set(alias, MAC_BYTES)
    if (readU16(frame, 2 * MAC_BYTES) === ETHERTYPE_ARP) frame.set(alias, ARP_SENDER_MAC)
  }

  /** SYNs alone: a SYN-ACK answers what is left in one. What is corrupt stays corrupt. */
  private strip(frame: Uint8Array): void {
    const isTcp = readU16(frame, 2 * MAC_BYTES) === ETHERTYPE_IPV4 && frame[IP_AT + 9] === PROTOCOL_TCP
    const tcp = IP_AT + (frame[IP_AT] & 15) * 4
    if (!isTcp || (frame[tcp + 13] & (TCP_SYN | TCP_ACK)) !== TCP_SYN) return
    const tcpLen = IP_AT + readU16(frame, IP_AT + 2) - tcp
    const end = tcp + (frame[tcp + 12] >>> 4) * 4
    const [sourceIp, targetIp] = [readWord(frame, IP_AT + 12), readWord(frame, IP_AT + 16)]
    if (tcp + tcpLen > frame.length || tcpLen < end - tcp || !tcpChecksumGood(frame, tcp, tcpLen, sourceIp, targetIp)) return
    for (let at = tcp + TCP_HEADER_BYTES; at < end && frame[at] !== 0;) {
      const len = frame[at] === OPTION_NOP ? 1 : Math.max(2, frame[at + 1])
      if (this.kinds.has(frame[at])) frame.fill(OPTION_NOP, at, Math.min(at + len, end))
      at += len
    }
    fillTcpChecksum(frame, tcp, tcpLen, sourceIp, targetIp)
  }
}
