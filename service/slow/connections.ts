/** All connections by four-tuple, and the gauges of their states. */
import type { SlowCounter, TraceWriter } from '../../lib/memif/index.js'
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

export class ConnectionTable {
  private readonly stats: Stats
  private readonly trace: TraceWriter
  /** Keys are 53-bit mixes of the four-tuple; connections with the same key form a list. */
  private readonly chains = new Map<number, Connection>()
  /** Those in TIME-WAIT, the one that came first in front. */
  readonly timeWaits = new Set<Connection>()
  /** Connections in the table. */
  size = 0

  constructor(stats: Stats, trace: TraceWriter) {
    this.stats = stats
    this.trace = trace
  }

  find(tuple: FourTuple): Connection | null {
    let at = this.chains.get(keyOf(tuple)) ?? null
    while (at !== null && !isSameTuple(at, tuple)) at = at.next
    return at
  }

  add(connection: Connection): void {
    const key = keyOf(connection)
    connection.next = this.chains.get(key) ?? null
    this.chains.set(key, connection)
    this.size++
  }

  /** Takes `connection` out if it is in. */
  remove(connection: Connection): void {
    const key = keyOf(connection)
    let before: Connection | null = null
    let at = this.chains.get(key) ?? null
    while (at !== null && at !== connection) {
      before = at
      at = at.next
    }
    if (at === null) return
    this.size--
    if (before !== null) before.next = at.next
    else if (at.next !== null) this.chains.set(key, at.next)
    else this.chains.delete(key)
    at.next = null
  }

  setState(connection: Connection, state: TcpState): void {
    const before = GAUGES[connection.state]
    const after = GAUGES[state]
    if (before !== undefined) this.stats.add(before, -1)
    if (after !== undefined) this.stats.add(after)
    if (state === 'TIME-WAIT') this.timeWaits.add(connection)
    else this.timeWaits.delete(connection)
    traceState(this.trace, connection, state)
    connection.state = state
  }

  /** Walks through all connections, which may come and go between two steps; those that were there first come first. */
  * each(): Generator<Connection, void> {
    for (const first of this.chains.values()) {
      for (let at: Connection | null = first; at !== null;) {
        const after: Connection | null = at.next
        yield at
        at = after
      }
    }
  }
}

function keyOf(tuple: FourTuple): number {
  const ports = Math.imul((tuple.remotePort << 16) | tuple.localPort, 0x9e3779b1) ^ tuple.localIp
  return (tuple.remoteIp >>> 0) * 0x200000 + (ports >>> 11)
}

function isSameTuple(a: FourTuple, b: FourTuple): boolean {
  return a.remoteIp === b.remoteIp && a.remotePort === b.remotePort && a.localPort === b.localPort && a.localIp === b.localIp
}
