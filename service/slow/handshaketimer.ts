/** Repeats a SYN or SYN-ACK until it is answered (RFC 9293, 3.8.1 and 3.8.3). */
import type { Connection } from './connection.js'
import { ETIMEDOUT } from './errno.js'
import { failHandshake } from './handshakeend.js'
import { handshakeDueUs, openingSinceUs } from './handshaketime.js'
import { sendReset } from './reset.js'
import type { Stack } from './stack.js'
import { Timer } from './timers.js'
import { userTimedOut, userTimeoutEndUs } from './usertimeout.js'
import { traceTimer } from './tracing.js'

/** A SYN, or a SYN-ACK. */
export interface Opening {
  retriesMax(stack: Stack, connection: Connection): number
  send(stack: Stack, connection: Connection): void
}

/**
 * Sends `opening`, and again with doubling timeouts; ends the attempt after `retriesMax` times, or at the user timeout. The timer is the
 * connection's: who cancels it ends this.
 */
export function sendUntilAnswered(stack: Stack, connection: Connection, opening: Opening): void {
  stack.timers.cancel(connection.timer)
  const timer = new Timer(() => {
    traceTimer(stack.trace, connection, 'handshake')
    if (connection.retries >= opening.retriesMax(stack, connection) || userTimedOut(stack, connection, openingSinceUs(connection))) return giveUp(stack, connection)
    connection.retries++
    stack.stats.add('handshakeRetransmits')
    stack.arp.doubt(connection.neighbor, connection.retries)
    opening.send(stack, connection)
    stack.timers.set(timer, handshakeDueUs(stack, connection))
  })
  connection.timer = timer
  opening.send(stack, connection)
  stack.timers.set(timer, handshakeDueUs(stack, connection))
}

/** Before there is anything to repeat: ends the attempt at the user timeout, if it has one. `sendUntilAnswered` takes over. */
export function waitToSend(stack: Stack, connection: Connection): void {
  const endUs = userTimeoutEndUs(connection, openingSinceUs(connection))
  if (endUs === Infinity) return
  connection.timer = new Timer(() => {
    traceTimer(stack.trace, connection, 'handshake')
    if (userTimedOut(stack, connection, openingSinceUs(connection))) giveUp(stack, connection)
  })
  stack.timers.set(connection.timer, endUs)
}

function giveUp(stack: Stack, connection: Connection): void {
  stack.stats.add('connectionsTimedOut')
  // The peer may think that it is connected, if it was our side that had no room for it.
  if (connection.state === 'SYN-RECEIVED') sendReset(stack, connection)
  failHandshake(stack, connection, ETIMEDOUT)
}
