/** ICMP messages and fragments that come to us. */
import * as wire from '../../lib/wire/index.js'
import { OUR_IP, OUR_MAC, PEER_IP, PEER_MAC } from './frames.js'
import type { Open } from './scenes.js'

const IP_AT = wire.ETHERNET_HEADER_BYTES
const PAYLOAD_AT = IP_AT + wire.IPV4_HEADER_BYTES
/** Somewhere between us and the peer. */
export const ROUTER_IP = 0x0a0000fe

export interface DatagramOptions {
  readonly sourceIp?: number
  readonly targetIp?: number
  readonly protocol?: number
  readonly tos?: number
  readonly part?: wire.Fragmentation
}

/** A frame with `payload` behind its IP header. */
export function datagram(payload: Uint8Array, options: DatagramOptions = {}): Uint8Array {
  const frame = new Uint8Array(PAYLOAD_AT + payload.length)
  wire.emitEthernet(frame, { target: OUR_MAC, source: PEER_MAC, etherType: wire.ETHERTYPE_IPV4 })
  wire.emitIpv4(frame, IP_AT, {
    sourceIp: options.sourceIp ?? PEER_IP, targetIp: options.targetIp ?? OUR_IP, protocol: options.protocol ?? wire.PROTOCOL_ICMP,
    ttl: 64, tos: options.tos ?? 0, payloadLen: payload.length,
  }, options.part)
  frame.set(payload, PAYLOAD_AT)
  return frame
}

/** An ICMP message. */
export function icmpFrame(message: Partial<wire.IcmpMessage>, options: DatagramOptions = {}): Uint8Array {
  const full = { type: 8, code: 0, id: 3, sequence: 4, payload: new Uint8Array(0), ...message }
  const bytes = new Uint8Array(wire.ICMP_HEADER_BYTES + full.payload.length)
  wire.emitIcmp(bytes, 0, full)
  return datagram(bytes, options)
}

/** What a router quotes of a segment that we sent: IP header and eight bytes, of `totalLen`. */
export function quote(open: Pick<Open, 'localPort' | 'remotePort'>, seq: number, totalLen = 1500): Uint8Array {
  const quoted = new Uint8Array(wire.IPV4_HEADER_BYTES + 8)
  wire.emitIpv4(quoted, 0, { sourceIp: OUR_IP, targetIp: PEER_IP, protocol: wire.PROTOCOL_TCP, ttl: 3, tos: 0, payloadLen: totalLen - 20 })
  wire.writeU16(quoted, 20, open.localPort)
  wire.writeU16(quoted, 22, open.remotePort)
  wire.writeWord(quoted, 24, seq)
  return quoted
}

/** An error of a router about `quoted`. */
export function errorFrame(type: number, code: number, quoted: Uint8Array, nextHopMtu = 0): Uint8Array {
  return icmpFrame({ type, code, id: 0, sequence: nextHopMtu, payload: quoted }, { sourceIp: ROUTER_IP })
}

/** Payload `payload` of one datagram in pieces that begin at `starts` (multiples of eight, ascending, the first 0). */
export function fragmentsOf(payload: Uint8Array, starts: readonly number[], id: number, options: DatagramOptions = {}): Uint8Array[] {
  return starts.map((start, i) => {
    const end = starts[i + 1] ?? payload.length
    const part = { id, hasMore: end < payload.length, fragmentOffset: start }
    return datagram(payload.subarray(start, end), { ...options, part })
  })
}
