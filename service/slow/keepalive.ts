/**
 * Keepalive (RFC 9293, 3.8.4; RFC 1122, 4.2.3.6): off unless the application asks for it. A connection that has
 * been quiet is asked with an old sequence number, which a living peer answers. One timer for each such connection; it is not
 * touched when segments arrive, but looks, when it fires, how long ago the last one was.
 */
import { TCB_HEARD_MS, TO_FAST_FLOW_PROBE } from '../../lib/memif/index.js'
import type { Connection } from './connection.js'
import { ETIMEDOUT } from './errno.js'
import { outstanding, quietMs } from './flowstate.js'
import type { Stack } from './stack.js'
import { abortConnection } from './teardown.js'
import { Timer } from './timers.js'
import { traceTimer } from './tracing.js'

/** Keepalive of a connection with a flow begins, changes or ends, as its options say. */
export function startKeepAlive(stack: Stack, connection: Connection): void {
  const { keepIdleMs } = connection.options
  connection.keepProbes = 0
  stack.timers.cancel(connection.keepTimer)
  if (keepIdleMs === 0) return
  connection.keepTimer ??= new Timer(() => look(stack, connection))
  lookIn(stack, connection, Math.max(keepIdleMs - quietMs(stack, connection), 0))
}

function lookIn(stack: Stack, connection: Connection, ms: number): void {
  if (connection.keepTimer) stack.timers.set(connection.keepTimer, stack.nowUs + ms * 1000)
}

function look(stack: Stack, connection: Connection): void {
  traceTimer(stack.trace, connection, 'keepalive')
  if (connection.phase !== 'worker') return
  const { keepIdleMs } = connection.options
  const heard = stack.flows.word(connection, TCB_HEARD_MS)
  if (heard !== connection.keepHeard) connection.keepProbes = 0
  connection.keepHeard = heard
  // MUST-26: only when nothing is outstanding; otherwise the retransmission or persist timer finds out.
  if (outstanding(stack, connection) > 0) {
    connection.keepProbes = 0
    return lookIn(stack, connection, keepIdleMs)
  }
  const quiet = quietMs(stack, connection)
  if (quiet < keepIdleMs) return lookIn(stack, connection, keepIdleMs - quiet)
  if (isDead(connection, quiet)) {
    stack.stats.add('connectionsTimedOut')
    return abortConnection(stack, connection, ETIMEDOUT)
  }
  probe(stack, connection, quiet)
}

/** MUST-29: a single probe without an answer says nothing. With a user timeout time decides, not the count, as in Linux. */
function isDead({ options, keepProbes }: Connection, quiet: number): boolean {
  const { userTimeoutMs, keepCount } = options
  return userTimeoutMs > 0 ? keepProbes > 0 && quiet >= userTimeoutMs : keepProbes >= keepCount
}

function probe(stack: Stack, connection: Connection, quiet: number): void {
  const { userTimeoutMs, keepIntervalMs } = connection.options
  connection.keepProbes++
  stack.stats.add('keepaliveProbes')
  stack.workers[connection.worker].flow(TO_FAST_FLOW_PROBE, connection)
  stack.arp.doubt(connection.neighbor, connection.keepProbes)
  const leftMs = userTimeoutMs > quiet ? userTimeoutMs - quiet : keepIntervalMs
  lookIn(stack, connection, Math.min(leftMs, keepIntervalMs))
}
