/** Where packets to an address go: longest prefix first, our own networks and given routes alike. */
import { IPV4_BROADCAST, prefixMask, type SourceRoute } from '../../lib/wire/index.js'
import type { LocalAddress, Route } from './config.js'

/** The answer for one destination. */
export interface RouteChoice {
  /** Neighbour that gets the packet. */
  readonly nextHop: number
  /** Our address on that network. */
  readonly sourceIp: number
}

interface Entry {
  readonly dest: number
  readonly prefix: number
  readonly mask: number
  /** Null for a network of our own: the destination is the neighbour. */
  readonly nextHop: number | null
  readonly sourceIp: number
}

export class Routes {
  private readonly addresses: readonly LocalAddress[]
  private readonly entries: readonly Entry[]

  constructor(addresses: readonly LocalAddress[], routes: readonly Route[]) {
    this.addresses = addresses
    const onLink = addresses.map(({ ip, prefix }) => ({
      dest: ip & prefixMask(prefix), prefix, mask: prefixMask(prefix), nextHop: null, sourceIp: ip,
    }))
    const given = routes.map(({ dest, prefix, nextHop }) => ({
      dest: dest & prefixMask(prefix), prefix, mask: prefixMask(prefix), nextHop, sourceIp: this.sourceFor(nextHop),
    }))
    // The sort is stable, so of equal prefixes our own networks win, then the route given first.
    this.entries = [...onLink, ...given].sort((a, b) => b.prefix - a.prefix)
  }

  /**
   * Neighbour and source address for `ip`, or null: no route, broadcast or multicast. An address of our own is its own neighbour and
   * source (RFC 6724, 5, rule 1).
   */
  choose(ip: number): RouteChoice | null {
    if (!this.isUnicast(ip)) return null
    if (this.localIndex(ip) >= 0) return { nextHop: ip, sourceIp: ip }
    for (const { dest, mask, nextHop, sourceIp } of this.entries) {
      if ((ip & mask) === dest) return { nextHop: nextHop ?? ip, sourceIp }
    }
    return null
  }

  /** The same by way of `sourceRoute`: its first hop decides, which for a strict one must be a neighbour (RFC 791, 3.1). */
  chooseVia(ip: number, sourceRoute: SourceRoute | null): RouteChoice | null {
    if (sourceRoute === null) return this.choose(ip)
    const [hop] = sourceRoute.hops
    const choice = this.localIndex(hop) >= 0 ? null : this.choose(hop)
    return choice !== null && sourceRoute.isStrict && choice.nextHop !== hop ? null : choice
  }

  /** Index of our address `ip`, or -1. */
  localIndex(ip: number): number {
    const { addresses } = this
    for (let i = 0; i < addresses.length; i++) if (addresses[i].ip === ip) return i
    return -1
  }

  /** Whether `ip` is on a network of our own. */
  isOnLink(ip: number): boolean {
    return this.addresses.some(({ ip: own, prefix }) => ((ip ^ own) & prefixMask(prefix)) === 0)
  }

  /** Whether `ip` can be one host: not 0/8, loopback, multicast, reserved, or the broadcast address of our networks. */
  isUnicast(ip: number): boolean {
    const first = ip >>> 24
    if (first === 0 || first === 127 || first >= 224 || ip === IPV4_BROADCAST) return false
    for (const { ip: own, prefix } of this.addresses) if (prefix < 31 && ip === (own | ~prefixMask(prefix))) return false
    return true
  }

  private sourceFor(nextHop: number): number {
    const near = this.addresses.find(({ ip, prefix }) => ((nextHop ^ ip) & prefixMask(prefix)) === 0)
    return (near ?? this.addresses[0]).ip
  }
}
