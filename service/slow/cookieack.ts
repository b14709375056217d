/** The acknowledgment that brings a SYN cookie back (RFC 4987, 3.6): the connection is made as if its SYN had been kept. */
import { segmentLen, seqAdd, TCP_ACK, TCP_RST, TCP_SYN } from '../../lib/wire/index.js'
import type { Connection } from './connection.js'
import { establish } from './handshake.js'
import { dropHandshake, releaseHandshake } from './handshakeend.js'
import { timestampValue } from './handshaketime.js'
import type { Listener } from './listeners.js'
import { acknowledgesSyn } from './negotiate.js'
import { openPassive } from './passive.js'
import type { Segment, Stack } from './stack.js'
import { restoreOffer } from './syncookies.js'
import { isUnderPressure } from './synpressure.js'

/**
 * A segment of no known connection for `listener`. Returns false if it brings no cookie of ours; looks for one only while
 * the listener has sent some lately.
 */
export function receiveCookieAck(stack: Stack, segment: Segment, listener: Listener): boolean {
  if (!mayBringCookie(stack, segment, listener)) return false
  const mss = checkCookie(stack, segment)
  if (mss >= 0) open(stack, segment, listener, mss)
  return mss >= 0
}

/**
 * Whether a segment without a connection may be one behind a cookie's acknowledgment that got lost: its beginning comes
 * again and brings the cookie, if no reset comes before. A mere acknowledgment, as it answers a SYN-ACK that comes twice, must show
 * the time of a cookie; otherwise it is refused.
 */
export function mayFollowCookie(stack: Stack, segment: Segment, listener: Listener): boolean {
  const { tcp } = segment
  if (!mayBringCookie(stack, segment, listener)) return false
  return segmentLen(tcp) > 0 || stack.cookies.isRecent(seqAdd(tcp.seq, -1), seqAdd(tcp.ack, -1), stack.nowUs)
}

/**
 * A segment for a half-open connection that acknowledges another SYN-ACK than its own: the peer's SYN came more than once, was first
 * answered with a cookie and later kept. The peer knows the cookie, so what was kept gives way. Returns whether that is so; without
 * cookies lately it never is, and a RST is due (RFC 9293, 3.10.7.4, fifth).
 */
export function receiveOtherCookieAck(stack: Stack, connection: Connection, segment: Segment): boolean {
  const { follows, listener } = connection
  if (listener === null || follows !== null || acknowledgesSyn(connection, segment.tcp.ack)) return false
  if (!mayFollowCookie(stack, segment, listener)) return false
  const mss = checkCookie(stack, segment)
  if (mss < 0) return true
  dropHandshake(stack, connection)
  open(stack, segment, listener, mss)
  return true
}

function mayBringCookie(stack: Stack, { tcp }: Segment, listener: Listener): boolean {
  return (tcp.flags & (TCP_SYN | TCP_RST | TCP_ACK)) === TCP_ACK && isUnderPressure(stack, listener)
}

/** The MSS that a cookie of ours in `segment` stands for, as an index of COOKIE_MSS; -1 if it brings none. */
function checkCookie(stack: Stack, segment: Segment): number {
  const { seq, ack } = segment.tcp
  const mss = stack.cookies.check(segment, seqAdd(seq, -1), seqAdd(ack, -1), stack.nowUs)
  stack.stats.add(mss < 0 ? 'synCookiesFailed' : 'synCookiesReceived')
  return mss
}

/** What finds no room is dropped; the peer's next segment tries again. */
function open(stack: Stack, segment: Segment, listener: Listener, mss: number): void {
  const offer = restoreOffer(segment.tcp, mss, timestampValue(stack.nowUs))
  const connection = openPassive(stack, segment, listener, offer)
  if (connection === null) return stack.stats.add('acceptOverflows')
  connection.startAt(seqAdd(segment.tcp.ack, -1))
  // When the SYN-ACK left is not known: no round-trip time from this handshake (RFC 6298, 3).
  connection.retries = 1
  establish(stack, connection, segment, false)
  if (connection.state === 'ESTABLISHED') return
  stack.stats.add('acceptOverflows')
  releaseHandshake(stack, connection)
}
