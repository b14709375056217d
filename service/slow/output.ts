/** Frames that the slow path builds and sends itself. */
import type { Port } from '../../native/index.js'
import {
  emitEthernet, emitIpv4, emitTcp, ETHERNET_HEADER_BYTES, ETHERTYPE_IPV4, fillTcpChecksum, IPV4_HEADER_BYTES,
  MAC_BROADCAST, NO_OPTIONS, PROTOCOL_TCP, tcpHeaderLen, type TcpOptions,
} from '../../lib/wire/index.js'
import type { ArpCache, Neighbor } from './arp.js'
import type { FourTuple } from './isn.js'
import type { LoopbackQueue } from './loopback.js'
import type { Routes } from './routes.js'

/** Bytes in front of what the IP packet carries. */
export const PAYLOAD_AT = ETHERNET_HEADER_BYTES + IPV4_HEADER_BYTES

/** A segment without payload. */
export interface OutSegment {
  readonly seq: number
  readonly ack?: number
  readonly flags: number
  /** The window field, scaled already. */
  readonly window?: number
  readonly options?: TcpOptions
}

export class Output {
  private readonly port: Pick<Port, 'sendFrame' | 'mtu'>
  private readonly routes: Routes
  private readonly arp: ArpCache
  private readonly mac: Uint8Array
  private readonly ttl: number
  private readonly loopback: LoopbackQueue

  constructor(
    port: Pick<Port, 'sendFrame' | 'mtu'>, routes: Routes, arp: ArpCache, mac: Uint8Array, ttl: number, loopback: LoopbackQueue,
  ) {
    this.port = port
    this.routes = routes
    this.arp = arp
    this.mac = mac
    this.ttl = ttl
    this.loopback = loopback
  }

  get mtu(): number {
    return this.port.mtu
  }

  /** Sends a segment of the connection `tuple`; through `neighbor` if it is known already. */
  tcp(tuple: FourTuple, segment: OutSegment, neighbor: Neighbor | null = null): void {
    const header = {
      sourcePort: tuple.localPort, targetPort: tuple.remotePort, seq: segment.seq, ack: segment.ack ?? 0, flags: segment.flags,
      window: segment.window ?? 0, urgent: 0, options: segment.options ?? NO_OPTIONS,
    }
    const len = tcpHeaderLen(header)
    const frame = new Uint8Array(PAYLOAD_AT + len)
    emitTcp(frame, PAYLOAD_AT, header)
    fillTcpChecksum(frame, PAYLOAD_AT, len, tuple.localIp, tuple.remoteIp)
    if (this.isOurs(tuple.remoteIp)) this.inside(frame, tuple, PROTOCOL_TCP)
    else this.ip(frame, tuple.localIp, tuple.remoteIp, PROTOCOL_TCP, neighbor)
  }

  /**
   * Sends `frame`, whose bytes from PAYLOAD_AT on are filled in. Without a route, or room in the ARP cache, it is
   * dropped.
   */
  ip(frame: Uint8Array, sourceIp: number, targetIp: number, protocol: number, neighbor: Neighbor | null = null): void {
    if (this.isOurs(targetIp)) {
      return this.inside(frame, { localIp: sourceIp, localPort: 0, remoteIp: targetIp, remotePort: 0 }, protocol)
    }
    const next = neighbor ?? this.neighborFor(targetIp)
    if (next === null) return
    this.emitHeaders(frame, MAC_BROADCAST, sourceIp, targetIp, protocol)
    this.arp.send(next, frame)
  }

  private isOurs(ip: number): boolean {
    return this.routes.localIndex(ip) >= 0
  }

  /** A frame for ourselves: the next poll receives it. */
  private inside(frame: Uint8Array, tuple: FourTuple, protocol: number): void {
    this.emitHeaders(frame, this.mac, tuple.localIp, tuple.remoteIp, protocol)
    this.loopback.push(frame, tuple)
  }

  private emitHeaders(frame: Uint8Array, target: Uint8Array, sourceIp: number, targetIp: number, protocol: number): void {
    emitEthernet(frame, { target, source: this.mac, etherType: ETHERTYPE_IPV4 })
    const payloadLen = frame.length - PAYLOAD_AT
    emitIpv4(frame, ETHERNET_HEADER_BYTES, { sourceIp, targetIp, protocol, ttl: this.ttl, tos: 0, payloadLen })
  }

  private neighborFor(ip: number): Neighbor | null {
    const route = this.routes.choose(ip)
    return route && this.arp.neighbor(route.nextHop)
  }
}
