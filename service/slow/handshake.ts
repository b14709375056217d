/** Passive open: a SYN is answered, its ACK makes a connection (RFC 9293, 3.10.7.2 and 3.10.7.4). */
import { seqAdd, seqDiff, seqInWindow, TCP_ACK, TCP_CWR, TCP_ECE, TCP_RST, TCP_SYN } from '../../lib/wire/index.js'
import { Connection } from './connection.js'
import { reserveFlow } from './handover.js'
import { HASH_SPREAD } from './isn.js'
import { establishAccepted } from './accept.js'
import type { Listener } from './listeners.js'
import { acknowledgesSyn, measureHandshake, sendSynAck, synWindow, takeOffer } from './negotiate.js'
import { challenge, refuse, sendReset } from './reset.js'
import type { Segment, Stack } from './stack.js'
import { dropHandshake, establishOpened, failOpening } from './handshakeend.js'
import { answerWithCookie, isSynQueueFull, synAckRetries } from './synpressure.js'
import { Timer } from './timers.js'
import { ECONNREFUSED, ETIMEDOUT } from './errno.js'

/** The listener that a SYN is for, or null. */
export function findListener(stack: Stack, segment: Segment): Listener | null {
  return stack.listeners.find(segment.localIp, segment.localPort, () => stack.hash.hash(segment, HASH_SPREAD))
}

/**
 * A SYN for `listener`. It is dropped, and will be sent again, if the accept queue is full, the event ring blocked or there
 * is no way back; it is answered with a cookie if there are too many half-open connections.
 * `minIss`: the new connection follows one in TIME-WAIT, whose numbers it must not repeat (RFC 9293, 3.4.3).
 */
export function receiveSyn(stack: Stack, segment: Segment, listener: Listener, minIss: number | null = null): void {
  stack.stats.add('synReceived')
  const route = stack.routes.choose(segment.remoteIp)
  // An application that does not read its events gets no more of them: they would pile up here.
  const isOpen = !listener.isAcceptQueueFull && !listener.context.isBlocked
  if (isOpen && isSynQueueFull(stack, listener)) return answerWithCookie(stack, segment, listener, minIss)
  const neighbor = isOpen && route !== null ? stack.arp.acquire(route.nextHop) : null
  if (neighbor === null) return stack.stats.add('synDropped')
  const connection = new Connection(segment, segment.frame.worker, false)
  connection.neighbor = neighbor
  connection.listener = listener
  connection.app = listener.app
  chooseIss(stack, connection, minIss)
  takeOffer(stack, connection, segment.tcp)
  stack.connections.add(connection)
  listener.halfOpen.add(connection)
  listener.app.connections.add(connection)
  enterSynReceived(stack, connection, segment.tcp.options.windowScale !== null)
}

function chooseIss(stack: Stack, connection: Connection, minIss: number | null): void {
  connection.iss = stack.hash.initialSequence(connection, stack.nowUs)
  if (minIss !== null && seqDiff(connection.iss, minIss) <= 0) connection.iss = (minIss + 1) | 0
  connection.sndNxt = (connection.iss + 1) | 0
}

/** Sends the SYN-ACK and repeats it with doubling timeouts. */
export function enterSynReceived(stack: Stack, connection: Connection, peerScales: boolean): void {
  stack.connections.setState(connection, 'SYN-RECEIVED')
  connection.retries = 0
  if (connection.timer) stack.timers.cancel(connection.timer)
  connection.timer = new Timer(() => retrySynAck(stack, connection, peerScales))
  sendSynAck(stack, connection, peerScales)
  stack.timers.set(connection.timer, stack.nowUs + stack.config.tcp.handshakeTimeoutUs)
}

function retrySynAck(stack: Stack, connection: Connection, peerScales: boolean): void {
  const { handshakeTimeoutUs } = stack.config.tcp
  if (connection.retries >= synAckRetries(stack, connection)) return giveUp(stack, connection)
  connection.retries++
  stack.stats.add('handshakeRetransmits')
  stack.arp.doubt(connection.neighbor, connection.retries)
  sendSynAck(stack, connection, peerScales)
  if (connection.timer) stack.timers.set(connection.timer, stack.nowUs + handshakeTimeoutUs * 2 ** connection.retries)
}

function giveUp(stack: Stack, connection: Connection): void {
  stack.stats.add('connectionsTimedOut')
  // The peer may think that it is connected, if it was our side that had no room for it.
  sendReset(stack, connection, connection.sndNxt, connection.rcvNxt)
  endHandshake(stack, connection, ETIMEDOUT)
}

function endHandshake(stack: Stack, connection: Connection, error: number): void {
  if (connection.isActive) failOpening(stack, connection, error)
  else dropHandshake(stack, connection)
}

/** A segment for a connection in SYN-RECEIVED (RFC 9293, 3.10.7.4). */
export function receiveInSynReceived(stack: Stack, connection: Connection, segment: Segment): void {
  const { tcp } = segment
  if ((tcp.flags & TCP_RST) !== 0) return receiveReset(stack, connection, segment)
  const isOwnSyn = (tcp.flags & TCP_SYN) !== 0 && tcp.seq === connection.irs
  if ((tcp.flags & TCP_SYN) !== 0 && !isOwnSyn) return challenge(stack, connection)
  // Simultaneous open: the peer's SYN-ACK acknowledges ours (RFC 9293, 3.5, figure 8).
  if (isOwnSyn && (tcp.flags & TCP_ACK) === 0) return repeatSynAck(stack, connection, segment)
  if ((tcp.flags & TCP_ACK) === 0) return
  if (!acknowledgesSyn(connection, tcp.ack)) return refuse(stack, segment)
  const isInWindow = isOwnSyn || seqInWindow(tcp.seq, connection.rcvNxt, synWindow(stack))
  if (!isInWindow) return challenge(stack, connection)
  establish(stack, connection, segment, isOwnSyn)
}

function repeatSynAck(stack: Stack, connection: Connection, segment: Segment): void {
  stack.stats.add('handshakeRetransmits')
  connection.retries = Math.max(connection.retries, 1)
  // RFC 3168, 6.1.1.1: the peer asks again, without ECN: something on the way may not let it through.
  if ((segment.tcp.flags & (TCP_ECE | TCP_CWR)) === 0) connection.ecn = false
  sendSynAck(stack, connection, segment.tcp.options.windowScale !== null)
}

function receiveReset(stack: Stack, connection: Connection, segment: Segment): void {
  if (segment.tcp.seq !== connection.rcvNxt) return
  stack.stats.add('resetsReceived')
  endHandshake(stack, connection, ECONNREFUSED)
}

/** Makes the connection, unless there is no room for it: then nothing has changed. */
export function establish(stack: Stack, connection: Connection, segment: Segment, isSynAck: boolean): void {
  const { tcp, frame } = segment
  if (connection.listener?.isAcceptQueueFull) return stack.stats.add('acceptOverflows')
  // Without memory or a TCB the handshake stays half done; the next segment tries again.
  if (!reserveFlow(stack, connection)) return
  if (connection.timer) stack.timers.cancel(connection.timer)
  connection.timer = null
  // Steering may have changed since the SYN: the worker that has the packets now gets the flow.
  connection.worker = frame.worker
  measureHandshake(stack, connection)
  connection.sndWnd = isSynAck ? tcp.window : tcp.window * 2 ** connection.sndWscale
  if (tcp.options.timestamps && connection.timestamps) connection.tsRecent = tcp.options.timestamps.value
  if (connection.isActive) establishOpened(stack, connection, seqAdd(connection.rcvNxt, synWindow(stack)))
  else establishAccepted(stack, connection)
  if (isSynAck) return challenge(stack, connection)
  // The worker sees this segment as its first: its window, and whatever came with it.
  stack.workers[connection.worker].packet(frame.bytes, frame.rxFlags, frame.gso)
}
