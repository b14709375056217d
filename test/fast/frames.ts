/** The fake peer of a worker: addresses, and the frames that it sends. */
import {
  emitEthernet, emitIpv4, emitTcp, ETHERNET_HEADER_BYTES, ETHERTYPE_IPV4, fillTcpChecksum, IPV4_HEADER_BYTES, NO_OPTIONS, PROTOCOL_TCP, TCP_ACK,
  tcpHeaderLen, type SackBlock, type TcpOptions,
} from '../../lib/wire/index.js'

export const LOCAL_IP = 0x0a000001
export const PEER_IP = 0x0a000002
export const LOCAL_PORT = 80
export const PEER_PORT = 40000
export const LOCAL_MAC = Uint8Array.of(2, 0, 0, 0, 0, 1)
export const PEER_MAC = Uint8Array.of(2, 0, 0, 0, 0, 2)
/** First data byte of the peer and of us. */
export const IRS1 = 1000
export const ISS1 = 5000

/** A segment of the peer; what is left out is that of a segment without data that is in order. */
export interface SegmentOptions {
  readonly seq?: number
  readonly ack?: number
  readonly flags?: number
  readonly window?: number
  readonly data?: Uint8Array | string
  readonly timestamps?: { readonly value: number; readonly echo: number }
  readonly sackBlocks?: readonly SackBlock[]
  /** TOS byte of the IP header. */
  readonly tos?: number
  readonly peerPort?: number
  /** Claims to be from our own address, for the flow with these ports. */
  readonly fromUs?: { readonly localPort: number; readonly remotePort: number }
}

/** A frame from the peer. */
export function peerFrame(options: SegmentOptions): Uint8Array {
  const data = typeof options.data === 'string' ? new TextEncoder().encode(options.data) : options.data ?? new Uint8Array(0)
  const tcpOptions: TcpOptions = { ...NO_OPTIONS, timestamps: options.timestamps ?? null, sackBlocks: options.sackBlocks ?? [] }
  const header = {
    sourcePort: options.fromUs?.remotePort ?? options.peerPort ?? PEER_PORT, targetPort: options.fromUs?.localPort ?? LOCAL_PORT,
    seq: options.seq ?? IRS1, ack: options.ack ?? ISS1, flags: options.flags ?? TCP_ACK, window: options.window ?? 65535, urgent: 0,
    options: tcpOptions,
  }
  const tcpLen = tcpHeaderLen(header) + data.length
  const frame = new Uint8Array(ETHERNET_HEADER_BYTES + IPV4_HEADER_BYTES + tcpLen)
  emitEthernet(frame, { target: LOCAL_MAC, source: PEER_MAC, etherType: ETHERTYPE_IPV4 })
  const sourceIp = options.fromUs ? LOCAL_IP : PEER_IP
  emitIpv4(frame, ETHERNET_HEADER_BYTES, { sourceIp, targetIp: LOCAL_IP, protocol: PROTOCOL_TCP, ttl: 64, tos: options.tos ?? 0, payloadLen: tcpLen })
  const at = ETHERNET_HEADER_BYTES + IPV4_HEADER_BYTES
  emitTcp(frame, at, header)
  frame.set(data, at + tcpHeaderLen(header))
  fillTcpChecksum(frame, at, tcpLen, sourceIp, LOCAL_IP)
  return frame
}
