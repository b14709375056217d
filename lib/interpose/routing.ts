/** Which connections and listeners are TAS's. Rules come first; where none fits, what TAS's addresses and routes serve. */
import type { Networks } from '../tas/index.js'
import { decide, wordOf, maskOf } from './rules.js'
import type { Settings } from './settings.js'

/** Addresses that mean every address of the host. */
export function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::' || address === '::ffff:0.0.0.0'
}

/** An address that never leaves the host's kernel: 127.0.0.0/8, and 0.0.0.0, which means the host itself (RFC 1122, 3.2.1.3). */
function isHostOnly(ip: number): boolean {
  return ip >>> 24 === 127 || ip >>> 24 === 0
}

function has(networks: readonly { readonly ip: number; readonly prefix: number }[], ip: number): boolean {
  return networks.some((network) => ((network.ip ^ ip) & maskOf(network.prefix)) === 0)
}

/** The thread's TAS, as far as routes depend on it. Asked only where no rule fits. */
export interface Reach {
  /** What it reaches; null while there is none. May have to connect to a service, but makes no TAS. */
  networks(): Networks | null
  /** Whether there is one, or was. Makes the program's own if that has not been tried. */
  isThere(): boolean
}

export class Router {
  private readonly settings: Settings
  private readonly tas: Reach

  constructor(settings: Settings, tas: Reach) {
    this.settings = settings
    this.tas = tas
  }

  /**
   * Whether a connection to `address`:`port` runs over TAS. `localAddress` is the address that the program bound it to, '' for any: one
   * that is not TAS's keeps the connection in the kernel.
   */
  connects(address: string, port: number, localAddress = ''): boolean {
    const ip = wordOf(address)
    if (ip === null || isHostOnly(ip)) return false
    if (localAddress !== '' && !isWildcard(localAddress)) return this.isOwn(localAddress)
    return decide(this.settings.connect, ip, port) ?? this.reaches(ip)
  }

  /** Whether `connects` may say yes for a name that is not resolved yet. */
  mayConnect(): boolean {
    return this.settings.connect.some((rule) => rule.isTas) || this.tas.networks() !== null
  }

  /** Whether a listener on `address`, '' for every address, and `port` is TAS's. */
  listens(address: string, port: number): boolean {
    if (address === '' || isWildcard(address)) return decide(this.settings.listen, 0, port) ?? this.tas.networks() !== null
    const ip = wordOf(address)
    if (ip === null || isHostOnly(ip)) return false
    return decide(this.settings.listen, ip, port) ?? this.isOwn(address)
  }

  /** Whether `address` is one of TAS's own. */
  isOwn(address: string): boolean {
    const ip = wordOf(address)
    return ip !== null && (this.tas.networks()?.addresses.some((own) => own.ip === ip) ?? false)
  }

  private reaches(ip: number): boolean {
    const networks = this.tas.networks()
    return networks !== null && (has(networks.addresses, ip) || has(networks.routes, ip)) && this.tas.isThere()
  }
}
