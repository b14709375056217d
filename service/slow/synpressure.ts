/**
 * What bounds half-open connections, and what happens to a SYN beyond the bound: it is answered with a cookie and forgotten
 * (RFC 4987, 3.6). A half-open connection has no buffers and no TCB, a little more than 1 KiB of our heap.
 */
import { NEIGHBORS_MAX } from '../../lib/memif/index.js'
import { formatIpv4Address, seqDiff } from '../../lib/wire/index.js'
import { Connection } from './connection.js'
import { timestampValue } from './handshaketime.js'
import type { Listener } from './listeners.js'
import { sendSynAck, takeOffer } from './negotiate.js'
import type { Segment, Stack } from './stack.js'
import { COOKIE_LIFE_US, COOKIE_SLOT_US, cookieMssIndex, cookieOffer, cookieTimestamp } from './syncookies.js'

/** Half-open connections of all listeners together; beyond it each listener keeps only its share. */
export const HALF_OPEN_MAX = 16_384
/**
 * Most retransmissions of a SYN-ACK: a stranger's connection may not keep its place for the three minutes that RFC 9293, 3.8.3 gives a
 * SYN of ours. Under pressure (see handshaketime.ts) they begin after a second; with fewer, a client whose ACKs found no room in the accept
 * queue was forgotten before there was some.
 */
const RETRIES_MAX = 10
const RETRIES_UNDER_PRESSURE = 6

/** Whether one more SYN for `listener` must not be kept: its backlog is full, or all places are taken and its share too. */
export function isSynQueueFull(stack: Stack, listener: Listener): boolean {
  const own = listener.halfOpen.size
  if (own >= listener.backlog) return true
  if (stack.stats.get('flowsSynReceived') < HALF_OPEN_MAX) return false
  // One flooded port must not take cookies' poorer service to all others.
  return own >= Math.max(1, Math.floor(HALF_OPEN_MAX / Math.max(1, stack.stats.get('listeners'))))
}

/** Whether more SYNs than `listener` could keep have come lately: its cookies may still come back. */
export function isUnderPressure(stack: Stack, listener: Listener): boolean {
  return stack.nowUs - listener.cookieSentUs <= COOKIE_LIFE_US
}

/** How often a SYN-ACK is sent again; under pressure those leave first that have been repeated most. */
export function synAckRetries(stack: Stack, { listener }: Connection): number {
  const most = listener !== null && isUnderPressure(stack, listener) ? RETRIES_UNDER_PRESSURE : RETRIES_MAX
  return Math.min(stack.config.tcp.handshakeRetries, most)
}

/**
 * Answers a SYN with a cookie and keeps nothing. A cookie that is not later than `minIss`, the last number of a connection in TIME-WAIT, is not
 * sent, and the SYN that comes again finds the name free.
 */
export function answerWithCookie(stack: Stack, segment: Segment, listener: Listener, minIss: number | null): void {
  const { tcp } = segment
  const iss = stack.cookies.issue(segment, tcp.seq, cookieMssIndex(tcp.options.mss), stack.nowUs)
  const isLater = minIss === null || seqDiff(iss, minIss) > 0
  if (!isLater || !mayAnswer(stack, segment)) return stack.stats.add('synDropped')
  reportPressure(stack, listener)
  const offer = cookieOffer(tcp)
  const connection = new Connection(segment, false)
  connection.iss = iss
  connection.sourceRoute = segment.wayBack
  takeOffer(stack, connection, offer)
  stack.stats.add('synCookiesSent')
  listener.cookieSentUs = stack.nowUs
  sendSynAck(stack, connection, cookieTimestamp(offer, timestampValue(stack.nowUs)))
}

/** Whether there is a way back. Made-up neighbours get no more than half of the ARP cache: the rest is for real ones. */
function mayAnswer(stack: Stack, { remoteIp, wayBack }: Segment): boolean {
  const route = stack.routes.chooseVia(remoteIp, wayBack)
  if (route === null) return false
  return stack.arp.isKnown(route.nextHop) || stack.stats.get('arpEntries') < NEIGHBORS_MAX / 2
}

function reportPressure(stack: Stack, { address, cookieSentUs, halfOpen }: Listener): void {
  if (stack.nowUs - cookieSentUs < COOKIE_SLOT_US) return
  const fields = { ip: formatIpv4Address(address.ip), port: address.port, halfOpen: halfOpen.size }
  stack.log.warn(fields, 'more SYNs than the backlog holds: answering with SYN cookies')
}
