/**
 * Frames on their way to the host kernel. What a sender on the same machine left to hardware (checksums, cutting into
 * segments) is done here, because the TAP device is opened without offload.
 */
import {
  addBytes,
  checksum,
  ETHERNET_HEADER_BYTES,
  ETHERTYPE_IPV4,
  fillTcpChecksum,
  foldChecksum,
  IPV4_HEADER_BYTES,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  readU16,
  readWord,
  TCP_CWR,
  TCP_FIN,
  TCP_HEADER_BYTES,
  TCP_PSH,
  writeU16,
  writeWord,
} from '../lib/wire/index.js'
import { RX_CHECKSUM_PARTIAL } from '../native/index.js'

/** Sends one frame of `len` bytes. Returns false if it is dropped. */
export type EmitFrame = (frame: Uint8Array, len: number) => boolean

const IP_AT = ETHERNET_HEADER_BYTES
const ETHERTYPE_IPV6 = 0x86dd
const IPV6_HEADER_BYTES = 40

/** Where the transport header of a frame is, and what it is. */
interface Transport {
  readonly at: number
  readonly protocol: number
  /** Offset of its checksum field. */
  readonly checksumAt: number
}

function findTransport(frame: Uint8Array, len: number): Transport | null {
  const type = readU16(frame, 12)
  if (type !== ETHERTYPE_IPV4 && type !== ETHERTYPE_IPV6) return null
  const isV4 = type === ETHERTYPE_IPV4
  const at = IP_AT + (isV4 ? (frame[IP_AT] & 0xf) * 4 : IPV6_HEADER_BYTES)
  const protocol = frame[IP_AT + (isV4 ? 9 : 6)]
  if (protocol !== PROTOCOL_TCP && protocol !== PROTOCOL_UDP) return null
  const checksumAt = protocol === PROTOCOL_TCP ? 16 : 6
  return at + checksumAt + 2 > len ? null : { at, protocol, checksumAt: at + checksumAt }
}

/** The field holds the sum of the pseudo-header, so the sum over the rest of the frame completes it, whatever the protocol. */
function completeChecksum(frame: Uint8Array, len: number): void {
  const transport = findTransport(frame, len)
  if (transport === null) return
  const sum = foldChecksum(addBytes(0, frame, transport.at, len - transport.at))
  // A UDP checksum of zero means "none" (RFC 768).
  writeU16(frame, transport.checksumAt, sum === 0 && transport.protocol === PROTOCOL_UDP ? 0xffff : sum)
}

/** A segment's place in the frame that it is cut from. */
interface Part {
  readonly index: number
  /** Of its payload in the frame's. */
  readonly offset: number
  readonly isLast: boolean
}

/** Turns the copied headers of `out` into those of one segment. */
function finishSegment(out: Uint8Array, outLen: number, tcpAt: number, { index, offset, isLast }: Part): void {
  writeU16(out, IP_AT + 2, outLen - IP_AT)
  writeU16(out, IP_AT + 4, (readU16(out, IP_AT + 4) + index) & 0xffff)
  writeU16(out, IP_AT + 10, 0)
  writeU16(out, IP_AT + 10, checksum(out, IP_AT, tcpAt - IP_AT))
  writeWord(out, tcpAt + 4, (readWord(out, tcpAt + 4) + offset) | 0)
  if (!isLast) out[tcpAt + 13] &= ~(TCP_FIN | TCP_PSH)
  if (index > 0) out[tcpAt + 13] &= ~TCP_CWR
  fillTcpChecksum(out, tcpAt, outLen - tcpAt, readWord(out, IP_AT + 12), readWord(out, IP_AT + 16))
}

/** Cuts a frame of TCP over IPv4 into segments of `gso` payload bytes. */
function cut(frame: Uint8Array, len: number, gso: number, tcpAt: number, emit: EmitFrame): boolean {
  const headerLen = tcpAt + (frame[tcpAt + 12] >> 4) * 4
  if (headerLen < tcpAt + TCP_HEADER_BYTES || headerLen > len) return false
  const out = new Uint8Array(headerLen + gso)
  let taken = true
  for (let index = 0, offset = 0; headerLen + offset < len; index++, offset += gso) {
    const end = Math.min(len, headerLen + offset + gso)
    const outLen = end - offset
    out.set(frame.subarray(0, headerLen))
    out.set(frame.subarray(headerLen + offset, end), headerLen)
    finishSegment(out, outLen, tcpAt, { index, offset, isLast: end === len })
    taken = emit(out, outLen) && taken
  }
  return taken
}

/**
 * Gives a received frame of `len` bytes, with the port's `gso` and RX_* `flags`, to `emit` as the frames that it would have
 * been on a wire. Only TCP over IPv4 is cut; other merged frames are dropped. Returns false if something was.
 */
export function emitForHost(frame: Uint8Array, len: number, gso: number, flags: number, emit: EmitFrame): boolean {
  if (gso > 0) {
    const transport = findTransport(frame, len)
    const isTcp = transport !== null && transport.protocol === PROTOCOL_TCP && transport.at >= IP_AT + IPV4_HEADER_BYTES
    return isTcp && readU16(frame, 12) === ETHERTYPE_IPV4 && cut(frame, len, gso, transport.at, emit)
  }
  if ((flags & RX_CHECKSUM_PARTIAL) === 0) return emit(frame, len)
  const whole = frame.slice(0, len)
  completeChecksum(whole, len)
  return emit(whole, len)
}
