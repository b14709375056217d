/**
 * Retransmission timer, tail loss probe, persist timer and user timeout of flows that have something outstanding (RFC 6298;
 * RFC 8985, 7; RFC 9293, 3.8.6.1 and 3.8.3): one timer for whichever is due first. The slow path looks at a watched flow's TCB when
 * something would be due if nothing had happened since; if the peer was heard meanwhile, the timer goes on from there. A flow with
 * nothing outstanding is not looked at.
 */
import {
  FLAG_SACK, TCB_RTTVAR_US4, TCB_SND_UNA, TCB_SND_WND, TO_FAST_FLOW_PROBE, TO_FAST_FLOW_UNWATCH, TRACE_LOSS_PERSIST,
  TRACE_LOSS_TIMEOUT,
} from '../../lib/memif/index.js'
import { onQuiet } from './autotune.js'
import { intervalUs, onActive, onIdle } from './congestion/control.js'
import type { Connection } from './connection.js'
import { ETIMEDOUT } from './errno.js'
import { awaitsRate, heardUs, inFlight, isHeldUp, mssOf, outstanding, srttUs, timedUs } from './flowstate.js'
import { initialRtoUs } from './handshaketime.js'
import { onPathTimeout } from './pathmtu.js'
import { onRetransmissionTimeout, sendProbe } from './recovery/recovery.js'
import type { Stack } from './stack.js'
import { endStalled } from './stalled.js'
import { abortConnection } from './teardown.js'
import { Timer } from './timers.js'
import { traceLoss, traceTimer } from './tracing.js'
import { userTimedOut, userTimeoutEndUs } from './usertimeout.js'

/** Clock granularity G (RFC 6298, 2.3). */
const GRANULARITY_US = 1_000
/** A probe for a lost tail waits at least so long: each flow in use costs a look every so often. */
const PROBE_TIMEOUT_MIN_US = 10_000
/** What a peer may delay an acknowledgment, added where only one segment is in flight (RFC 8985, 7.2). */
const DELAYED_ACK_US = 200_000

/** The worker reports WHAT_ACTIVE: there is something to time, or a closed window has opened. */
export function watch(stack: Stack, connection: Connection): void {
  if (connection.isWatched) {
    if (connection.isProbing) look(stack, connection)
    return
  }
  connection.isWatched = true
  connection.backoff = 0
  connection.lastUna = stack.flows.word(connection, TCB_SND_UNA)
  connection.hasProbed = false
  connection.progressUs = stack.nowUs
  connection.unackedUs = stack.nowUs
  connection.stallSinceUs = -1
  connection.timer ??= new Timer(() => onTimer(stack, connection))
  onActive(stack, connection)
  lookLater(stack, connection)
}

/**
 * An acknowledgment has brought something new: the timer begins again without back-off (RFC 6298, 5.3 and 5.7), and there may be another probe. Mostly it is
 * early enough to see that when the timer expires; but not if that is at the timeout.
 */
export function onProgress(stack: Stack, connection: Connection): void {
  const { backoff, hasProbed, recovery } = connection
  connection.progressUs = stack.nowUs
  connection.backoff = 0
  connection.hasProbed = false
  if (connection.isWatched && (backoff > 0 || hasProbed || recovery !== null)) lookLater(stack, connection)
}

/** The user timeout has another value than `beforeMs`. Where there was none it counts from now. */
export function onUserTimeoutSet(stack: Stack, connection: Connection, beforeMs: number): void {
  if (beforeMs === 0) connection.unackedUs = stack.nowUs
  if (connection.isWatched) lookLater(stack, connection)
}

/** Retransmission timeout without back-off, in microseconds (RFC 6298, 2). */
function rtoUs(stack: Stack, connection: Connection): number {
  const { minRtoUs, maxRtoUs, rexmitInts } = stack.config.cc
  const srtt = srttUs(stack, connection)
  if (srtt === 0) return Math.min(Math.max(initialRtoUs(connection), minRtoUs), maxRtoUs)
  const rto = srtt + Math.max(GRANULARITY_US, stack.flows.word(connection, TCB_RTTVAR_US4))
  return Math.min(Math.max(rto, rexmitInts * intervalUs(stack, connection), minRtoUs), maxRtoUs)
}

/** Retransmission timeout as it is now, back-off included. */
export function backedOffUs(stack: Stack, connection: Connection): number {
  return Math.min(rtoUs(stack, connection) * 2 ** connection.backoff, stack.config.cc.maxRtoUs)
}

/**
 * When a probe is due (RFC 8985, 7.2), Infinity where none may be sent. Beyond the RFC in fast recovery too: where the window is small, nothing may be
 * under way beside a retransmission whose arrival would show that it is lost.
 */
function probeDueUs(stack: Stack, connection: Connection): number {
  const srtt = srttUs(stack, connection)
  const { recovery } = connection
  const mayProbe = recovery === null || recovery.state === 'disorder' || recovery.state === 'recovery'
  const isOpen = mayProbe && connection.backoff === 0 && !connection.hasProbed && !connection.isProbing
  const flightBytes = inFlight(stack, connection)
  if (!isOpen || srtt === 0 || flightBytes === 0 || !stack.flows.hasFlag(connection, FLAG_SACK)) return Infinity
  const delayUs = recovery === null && flightBytes <= mssOf(stack, connection) ? DELAYED_ACK_US : 0
  const beganUs = Math.max(startUs(stack, connection), recovery?.resentUs ?? 0)
  return beganUs + Math.max(2 * srtt, PROBE_TIMEOUT_MIN_US) + delayUs
}

function lookLater(stack: Stack, connection: Connection): void {
  const timeoutUs = startUs(stack, connection) + backedOffUs(stack, connection)
  const endUs = userTimeoutEndUs(connection, connection.unackedUs)
  const dueUs = Math.max(Math.min(timeoutUs, probeDueUs(stack, connection), endUs), stack.nowUs + GRANULARITY_US)
  if (connection.timer) stack.timers.set(connection.timer, dueUs)
}

function onTimer(stack: Stack, connection: Connection): void {
  traceTimer(stack.trace, connection, 'retransmission')
  look(stack, connection)
}

function look(stack: Stack, connection: Connection): void {
  if (connection.phase !== 'worker' || endStalled(stack, connection)) return
  const una = stack.flows.word(connection, TCB_SND_UNA)
  const hasAdvanced = una !== connection.lastUna
  const hasReopened = connection.isProbing && stack.flows.word(connection, TCB_SND_WND) > 0
  if (hasAdvanced || hasReopened) {
    connection.lastUna = una
    connection.isProbing = false
    connection.hasProbed = false
    connection.backoff = 0
    // The last segment that arrived is the latest that can have brought the progress. What is in flight may be younger: the timer
    // begins when something is sent while nothing is in flight (RFC 6298, 5.1).
    connection.progressUs = Math.max(connection.progressUs, heardUs(stack, connection), timedUs(stack, connection))
    // What a closed window keeps back may have been written after that: no connection ends early.
    if (hasAdvanced) connection.unackedUs = inFlight(stack, connection) > 0 ? connection.progressUs : stack.nowUs
  }
  if (outstanding(stack, connection) === 0) return unwatch(stack, connection)
  if (userTimedOut(stack, connection, connection.unackedUs)) {
    stack.stats.add('connectionsTimedOut')
    return abortConnection(stack, connection, ETIMEDOUT)
  }
  const waitedUs = stack.nowUs - startUs(stack, connection)
  if (waitedUs >= backedOffUs(stack, connection)) expire(stack, connection)
  else if (stack.nowUs >= probeDueUs(stack, connection)) {
    connection.hasProbed = true
    sendProbe(stack, connection)
  }
  if (connection.phase === 'worker') lookLater(stack, connection)
}

/** From when timeouts count: progress, or new data sent since (RFC 6298, 5.1; RFC 8985, 7.2). */
function startUs(stack: Stack, connection: Connection): number {
  return Math.max(connection.progressUs, timedUs(stack, connection))
}

function unwatch(stack: Stack, connection: Connection): void {
  connection.isWatched = false
  onIdle(stack, connection)
  onQuiet(stack, connection)
  stack.workers[connection.worker].flow(TO_FAST_FLOW_UNWATCH, connection)
}

function expire(stack: Stack, connection: Connection): void {
  if (awaitsRate(stack, connection)) {
    connection.progressUs = stack.nowUs
    return
  }
  const isShut = stack.flows.word(connection, TCB_SND_WND) === 0
  if (isHeldUp(stack, connection) && (isShut || inFlight(stack, connection) === 0)) probe(stack, connection)
  else retransmit(stack, connection)
}

/** Persist timer: a closed window is asked about for as long as the peer answers. */
function probe(stack: Stack, connection: Connection): void {
  const hasAnswered = heardUs(stack, connection) > connection.progressUs
  if (hasAnswered) connection.backoff = Math.min(connection.backoff, stack.config.cc.maxRetransmits - 1)
  if (hasGivenUp(stack, connection)) return
  connection.isProbing = true
  stack.stats.add('persistProbes')
  traceLoss(stack, connection, TRACE_LOSS_PERSIST)
  stack.workers[connection.worker].flow(TO_FAST_FLOW_PROBE, connection)
}

function retransmit(stack: Stack, connection: Connection): void {
  const isFirst = connection.backoff === 0
  if (hasGivenUp(stack, connection)) return
  stack.stats.add('rtoTimeouts')
  traceLoss(stack, connection, TRACE_LOSS_TIMEOUT)
  // What is sent again has the length that the path is now believed to carry.
  onPathTimeout(stack, connection)
  onRetransmissionTimeout(stack, connection, isFirst)
  stack.arp.doubt(connection.neighbor, connection.backoff)
}

/** Counts one more timeout; too many end the connection (RFC 9293, 3.8.3). */
function hasGivenUp(stack: Stack, connection: Connection): boolean {
  if (connection.backoff >= stack.config.cc.maxRetransmits) {
    stack.stats.add('connectionsTimedOut')
    abortConnection(stack, connection, ETIMEDOUT, false)
    return true
  }
  connection.backoff++
  connection.progressUs = stack.nowUs
  return false
}
