/** Times of a handshake: what it says about the path, and how long it may take. */
import type { TcpOptions } from '../../lib/wire/index.js'
import type { Connection } from './connection.js'
import type { Stack } from './stack.js'
import { isUnderPressure } from './synpressure.js'
import { userTimeoutEndUs } from './usertimeout.js'

/** Before the first measurement (RFC 6298, 2.1), and where the handshake has timed out as well (5.7). */
const INITIAL_RTO_US = 1_000_000
const CAUTIOUS_RTO_US = 3_000_000
const LONGEST_RTT_US = 60_000_000

/** TSval of a moment: milliseconds, as workers count them. */
export function timestampValue(nowUs: number): number {
  return Math.floor(nowUs / 1000) | 0
}

/** Our SYN or SYN-ACK leaves. */
export function noteSynSent(stack: Stack, connection: Connection): void {
  connection.sentUs = stack.nowUs
  if (connection.retries === 0) connection.firstSentUs = stack.nowUs
}

/**
 * Our SYN or SYN-ACK is acknowledged, with `timestamps` or null. Of one that was sent again the echo says which is answered, so that
 * the round-trip time can be taken all the same (RFC 7323, 4.1); without, it is not (Karn; RFC 6298, 3). An echo of the
 * first says that none was lost: only the timeout was too short (RFC 6928, 2). Called again, since there was no room for the connection,
 * it does nothing.
 */
export function measureHandshake(stack: Stack, connection: Connection, timestamps: TcpOptions['timestamps']): void {
  const { retries, sentUs, firstSentUs, isSynAcked } = connection
  if (isSynAcked) return
  connection.isSynAcked = true
  const echo = connection.timestamps && timestamps !== null ? timestamps.echo : null
  if (retries === 0 || (firstSentUs >= 0 && echo === timestampValue(firstSentUs))) return takeRtt(stack, connection, firstSentUs)
  // Of a cookie nobody knows when it was sent.
  if (firstSentUs < 0) return
  connection.isSynLost = echo !== null || retries > 1
  if (echo === timestampValue(sentUs)) takeRtt(stack, connection, sentUs)
}

function takeRtt(stack: Stack, connection: Connection, sentUs: number): void {
  connection.handshakeRttUs = Math.min(Math.max(1, Math.round(stack.nowUs - sentUs)), LONGEST_RTT_US)
}

/** Retransmission timeout before there is a measurement, microseconds (RFC 6298, 2.1 and 5.7). */
export function initialRtoUs({ retries, firstSentUs }: Connection): number {
  return retries > 0 && firstSentUs >= 0 ? CAUTIOUS_RTO_US : INITIAL_RTO_US
}

/**
 * When the SYN or SYN-ACK is to be sent again: after a time that doubles, up to the longest retransmission timeout (RFC 6298, 5.5
 * and 2.5); a user timeout, which counts in any state (RFC 9293, 3.10.8), ends before that.
 */
export function handshakeDueUs(stack: Stack, connection: Connection): number {
  const timeoutUs = Math.min(firstTimeoutUs(stack, connection) * 2 ** connection.retries, stack.config.cc.maxRtoUs)
  return Math.max(Math.min(stack.nowUs + timeoutUs, userTimeoutEndUs(connection, openingSinceUs(connection))), stack.nowUs)
}

/** Since when the user timeout counts: the request of the application, for a passive open the first SYN-ACK. */
export function openingSinceUs({ askedUs, firstSentUs }: Connection): number {
  return askedUs >= 0 ? askedUs : firstSentUs
}

/** Under pressure SYN-ACKs wait for as long as RFC 6298, 2.1 says: most of their SYNs may be made up. */
function firstTimeoutUs(stack: Stack, { listener }: Connection): number {
  const { handshakeTimeoutUs } = stack.config.tcp
  return listener !== null && isUnderPressure(stack, listener) ? Math.max(handshakeTimeoutUs, INITIAL_RTO_US) : handshakeTimeoutUs
}
