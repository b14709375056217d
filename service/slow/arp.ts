/**
 * The ARP cache (RFC 826), held in the state region's neighbour table so that workers see a change of
 * address at once. Entries that flows use are never evicted; of the others the one used longest ago is.
 */
import { NEIGHBOR_WORDS, NEIGHBORS_MAX, type StateView } from '../../lib/memif/index.js'
import {
  ARP_BYTES, ARP_REPLY, ARP_REQUEST, type ArpPacket, emitArp, emitEthernet, ETHERNET_HEADER_BYTES, ETHERTYPE_ARP,
  formatIpv4Address, formatMac, isGroupMac, MAC_BROADCAST, MAC_BYTES, sameMac,
} from '../../lib/wire/index.js'
import type { ArpConfig } from './config.js'
import { type Logger, RateLimit } from './log.js'
import type { Routes } from './routes.js'
import type { Stats } from './stats.js'
import { Timer, type Timers } from './timers.js'

/** Frames that wait for one address; older ones give way. */
const PENDING_FRAMES_MAX = 16

/** After so many transmissions without an answer a neighbour is asked for its address again, with each further one, but not more often. */
const REFRESH_AT = 3
const REFRESH_US = 1_000_000
const NO_MAC = new Uint8Array(MAC_BYTES)

export interface Neighbor {
  readonly ip: number
  /** Index in the neighbour table. */
  readonly index: number
  isResolved: boolean
  /** Connections that use it. */
  references: number
  timeoutUs: number
  /** When it was last asked for its address again. */
  refreshedUs: number
  readonly timer: Timer
  readonly frames: Uint8Array[]
  readonly waiters: ((found: boolean) => void)[]
}

/** What the cache needs around it. */
export interface ArpEnv {
  readonly state: StateView
  readonly config: ArpConfig
  readonly mac: Uint8Array
  readonly routes: Routes
  readonly timers: Timers
  readonly stats: Stats
  readonly log: Logger
  nowUs(): number
  sendFrame(frame: Uint8Array): void
}

export class ArpCache {
  private readonly env: ArpEnv
  private readonly firstByte: number
  /** In order of use, the least recent first. */
  private readonly neighbors = new Map<number, Neighbor>()
  /** The last of them. */
  private latest: Neighbor | null = null
  private readonly freeIndexes: number[] = []
  private readonly conflictLog: RateLimit

  /** `startUs` is the time now; `env.nowUs` is not called before the first poll. */
  constructor(env: ArpEnv, startUs: number) {
    this.env = env
    this.firstByte = env.state.places.neighborsWord * 4
    this.conflictLog = new RateLimit(1, startUs)
    for (let index = NEIGHBORS_MAX - 1; index >= 0; index--) this.freeIndexes.push(index)
  }

  /** The neighbour with address `ip`, new and unresolved if need be; null if the cache is full of used ones. */
  neighbor(ip: number): Neighbor | null {
    const known = this.neighbors.get(ip)
    if (known === undefined) return this.create(ip)
    if (known !== this.latest) {
      this.neighbors.delete(ip)
      this.neighbors.set(ip, known)
      this.latest = known
    }
    return known
  }

  /** Whether `ip` has an entry, resolved or not. */
  isKnown(ip: number): boolean {
    return this.neighbors.has(ip)
  }

  /** Like `neighbor`, and keeps it until `release`. */
  acquire(ip: number): Neighbor | null {
    const neighbor = this.neighbor(ip)
    if (neighbor) neighbor.references++
    return neighbor
  }

  release(neighbor: Neighbor): void {
    neighbor.references--
    if (neighbor.references === 0 && !neighbor.isResolved && !neighbor.timer.isSet) this.drop(neighbor)
  }

  /** Calls `done` when the address is known, at once if it is, or when it cannot be found. */
  resolve(neighbor: Neighbor, done: (found: boolean) => void): void {
    if (neighbor.isResolved) return done(true)
    neighbor.waiters.push(done)
    this.start(neighbor)
  }

  /**
   * Sends `frame`, its target address filled in, now or when the address is known. Takes the frame over if it waits.
   */
  send(neighbor: Neighbor, frame: Uint8Array): void {
    if (neighbor.isResolved) {
      frame.set(this.macOf(neighbor), 0)
      this.env.sendFrame(frame)
      return
    }
    if (neighbor.frames.length >= PENDING_FRAMES_MAX) neighbor.frames.shift()
    neighbor.frames.push(frame.slice())
    this.start(neighbor)
  }

  /**
   * `tries` times in a row nothing came back from `neighbor`, or through it: it may have a new address, and is asked for
   * it. What is known stays in use.
   */
  doubt(neighbor: Neighbor | null, tries: number): void {
    if (neighbor === null || !neighbor.isResolved || tries < REFRESH_AT) return
    const nowUs = this.env.nowUs()
    if (nowUs - neighbor.refreshedUs < REFRESH_US || this.env.routes.localIndex(neighbor.ip) >= 0) return
    neighbor.refreshedUs = nowUs
    this.request(neighbor.ip)
  }

  /** A packet from the network. */
  receive(packet: ArpPacket): void {
    const { routes } = this.env
    if (isGroupMac(packet.senderMac) || sameMac(packet.senderMac, NO_MAC)) return this.env.stats.add('dropMalformed')
    if (routes.localIndex(packet.senderIp) >= 0) return this.reportConflict(packet)
    const isForUs = routes.localIndex(packet.targetIp) >= 0
    this.learn(packet, isForUs)
    if (isForUs && packet.operation === ARP_REQUEST) this.reply(packet)
  }

  /** Tells the network our address (RFC 5227, 3: an announcement). */
  announce(ip: number): void {
    this.emit(MAC_BROADCAST, { operation: ARP_REQUEST, senderMac: this.env.mac, senderIp: ip, targetMac: NO_MAC, targetIp: ip })
  }

  /** A view of the neighbour's address in the table. */
  macOf(neighbor: Neighbor): Uint8Array {
    const at = this.firstByte + neighbor.index * NEIGHBOR_WORDS * 4
    return this.env.state.bytes.subarray(at, at + MAC_BYTES)
  }

  /** RFC 826: whoever is known is updated; who asks for us and is on our network is entered. */
  private learn(packet: ArpPacket, isForUs: boolean): void {
    const known = this.neighbors.get(packet.senderIp)
    if (known) return this.update(known, packet.senderMac)
    const isWelcome = isForUs && packet.operation === ARP_REQUEST && this.env.routes.isUnicast(packet.senderIp)
    if (!isWelcome || !this.env.routes.isOnLink(packet.senderIp)) return
    const created = this.create(packet.senderIp)
    if (created) this.update(created, packet.senderMac)
  }

  private update(neighbor: Neighbor, mac: Uint8Array): void {
    this.macOf(neighbor).set(mac)
    if (neighbor.isResolved) return
    neighbor.isResolved = true
    this.env.timers.cancel(neighbor.timer)
    for (const frame of neighbor.frames.splice(0)) this.send(neighbor, frame)
    for (const done of neighbor.waiters.splice(0)) done(true)
  }

  private create(ip: number): Neighbor | null {
    if (this.freeIndexes.length === 0) this.evict()
    const index = this.freeIndexes.pop()
    if (index === undefined) return null
    const neighbor: Neighbor = {
      ip, index, isResolved: false, references: 0, timeoutUs: 0, refreshedUs: -Infinity, frames: [], waiters: [],
      timer: new Timer(() => this.expire(neighbor)),
    }
    this.neighbors.set(ip, neighbor)
    this.latest = neighbor
    this.env.stats.add('arpEntries')
    // Nobody has to be asked for an address of our own.
    if (this.env.routes.localIndex(ip) >= 0) this.update(neighbor, this.env.mac)
    return neighbor
  }

  private evict(): void {
    for (const neighbor of this.neighbors.values()) {
      if (neighbor.references === 0 && neighbor.waiters.length === 0) return this.drop(neighbor)
    }
  }

  private drop(neighbor: Neighbor): void {
    this.env.timers.cancel(neighbor.timer)
    this.neighbors.delete(neighbor.ip)
    if (neighbor === this.latest) this.latest = null
    this.macOf(neighbor).fill(0)
    this.freeIndexes.push(neighbor.index)
    this.env.stats.add('arpEntries', -1)
  }

  private start(neighbor: Neighbor): void {
    if (neighbor.timer.isSet) return
    neighbor.timeoutUs = this.env.config.timeoutUs
    this.ask(neighbor)
  }

  private ask(neighbor: Neighbor): void {
    this.request(neighbor.ip)
    this.env.timers.set(neighbor.timer, this.env.nowUs() + neighbor.timeoutUs)
  }

  private expire(neighbor: Neighbor): void {
    neighbor.timeoutUs *= 2
    if (neighbor.timeoutUs <= this.env.config.timeoutMaxUs) return this.ask(neighbor)
    this.env.stats.add('arpRequestsFailed')
    neighbor.frames.length = 0
    for (const done of neighbor.waiters.splice(0)) done(false)
    const isUnused = neighbor.references === 0 && !neighbor.timer.isSet
    if (isUnused && this.neighbors.get(neighbor.ip) === neighbor) this.drop(neighbor)
  }

  private request(ip: number): void {
    const senderIp = this.env.routes.choose(ip)?.sourceIp
    if (senderIp === undefined) return
    this.env.stats.add('arpRequestsSent')
    this.emit(MAC_BROADCAST, { operation: ARP_REQUEST, senderMac: this.env.mac, senderIp, targetMac: NO_MAC, targetIp: ip })
  }

  private reply(request: ArpPacket): void {
    this.env.stats.add('arpRepliesSent')
    this.emit(request.senderMac, {
      operation: ARP_REPLY, senderMac: this.env.mac, senderIp: request.targetIp,
      targetMac: request.senderMac, targetIp: request.senderIp,
    })
  }

  private emit(target: Uint8Array, packet: ArpPacket): void {
    const frame = new Uint8Array(ETHERNET_HEADER_BYTES + ARP_BYTES)
    emitEthernet(frame, { target, source: this.env.mac, etherType: ETHERTYPE_ARP })
    emitArp(frame, ETHERNET_HEADER_BYTES, packet)
    this.env.sendFrame(frame)
  }

  private reportConflict(packet: ArpPacket): void {
    // Our own announcements come back from a host kernel that shares the address.
    if (sameMac(packet.senderMac, this.env.mac) || !this.conflictLog.allow(this.env.nowUs())) return
    const fields = { ip: formatIpv4Address(packet.senderIp), mac: formatMac(packet.senderMac) }
    this.env.log.warn(fields, 'another host uses our address')
  }
}
