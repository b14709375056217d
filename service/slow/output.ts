/** Frames that the slow path builds and sends itself. */
import type { Port } from '../../native/index.js'
import {
  emitEthernet, emitIpv4, emitTcp, ETHERNET_HEADER_BYTES, ETHERTYPE_IPV4, fillTcpChecksum, type Fragmentation, FRAGMENT_UNIT_BYTES,
  emitSourceRoute, IPV4_HEADER_BYTES, type Ipv4Header,
  MAC_BROADCAST, NO_OPTIONS, PROTOCOL_TCP, type SourceRoute, sourceRouteBytes, tcpHeaderLen, type TcpOptions,
} from '../../lib/wire/index.js'
import type { ArpCache, Neighbor } from './arp.js'
import type { FourTuple } from './isn.js'
import type { LoopbackQueue } from './loopback.js'
import type { Routes } from './routes.js'

/** Bytes in front of what an IP packet without options carries. */
export const PAYLOAD_AT = ETHERNET_HEADER_BYTES + IPV4_HEADER_BYTES

/** A segment without payload. */
export interface OutSegment {
  readonly seq: number
  readonly ack?: number
  readonly flags: number
  /** The window field, scaled already. */
  readonly window?: number
  readonly options?: TcpOptions
  /** TOS byte: DSCP, and no ECN (RFC 3168, 6.1.4: nothing that is sent here is data). */
  readonly tos?: number
  readonly sourceRoute?: SourceRoute | null
}

/** Who sends what to whom; `targetIp` is the end of a source route. */
export type DatagramNames = Pick<Ipv4Header, 'sourceIp' | 'targetIp' | 'protocol'> & Partial<Pick<Ipv4Header, 'tos'>>

export class Output {
  private readonly port: Pick<Port, 'sendFrame' | 'mtu'>
  private readonly routes: Routes
  private readonly arp: ArpCache
  private readonly mac: Uint8Array
  private readonly ttl: number
  private readonly loopback: LoopbackQueue
  private lastId = 0
  /** For segments without payload, by length; sent and copied before the next one is written. */
  private readonly frames: Uint8Array[] = []

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

  /** Sends a segment of the connection `tuple`; through `neighbor` if it is known already. To ourselves no source route leads. */
  tcp(tuple: FourTuple, segment: OutSegment, neighbor: Neighbor | null = null): void {
    const header = {
      sourcePort: tuple.localPort, targetPort: tuple.remotePort, seq: segment.seq, ack: segment.ack ?? 0, flags: segment.flags,
      window: segment.window ?? 0, urgent: 0, options: segment.options ?? NO_OPTIONS,
    }
    const names = { sourceIp: tuple.localIp, targetIp: tuple.remoteIp, protocol: PROTOCOL_TCP, tos: segment.tos ?? 0 }
    const isInside = this.isOurs(tuple.remoteIp)
    const sourceRoute = isInside ? null : segment.sourceRoute ?? null
    const at = PAYLOAD_AT + sourceRouteBytes(sourceRoute)
    const len = tcpHeaderLen(header)
    const frame = this.frames[at + len] ??= new Uint8Array(at + len)
    emitTcp(frame, at, header)
    fillTcpChecksum(frame, at, len, tuple.localIp, tuple.remoteIp)
    if (isInside) return this.inside(frame.slice(), names)
    const next = neighbor ?? this.neighborFor(tuple.remoteIp, sourceRoute)
    if (next !== null) this.send(frame, names, null, sourceRoute, next)
  }

  /**
   * Sends a datagram with `payload` that does without "do not fragment": in fragments if the interface's MTU wants it, and routers may
   * cut it further. Without a route, or room in the ARP cache, it is dropped.
   */
  fragmentable(payload: Uint8Array, names: DatagramNames, sourceRoute: SourceRoute | null): void {
    if (this.isOurs(names.targetIp)) {
      const whole = new Uint8Array(PAYLOAD_AT + payload.length)
      whole.set(payload, PAYLOAD_AT)
      return this.inside(whole, names)
    }
    const next = this.neighborFor(names.targetIp, sourceRoute)
    if (next === null) return
    // RFC 6864, 4.3: different for datagrams that are under way at the same time.
    this.lastId = (this.lastId + 1) & 0xffff
    const payloadAt = PAYLOAD_AT + sourceRouteBytes(sourceRoute)
    const room = this.mtu - (payloadAt - ETHERNET_HEADER_BYTES)
    const step = payload.length <= room ? payload.length : room - (room % FRAGMENT_UNIT_BYTES)
    for (let at = 0; at === 0 || at < payload.length; at += step) {
      const part = payload.subarray(at, at + step)
      const frame = new Uint8Array(payloadAt + part.length)
      frame.set(part, payloadAt)
      const fragment = { id: this.lastId, hasMore: at + step < payload.length, fragmentOffset: at }
      this.send(frame, names, fragment, sourceRoute, next)
    }
  }

  private send(frame: Uint8Array, names: DatagramNames, part: Fragmentation | null, route: SourceRoute | null, next: Neighbor): void {
    this.emitHeaders(frame, MAC_BROADCAST, names, part, route)
    this.arp.send(next, frame)
  }

  private isOurs(ip: number): boolean {
    return this.routes.localIndex(ip) >= 0
  }

  /** A frame for ourselves: the next poll receives it. */
  private inside(frame: Uint8Array, names: DatagramNames): void {
    this.emitHeaders(frame, this.mac, names, null, null)
    this.loopback.push(frame)
  }

  private emitHeaders(
    frame: Uint8Array, target: Uint8Array, names: DatagramNames, part: Fragmentation | null, route: SourceRoute | null,
  ): void {
    const optionBytes = sourceRouteBytes(route)
    emitEthernet(frame, { target, source: this.mac, etherType: ETHERTYPE_IPV4 })
    if (route !== null) emitSourceRoute(frame, PAYLOAD_AT, route, names.targetIp)
    const targetIp = route === null ? names.targetIp : route.hops[0]
    const payloadLen = frame.length - PAYLOAD_AT - optionBytes
    const { sourceIp, protocol, tos = 0 } = names
    emitIpv4(frame, ETHERNET_HEADER_BYTES, { sourceIp, targetIp, protocol, ttl: this.ttl, tos, payloadLen }, part, optionBytes)
  }

  private neighborFor(ip: number, sourceRoute: SourceRoute | null): Neighbor | null {
    const choice = this.routes.chooseVia(ip, sourceRoute)
    return choice && this.arp.neighbor(choice.nextHop)
  }
}
