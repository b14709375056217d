/** All connections by four-tuple, and the gauges of their states. */
import type { SlowCounter, TraceWriter } from '../../lib/memif/index.js'
import { Chain } from './chain.js'
import type { Connection, TcpState } from './connection.js'
import type { FourTuple } from './isn.js'
import type { Stats } from './stats.js'
import { traceState } from './tracing.js'

const GAUGES: Partial<Record<TcpState, SlowCounter>> = {
  'SYN-SENT': 'flowsSynSent',
  'SYN-RECEIVED': 'flowsSynReceived',
  'ESTABLISHED': 'flowsEstablished',
  'FIN-WAIT-1': 'flowsClosing',
  'FIN-WAIT-2': 'flowsClosing',
  'CLOSE-WAIT': 'flowsClosing',
  'CLOSING': 'flowsClosing',
  'LAST-ACK': 'flowsClosing',
  'TIME-WAIT': 'flowsTimeWait',
}

/** Places at first; a power of two. They double as soon as there are more connections. */
const PLACES_MIN = 1024

export class ConnectionTable {
  private readonly stats: Stats
  private readonly trace: TraceWriter
  private readonly seed: number
  private readonly all = new Chain<Connection>()
  /** Connections by hash of the four-tuple; those of one place form a list. */
  private places = new Array<Connection | null>(PLACES_MIN).fill(null)
  /** Those in TIME-WAIT, the one that came first in front. */
  readonly timeWaits = new Chain<Connection>()

  /** `seed` is secret: strangers choose four-tuples, and must not be able to choose them so that they meet in one place. */
  constructor(stats: Stats, trace: TraceWriter, seed: number) {
    this.stats = stats
    this.trace = trace
    this.seed = seed
  }

  /** Connections in the table. */
  get size(): number {
    return this.all.size
  }

  find(tuple: FourTuple): Connection | null {
    let at = this.places[this.placeOf(tuple)]
    while (at !== null && !isSameTuple(at, tuple)) at = at.next
    return at
  }

  add(connection: Connection): void {
    if (this.size === this.places.length) this.grow()
    this.all.add(connection.inTable)
    this.enter(connection)
  }

  /** Takes `connection` out if it is in. */
  remove(connection: Connection): void {
    if (connection.inTable.chain === null) return
    this.all.remove(connection.inTable)
    const place = this.placeOf(connection)
    let before: Connection | null = null
    let at = this.places[place]
    while (at !== null && at !== connection) {
      before = at
      at = at.next
    }
    if (before === null) this.places[place] = connection.next
    else before.next = connection.next
    connection.next = null
  }

  setState(connection: Connection, state: TcpState): void {
    const before = GAUGES[connection.state]
    const after = GAUGES[state]
    if (before !== undefined) this.stats.add(before, -1)
    if (after !== undefined) this.stats.add(after)
    if (connection.state !== state && state === 'TIME-WAIT') this.timeWaits.add(connection.inQueue)
    else if (state !== 'TIME-WAIT') this.timeWaits.remove(connection.inQueue)
    traceState(this.trace, connection, state)
    connection.state = state
  }

  /** Walks through all connections, which may come and go between two steps; those that were there first come first. */
  each(): Generator<Connection, void> {
    return this.all[Symbol.iterator]()
  }

  private enter(connection: Connection): void {
    const place = this.placeOf(connection)
    connection.next = this.places[place]
    this.places[place] = connection
  }

  private grow(): void {
    this.places = new Array<Connection | null>(this.places.length * 2).fill(null)
    for (const connection of this.all) this.enter(connection)
  }

  private placeOf({ localIp, localPort, remoteIp, remotePort }: FourTuple): number {
    let hash = Math.imul(remoteIp ^ this.seed, 0x9e3779b1)
    hash = Math.imul(hash ^ (hash >>> 15) ^ ((remotePort << 16) | localPort), 0x85ebca6b)
    hash = Math.imul(hash ^ (hash >>> 13) ^ localIp, 0xc2b2ae35)
    return (hash ^ (hash >>> 16)) & (this.places.length - 1)
  }
}

function isSameTuple(a: FourTuple, b: FourTuple): boolean {
  return a.remoteIp === b.remoteIp && a.remotePort === b.remotePort && a.localPort === b.localPort && a.localIp === b.localIp
}
