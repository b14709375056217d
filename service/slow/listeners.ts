/** Listeners by port: who gets a SYN. */
import type { App, AppContext } from './app.js'
import { Chain } from './chain.js'
import type { Connection } from './connection.js'
import { DEFAULT_OPTIONS, type ConnOptions } from './connoptions.js'
import { EADDRINUSE } from './errno.js'
import { type FourTuple, HASH_SPREAD, type TupleHash } from './isn.js'

/** Largest backlog that is honoured; a larger one is cut. */
const BACKLOG_MAX = 65_535
const NOBODY: readonly Listener[] = []

export interface ListenAddress {
  /** 0 for any of our addresses. */
  readonly ip: number
  readonly port: number
}

export class Listener {
  readonly app: App
  readonly context: AppContext
  readonly handle: number
  readonly address: ListenAddress
  readonly isShared: boolean
  /** Its context is not told of connections (LISTEN_SILENT). */
  readonly isSilent: boolean
  readonly backlog: number
  /** What its connections inherit. */
  readonly options: ConnOptions
  /** Half-open connections, then those that nobody has accepted, each in order of arrival. */
  readonly halfOpen = new Chain<Connection>()
  readonly waiting = new Chain<Connection>()
  /** Handles that wait in accept. */
  accepts: { readonly context: AppContext; readonly handle: number }[] = []
  /** When a SYN cookie was sent last. */
  cookieSentUs = -Infinity

  constructor(
    context: AppContext, handle: number, address: ListenAddress, backlog: number, isShared: boolean, options = DEFAULT_OPTIONS, isSilent = false,
  ) {
    this.app = context.app
    this.context = context
    this.handle = handle
    this.address = address
    this.isShared = isShared
    this.isSilent = isSilent
    this.options = options
    this.backlog = Math.min(Math.max(backlog, 1), BACKLOG_MAX)
  }

  /** As many connections wait to be accepted as the backlog allows; half-open ones are counted apart (synpressure.ts). */
  get isAcceptQueueFull(): boolean {
    return this.waiting.size >= this.backlog
  }

  /** Whether it takes connections: an application that does not read its events gets no more of them, since they would pile up here. */
  get isOpen(): boolean {
    return !this.isAcceptQueueFull && !this.context.isBlocked
  }
}

export class Listeners {
  private readonly byPort = new Map<number, Listener[]>()

  /**
   * Enters `listener`. Returns 0, or EADDRINUSE unless all listeners of the same address share it, and are one user's: a port could be
   * stolen otherwise (socket(7), SO_REUSEPORT). One address beside all of them (0) is the same as well, unless it is one application's: it
   * would take another's connections away.
   */
  add(listener: Listener): number {
    const { ip, port } = listener.address
    const others = this.byPort.get(port) ?? []
    const rivals = others.filter(({ app, address }) => {
      return address.ip === ip || (app !== listener.app && (address.ip === 0 || ip === 0))
    })
    if (rivals.some((other) => !other.isShared || !listener.isShared || other.app.uid !== listener.app.uid)) return EADDRINUSE
    this.byPort.set(port, [...others, listener])
    return 0
  }

  remove(listener: Listener): void {
    const { port } = listener.address
    const others = (this.byPort.get(port) ?? []).filter((other) => other !== listener)
    if (others.length > 0) this.byPort.set(port, others)
    else this.byPort.delete(port)
  }

  /**
   * Who answers a SYN of the connection `tuple`: listeners of its address before those of any; of several,
   * the one that `hash` picks (LISTEN_REUSEPORT).
   */
  find(tuple: FourTuple, hash: TupleHash): Listener | null {
    const ip = tuple.localIp
    const all = this.byPort.get(tuple.localPort)
    if (all === undefined) return null
    if (all.length === 1) return all[0].address.ip === 0 || all[0].address.ip === ip ? all[0] : null
    const exact = all.filter((listener) => listener.address.ip === ip)
    const matching = exact.length > 0 ? exact : all.filter((listener) => listener.address.ip === 0)
    if (matching.length <= 1) return matching[0] ?? null
    return matching[(hash.hash(tuple, HASH_SPREAD) >>> 0) % matching.length]
  }

  /** Other listeners of the same application at the same address: whose connections `listener` may have. Buffers are the application's. */
  sharing(listener: Listener): readonly Listener[] {
    const { address, app, isShared } = listener
    const all = this.byPort.get(address.port)
    if (!isShared || all === undefined || all.length === 1) return NOBODY
    return all.filter((other) => other !== listener && other.app === app && other.address.ip === address.ip)
  }

  /** Whether any listener uses `port`. */
  hasPort(port: number): boolean {
    return this.byPort.has(port)
  }
}
