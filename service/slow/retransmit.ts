/**
 * Retransmission timer, tail loss probe and persist timer of flows that have something outstanding (RFC 6298; RFC 8985, 7;
 * RFC 9293, 3.8.6.1). The slow path looks at a watched flow's TCB when something would be due if nothing had happened
 * since; if the peer was heard meanwhile, the timer goes on from there. A flow with nothing outstanding is not looked at.
 */
import {
  FLAG_FIN_ACKED, FLAG_FIN_QUEUED, FLAG_PACE_LISTED, FLAG_RTT_TIMING, FLAG_SACK, TCB_HEARD_MS, TCB_MSS_U16, TCB_RTT_START_US, TCB_RTTVAR_US4,
  TCB_SND_END, TCB_SND_MAX, TCB_SND_UNA, TCB_SND_WND, TCB_SRTT_US8, TO_FAST_FLOW_PROBE, TO_FAST_FLOW_UNWATCH,
} from '../../lib/memif/index.js'
import { seqAdd, seqDiff } from '../../lib/wire/index.js'
import { onQuiet } from './autotune.js'
import { intervalUs, onActive, onIdle } from './congestion/control.js'
import type { Connection } from './connection.js'
import { ETIMEDOUT } from './errno.js'
import { initialRtoUs, timestampValue } from './handshaketime.js'
import { onPathTimeout } from './pathmtu.js'
import { onRetransmissionTimeout, sendProbe } from './recovery/recovery.js'
import type { Stack } from './stack.js'
import { endStalled } from './stalled.js'
import { abortConnection } from './teardown.js'
import { Timer } from './timers.js'

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
  connection.stallSinceUs = -1
  connection.timer ??= new Timer(() => look(stack, connection))
  onActive(stack, connection)
  lookLater(stack, connection)
}

/** An acknowledgment has brought something new: the timer begins again without back-off (RFC 6298, 5.3 and 5.7). */
export function onProgress(stack: Stack, connection: Connection): void {
  connection.progressUs = stack.nowUs
  if (connection.backoff === 0) return
  connection.backoff = 0
  if (connection.isWatched) lookLater(stack, connection)
}

/** Retransmission timeout without back-off, in microseconds (RFC 6298, 2). */
function rtoUs(stack: Stack, connection: Connection): number {
  const { minRtoUs, maxRtoUs, rexmitInts } = stack.config.cc
  const srtt8 = stack.flows.word(connection, TCB_SRTT_US8)
  if (srtt8 === 0) return Math.min(Math.max(initialRtoUs(connection), minRtoUs), maxRtoUs)
  const rto = (srtt8 >>> 3) + Math.max(GRANULARITY_US, stack.flows.word(connection, TCB_RTTVAR_US4))
  return Math.min(Math.max(rto, rexmitInts * intervalUs(stack, connection), minRtoUs), maxRtoUs)
}

/** Retransmission timeout as it is now, back-off included. */
export function backedOffUs(stack: Stack, connection: Connection): number {
  return Math.min(rtoUs(stack, connection) * 2 ** connection.backoff, stack.config.cc.maxRtoUs)
}

/** Probe timeout (RFC 8985, 7.2), Infinity where no probe may be sent. */
function probeTimeoutUs(stack: Stack, connection: Connection): number {
  const { flows } = stack
  const srtt8 = flows.word(connection, TCB_SRTT_US8)
  const isOpen = connection.recovery === null && connection.backoff === 0 && !connection.hasProbed && !connection.isProbing
  const inFlight = seqDiff(flows.sndMax(connection), flows.word(connection, TCB_SND_UNA))
  if (!isOpen || srtt8 === 0 || inFlight <= 0 || !flows.hasFlag(connection, FLAG_SACK)) return Infinity
  const delayUs = inFlight <= flows.half(connection, TCB_MSS_U16) ? DELAYED_ACK_US : 0
  return Math.max((2 * srtt8) >>> 3, PROBE_TIMEOUT_MIN_US) + delayUs
}

function lookLater(stack: Stack, connection: Connection): void {
  const timeoutUs = startUs(stack, connection) + backedOffUs(stack, connection)
  const probeUs = startUs(stack, connection) + probeTimeoutUs(stack, connection)
  const dueUs = Math.max(Math.min(timeoutUs, probeUs), stack.nowUs + GRANULARITY_US)
  if (connection.timer) stack.timers.set(connection.timer, dueUs)
}

function look(stack: Stack, connection: Connection): void {
  if (connection.phase !== 'worker' || endStalled(stack, connection, outstanding(stack, connection))) return
  const una = stack.flows.word(connection, TCB_SND_UNA)
  const hasReopened = connection.isProbing && stack.flows.word(connection, TCB_SND_WND) > 0
  if (una !== connection.lastUna || hasReopened) {
    connection.lastUna = una
    connection.isProbing = false
    connection.hasProbed = false
    connection.backoff = 0
    // The last segment that arrived is the latest that can have brought the progress. What is in flight may be younger: the timer
    // begins when something is sent while nothing is in flight (RFC 6298, 5.1).
    connection.progressUs = Math.max(connection.progressUs, heardUs(stack, connection), timedUs(stack, connection))
  }
  if (outstanding(stack, connection) === 0) return unwatch(stack, connection)
  const waitedUs = stack.nowUs - startUs(stack, connection)
  if (waitedUs >= backedOffUs(stack, connection)) expire(stack, connection)
  else if (waitedUs >= probeTimeoutUs(stack, connection)) {
    connection.hasProbed = true
    sendProbe(stack, connection)
  }
  if (connection.phase === 'worker') lookLater(stack, connection)
}

/** When the peer was last heard: the end of that millisecond, so that a timer never runs out early. */
function heardUs(stack: Stack, connection: Connection): number {
  const agoMs = seqDiff(timestampValue(stack.nowUs), stack.flows.word(connection, TCB_HEARD_MS))
  return agoMs <= 0 ? stack.nowUs : stack.nowUs - (agoMs - 1) * 1_000
}

/** When the segment was sent whose round trip the worker measures: the first of a flight. -Infinity if it measures none. */
function timedUs(stack: Stack, connection: Connection): number {
  const { flows, nowUs } = stack
  if (!flows.hasFlag(connection, FLAG_RTT_TIMING)) return -Infinity
  return nowUs - Math.max((nowUs - flows.word(connection, TCB_RTT_START_US)) | 0, 0)
}

/** From when timeouts count: progress, or new data sent since (RFC 6298, 5.1; RFC 8985, 7.2). */
function startUs(stack: Stack, connection: Connection): number {
  return Math.max(connection.progressUs, timedUs(stack, connection))
}

/** Sequence numbers not acknowledged or not yet sent, FIN included. */
export function outstanding(stack: Stack, connection: Connection): number {
  const { flows } = stack
  const hasFin = flows.hasFlag(connection, FLAG_FIN_QUEUED) && !flows.hasFlag(connection, FLAG_FIN_ACKED)
  const end = seqAdd(flows.word(connection, TCB_SND_END), hasFin ? 1 : 0)
  const una = flows.word(connection, TCB_SND_UNA)
  // With its FIN acknowledged SND.UNA stands behind sndEnd.
  return Math.max(seqDiff(end, una), seqDiff(flows.word(connection, TCB_SND_MAX), una), 0)
}

function unwatch(stack: Stack, connection: Connection): void {
  connection.isWatched = false
  onIdle(stack, connection)
  onQuiet(stack, connection)
  stack.workers[connection.worker].flow(TO_FAST_FLOW_UNWATCH, connection.flow, connection.gen)
}

function expire(stack: Stack, connection: Connection): void {
  const { flows } = stack
  const window = flows.word(connection, TCB_SND_WND)
  const inFlight = seqDiff(flows.sndMax(connection), flows.word(connection, TCB_SND_UNA))
  const wanted = Math.min(outstanding(stack, connection), flows.half(connection, TCB_MSS_U16))
  if (window === 0 || (inFlight === 0 && window < wanted)) probe(stack, connection)
  // Nothing can be lost (RFC 6298, 5.2): at a low rate a segment may be due later than the timeout.
  else if (inFlight === 0 && flows.hasFlag(connection, FLAG_PACE_LISTED)) connection.progressUs = stack.nowUs
  else retransmit(stack, connection)
}

/** Persist timer: a closed window is asked about for as long as the peer answers. */
function probe(stack: Stack, connection: Connection): void {
  const hasAnswered = heardUs(stack, connection) > connection.progressUs
  if (hasAnswered) connection.backoff = Math.min(connection.backoff, stack.config.cc.maxRetransmits - 1)
  if (hasGivenUp(stack, connection)) return
  connection.isProbing = true
  stack.stats.add('persistProbes')
  stack.workers[connection.worker].flow(TO_FAST_FLOW_PROBE, connection.flow, connection.gen)
}

function retransmit(stack: Stack, connection: Connection): void {
  const isFirst = connection.backoff === 0
  if (hasGivenUp(stack, connection)) return
  stack.stats.add('rtoTimeouts')
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
