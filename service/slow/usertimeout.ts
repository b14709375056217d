/**
 * The user timeout (RFC 9293, 3.8.3: R2 set by the application; RFC 5482, 3.1; TCP_USER_TIMEOUT of Linux): how long a SYN, or the oldest
 * byte sent or kept back by a closed window, may stay unacknowledged, whatever the number of retransmissions and even if the peer answers
 * window probes. It has no timer of its own: those that send again (handshaketimer.ts, retransmit.ts) fire when it ends, if that is first.
 */
import type { Connection } from './connection.js'
import type { Stack } from './stack.js'

/** When the user timeout ends of what is unacknowledged since `sinceUs`, microseconds; Infinity without one. */
export function userTimeoutEndUs({ options }: Connection, sinceUs: number): number {
  return options.userTimeoutMs === 0 ? Infinity : sinceUs + options.userTimeoutMs * 1000
}

/** Whether it has ended. To be asked before something is sent once more. */
export function userTimedOut(stack: Stack, connection: Connection, sinceUs: number): boolean {
  if (stack.nowUs < userTimeoutEndUs(connection, sinceUs)) return false
  stack.stats.add('userTimeouts')
  return true
}
