/** Passive open: a SYN is answered, its ACK makes a connection (RFC 9293, 3.10.7.2 and 3.10.7.4). */
import { TO_FAST_FLOW_ACK } from '../../lib/memif/index.js'
import { seqAdd, seqLeq, seqLt, TCP_ACK, TCP_CWR, TCP_ECE, TCP_PSH, TCP_RST, TCP_SYN, type TcpParsed } from '../../lib/wire/index.js'
import { isAcceptable } from './acceptable.js'
import { establishAccepted } from './accept.js'
import type { Connection } from './connection.js'
import { ECONNREFUSED } from './errno.js'
import { reserveFlow } from './handover.js'
import { dropHandshake, establishOpened, failHandshake } from './handshakeend.js'
import { measureHandshake } from './handshaketime.js'
import { type Opening, sendUntilAnswered } from './handshaketimer.js'
import type { Listener } from './listeners.js'
import { acknowledgesSyn, sendSynAck, synWindow } from './negotiate.js'
import { openPassive } from './passive.js'
import { challenge, refuse } from './reset.js'
import { takeWayBack } from './sourceroutes.js'
import type { Segment, Stack } from './stack.js'
import { answerWithCookie, isSynQueueFull, synAckRetries } from './synpressure.js'
import { endTimeWait } from './teardown.js'

const SYN_ACK: Opening = { retriesMax: synAckRetries, send: (stack, connection) => sendSynAck(stack, connection) }

/** The listener that a SYN is for, or null. */
export function findListener(stack: Stack, segment: Segment): Listener | null {
  return stack.listeners.find(segment, stack.hash)
}

/**
 * A SYN for `listener`. It is dropped, and will be sent again, if the accept queue is full, the event ring blocked or there
 * is no way back; it is answered with a cookie if there are too many half-open connections.
 * `follows` is a connection of the same four-tuple in TIME-WAIT: it stands aside, and comes back if the SYN turns out to be
 * an old one (RFC 9293, 3.6.1).
 */
export function receiveSyn(stack: Stack, segment: Segment, listener: Listener, follows: Connection | null = null): void {
  stack.stats.add('synReceived')
  if (listener.isOpen && isSynQueueFull(stack, listener)) {
    // The ACK that brings the cookie back must find the name free.
    if (follows) endTimeWait(stack, follows)
    return answerWithCookie(stack, segment, listener, follows?.sndNxt ?? null)
  }
  const connection = openPassive(stack, segment, listener, segment.tcp)
  if (connection === null) return stack.stats.add('synDropped')
  connection.startAt(chooseIss(stack, segment, follows))
  connection.follows = follows
  if (follows) endTimeWait(stack, follows)
  listener.halfOpen.add(connection.inQueue)
  enterSynReceived(stack, connection)
}

/** Beyond every number of the connection before, so that nothing old can be taken for new (RFC 9293, 3.6.1 (1); RFC 1122, 4.2.2.13). */
function chooseIss(stack: Stack, segment: Segment, follows: Connection | null): number {
  const iss = stack.hash.initialSequence(segment, stack.nowUs)
  return follows && seqLeq(iss, follows.sndNxt) ? seqAdd(follows.sndNxt, 1) : iss
}

/** Sends the SYN-ACK, and again until its acknowledgment comes. */
export function enterSynReceived(stack: Stack, connection: Connection): void {
  stack.connections.setState(connection, 'SYN-RECEIVED')
  connection.retries = 0
  sendUntilAnswered(stack, connection, SYN_ACK)
}

/** A segment for a connection in SYN-RECEIVED: the checks of RFC 9293, 3.10.7.4 in their order. */
export function receiveInSynReceived(stack: Stack, connection: Connection, segment: Segment): void {
  const { tcp } = segment
  const hasReset = (tcp.flags & TCP_RST) !== 0
  const hasSyn = (tcp.flags & TCP_SYN) !== 0
  const hasAck = (tcp.flags & TCP_ACK) !== 0
  const isRepeated = hasSyn && !hasReset && tcp.seq === connection.irs
  if (isRepeated && !hasAck) return repeatSynAck(stack, connection, segment)
  // Simultaneous open: the SYN-ACK has the number of the SYN before it (RFC 9293, 3.5, figure 7; appendix A.2).
  const isSynAck = isRepeated && connection.isActive
  if (!isSynAck && !isInOrder(stack, connection, tcp)) return hasReset ? undefined : challenge(stack, connection)
  if (hasReset) return receiveReset(stack, connection, segment)
  if (hasSyn && !isSynAck) return receiveOtherSyn(stack, connection)
  if (!hasAck) return
  if (!acknowledgesSyn(connection, tcp.ack)) return refuse(stack, segment)
  takeWayBack(stack, connection, segment)
  establish(stack, connection, segment, isSynAck)
}

/** First check: sequence number, and with timestamps their order (RFC 9293, 3.10.7.4, first; RFC 7323, 5.3). */
function isInOrder(stack: Stack, connection: Connection, tcp: TcpParsed): boolean {
  const { timestamps } = tcp.options
  const hasReset = (tcp.flags & TCP_RST) !== 0
  if (!hasReset && connection.timestamps && timestamps && seqLt(timestamps.value, connection.tsRecent)) return false
  return isAcceptable(tcp, connection.rcvNxt, synWindow(stack))
}

function repeatSynAck(stack: Stack, connection: Connection, segment: Segment): void {
  stack.stats.add('handshakeRetransmits')
  takeWayBack(stack, connection, segment)
  connection.retries = Math.max(connection.retries, 1)
  // RFC 3168, 6.1.1.1: the peer asks again, without ECN: something on the way may not let it through.
  if ((segment.tcp.flags & (TCP_ECE | TCP_CWR)) === 0) connection.ecn = false
  connection.peerScales = segment.tcp.options.windowScale !== null
  sendSynAck(stack, connection)
}

/** Only the exact next number resets; anything else in the window is asked back (RFC 5961, 3.2). */
function receiveReset(stack: Stack, connection: Connection, segment: Segment): void {
  if (segment.tcp.seq !== connection.rcvNxt) return challenge(stack, connection)
  stack.stats.add('resetsReceived')
  failHandshake(stack, connection, ECONNREFUSED)
}

/** Another SYN in the window: a passive open goes back to LISTEN, the peer asks again (RFC 9293, 3.10.7.4, fourth). */
function receiveOtherSyn(stack: Stack, connection: Connection): void {
  if (connection.isActive) challenge(stack, connection)
  else dropHandshake(stack, connection)
}

/** Makes the connection, unless there is no room for it: then nothing has changed. */
export function establish(stack: Stack, connection: Connection, segment: Segment, isSynAck: boolean): void {
  const { tcp, frame } = segment
  measureHandshake(stack, connection, tcp.options.timestamps)
  if (connection.listener?.isAcceptQueueFull) return stack.stats.add('acceptOverflows')
  // Without memory or a TCB the handshake stays half done; the next segment tries again.
  if (!reserveFlow(stack, connection)) return
  stack.timers.cancel(connection.timer)
  connection.timer = null
  connection.sndWnd = isSynAck ? tcp.window : tcp.window << connection.sndWscale
  connection.follows = null
  // RFC 7323, 4.3: only from a segment that begins where we stand, or before.
  const isCurrent = seqLeq(tcp.seq, connection.rcvNxt)
  if (isCurrent && tcp.options.timestamps && connection.timestamps) connection.tsRecent = tcp.options.timestamps.value
  if (connection.isActive) establishOpened(stack, connection, seqAdd(connection.rcvNxt, synWindow(stack)))
  else establishAccepted(stack, connection)
  if (isSynAck) return stack.workers[connection.worker].flow(TO_FAST_FLOW_ACK, connection)
  // The worker sees this segment as its first, unless all that it says stands in the TCB.
  if (isBareAck(connection, tcp)) return
  stack.workers[connection.worker].packet(frame.bytes, frame.rxFlags, frame.gso, connection)
}

/** Whether a segment is an acknowledgment and its window, and comes in order. */
function isBareAck({ rcvNxt }: Connection, { seq, flags, payloadLen, options }: TcpParsed): boolean {
  return (flags & ~TCP_PSH) === TCP_ACK && payloadLen === 0 && seq === rcvNxt && options.sackBlocks === undefined
}
