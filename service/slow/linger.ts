/** Linger (SO_LINGER of RFC 9293, 3.9.1's CLOSE, as sockets have it): how long a closed connection may take to deliver what was sent. */
import { FLAG_FIN_ACKED } from '../../lib/memif/index.js'
import type { Connection } from './connection.js'
import { ETIMEDOUT } from './errno.js'
import type { Stack } from './stack.js'
import { abortConnection } from './teardown.js'
import { Timer } from './timers.js'
import { traceTimer } from './tracing.js'

/**
 * The application has closed `connection` and gives it `lingerMs`: unless our FIN is acknowledged by then the connection is
 * reset and EV_CONN_CLOSED says ETIMEDOUT.
 */
export function linger(stack: Stack, connection: Connection, lingerMs: number): void {
  if (connection.phase !== 'worker') return
  connection.lingerTimer = new Timer(() => expire(stack, connection))
  stack.timers.set(connection.lingerTimer, stack.nowUs + lingerMs * 1000)
}

function expire(stack: Stack, connection: Connection): void {
  traceTimer(stack.trace, connection, 'linger')
  if (connection.phase !== 'worker' || stack.flows.hasFlag(connection, FLAG_FIN_ACKED)) return
  stack.stats.add('lingerResets')
  abortConnection(stack, connection, ETIMEDOUT)
}
