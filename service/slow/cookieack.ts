/** The acknowledgment that brings a SYN cookie back (RFC 4987, 3.6): the connection is made as if its SYN had been kept. */
import { segmentLen, seqAdd, TCP_ACK, TCP_RST, TCP_SYN } from '../../lib/wire/index.js'
import { Connection } from './connection.js'
import { establish } from './handshake.js'
import { dropHandshake, releaseHandshake } from './handshakeend.js'
import { timestampValue } from './handshaketime.js'
import type { Listener } from './listeners.js'
import { acknowledgesSyn, takeOffer } from './negotiate.js'
import type { Segment, Stack } from './stack.js'
import { COOKIE_LIFE_US, restoreOffer } from './syncookies.js'

/**
 * A segment of no known connection for `listener`. Returns false if it brings no cookie of ours; looks for one only while
 * the listener has sent some lately.
 */
export function receiveCookieAck(stack: Stack, segment: Segment, listener: Listener): boolean {
  const { tcp } = segment
  if ((tcp.flags & (TCP_SYN | TCP_RST | TCP_ACK)) !== TCP_ACK || !sentCookies(stack, listener)) return false
  const mss = stack.cookies.check(segment, seqAdd(tcp.seq, -1), seqAdd(tcp.ack, -1), stack.nowUs)
  if (mss < 0) {
    stack.stats.add('synCookiesFailed')
    return false
  }
  stack.stats.add('synCookiesReceived')
  open(stack, segment, listener, mss)
  return true
}

/**
 * Whether a segment without a connection may be one behind a cookie's acknowledgment that got lost: its beginning comes
 * again and brings the cookie, if no reset comes before. A mere acknowledgment, as it answers a SYN-ACK that comes twice, must show
 * the time of a cookie; otherwise it is refused.
 */
export function mayFollowCookie(stack: Stack, { tcp }: Segment, listener: Listener): boolean {
  if ((tcp.flags & (TCP_SYN | TCP_RST | TCP_ACK)) !== TCP_ACK || !sentCookies(stack, listener)) return false
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
  const mss = stack.cookies.check(segment, seqAdd(segment.tcp.seq, -1), seqAdd(segment.tcp.ack, -1), stack.nowUs)
  if (mss < 0) {
    stack.stats.add('synCookiesFailed')
    return true
  }
  stack.stats.add('synCookiesReceived')
  dropHandshake(stack, connection)
  open(stack, segment, listener, mss)
  return true
}

function sentCookies(stack: Stack, listener: Listener): boolean {
  return stack.nowUs - listener.cookieSentUs <= COOKIE_LIFE_US
}

/** What finds no room is dropped; the peer's next segment tries again. */
function open(stack: Stack, segment: Segment, listener: Listener, mss: number): void {
  const route = stack.routes.choose(segment.remoteIp)
  const isOpen = !listener.isAcceptQueueFull && !listener.context.isBlocked
  const neighbor = isOpen && route !== null ? stack.arp.acquire(route.nextHop) : null
  if (neighbor === null) return stack.stats.add('acceptOverflows')
  const connection = new Connection(segment, segment.frame.worker, false)
  connection.neighbor = neighbor
  connection.listener = listener
  connection.app = listener.app
  connection.iss = seqAdd(segment.tcp.ack, -1)
  connection.sndNxt = segment.tcp.ack
  // When the SYN-ACK left is not known: no round-trip time from this handshake (RFC 6298, 3).
  connection.retries = 1
  takeOffer(stack, connection, restoreOffer(segment.tcp, mss, timestampValue(stack.nowUs)))
  stack.connections.add(connection)
  listener.app.connections.add(connection)
  establish(stack, connection, segment, false)
  if (connection.state === 'ESTABLISHED') return
  stack.stats.add('acceptOverflows')
  releaseHandshake(stack, connection)
}
