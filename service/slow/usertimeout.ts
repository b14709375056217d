/**
 * The user timeout (RFC 9293, 3.8.3: R2 set by the application; RFC 5482, 3.1; TCP_USER_TIMEOUT of Linux): a connection ends when
 * its oldest outstanding byte, sent or kept back by a closed window, has made no progress for that long, whatever the number of retransmissions
 * and even if the peer answers window probes. A timer of its own looks four times in a timeout, so that the
 * end comes up to a quarter late and never early. A flow with nothing outstanding has no timer.
 */
import { TCB_SND_UNA } from '../../lib/memif/index.js'
import type { Connection } from './connection.js'
import { ETIMEDOUT } from './errno.js'
import { outstanding } from './retransmit.js'
import type { Stack } from './stack.js'
import { abortConnection } from './teardown.js'
import { Timer } from './timers.js'

const LOOKS = 4
const SHORTEST_US = 1_000

/** The worker reports WHAT_ACTIVE, or the option has changed. */
export function watchUserTimeout(stack: Stack, connection: Connection): void {
  if (connection.options.userTimeoutMs === 0) {
    if (connection.userTimer) stack.timers.cancel(connection.userTimer)
    return
  }
  if (!connection.isWatched) return
  connection.userTimer ??= new Timer(() => look(stack, connection))
  if (!connection.userTimer.isSet) connection.outstandingUs = -1
  note(stack, connection)
  lookLater(stack, connection)
}

/**
 * Ends `connection` with ETIMEDOUT, and the peer with a RST, if its user timeout has passed. Returns whether it has. To be called
 * before something is sent once more.
 */
export function userTimedOut(stack: Stack, connection: Connection): boolean {
  const { userTimeoutMs } = connection.options
  if (userTimeoutMs === 0) return false
  note(stack, connection)
  const { outstandingUs } = connection
  if (outstandingUs < 0 || stack.nowUs - outstandingUs < userTimeoutMs * 1000) return false
  stack.stats.add('userTimeouts')
  stack.stats.add('connectionsTimedOut')
  abortConnection(stack, connection, ETIMEDOUT)
  return true
}

/** Since when the byte at SND.UNA has been seen outstanding. */
function note(stack: Stack, connection: Connection): void {
  const una = stack.flows.word(connection, TCB_SND_UNA)
  if (outstanding(stack, connection) === 0) connection.outstandingUs = -1
  else if (connection.outstandingUs < 0 || una !== connection.outstandingUna) connection.outstandingUs = stack.nowUs
  connection.outstandingUna = una
}

function look(stack: Stack, connection: Connection): void {
  if (connection.phase !== 'worker' || userTimedOut(stack, connection)) return
  // The next WHAT_ACTIVE begins anew.
  if (connection.isWatched) lookLater(stack, connection)
}

function lookLater(stack: Stack, connection: Connection): void {
  const { options, outstandingUs, userTimer } = connection
  const timeoutUs = options.userTimeoutMs * 1000
  const soonUs = stack.nowUs + Math.max(timeoutUs / LOOKS, SHORTEST_US)
  const dueUs = outstandingUs < 0 ? soonUs : Math.max(outstandingUs + timeoutUs, stack.nowUs)
  if (userTimer) stack.timers.set(userTimer, Math.min(dueUs, soonUs))
}
