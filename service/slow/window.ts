/**
 * The congestion window: slow start (RFC 5681, RFC 6928) until something is lost, CUBIC (RFC 9438) after that. The worker says
 * when the window holds data back; only then it may grow, and only by what was acknowledged since. What happens between a
 * loss and its repair is recovery's (recovery/recovery.ts).
 */
import {
  FLAG_CWND_LIMITED, FLAG_CWR_OWED, TCB_ACKED_BYTES, TCB_CWND, TCB_SND_UNA, TO_FAST_FLOW_UPDATE,
} from '../../lib/memif/index.js'
import { seqDiff } from '../../lib/wire/index.js'
import type { Connection } from './connection.js'
import { ackedSince, mssOf, srttUs } from './flowstate.js'
import type { Stack } from './stack.js'
import { Timer } from './timers.js'

/** Initial window of ten segments, 14,600 bytes for large ones (RFC 6928, 2). */
export function initialWindow(mss: number): number {
  return Math.min(10 * mss, Math.max(2 * mss, 14_600))
}

/** Intervals without any acknowledgment double up to this power, so that a dead peer costs little. */
const WAITS_MAX = 10
const GROWTHS_PER_RTT = 4

/** The worker reports WHAT_CWND_LIMITED: the window grows now, or when part of a round trip has passed. */
export function onWindowLimited(stack: Stack, connection: Connection): void {
  if (connection.recovery !== null) return
  const dueUs = connection.grownUs + growthIntervalUs(stack, connection)
  if (stack.nowUs >= dueUs) grow(stack, connection)
  else growLater(stack, connection, dueUs)
}

/** A segment is lost (RFC 5681, 3.2; RFC 6937): ssthresh is set, recovery brings the window there. */
export function lossReduces(stack: Stack, connection: Connection): void {
  connection.ssthresh = connection.cubic.reduce(connection.cwnd, mssOf(stack, connection))
}

/** A retransmission timeout (RFC 5681, 3.1): start again with one segment. `isFirst`: not yet backed off. */
export function timeoutReduces(stack: Stack, connection: Connection, isFirst: boolean): void {
  if (isFirst) lossReduces(stack, connection)
  connection.cwnd = mssOf(stack, connection)
}

/** The reduction had no reason (RFC 4015): the window is what it was. */
export function undoReduction(stack: Stack, connection: Connection, cwnd: number, ssthresh: number): void {
  connection.cubic.restore()
  connection.cwnd = Math.max(connection.cwnd, cwnd)
  connection.ssthresh = Math.max(connection.ssthresh, ssthresh)
  connection.grownUs = stack.nowUs
}

/**
 * The peer echoes a congestion mark (RFC 3168, 6.1.2): the window is reduced as after a loss, once for each window of data, and
 * the next new data says so.
 */
export function onCongestionEcho(stack: Stack, connection: Connection): void {
  const { flows } = stack
  if (connection.recovery !== null) return
  const isAnswered = connection.ecnPoint !== null && seqDiff(flows.word(connection, TCB_SND_UNA), connection.ecnPoint) < 0
  if (isAnswered) return
  connection.ecnPoint = flows.sndMax(connection)
  lossReduces(stack, connection)
  setWindow(stack, connection, connection.ssthresh)
  stack.stats.add('ecnReductions')
  stack.workers[connection.worker].flags(connection, FLAG_CWR_OWED, 0)
}

/** The connection has been idle: what the window said about the path is stale (RFC 5681, 4.1). */
export function onIdle(stack: Stack, connection: Connection): void {
  const restart = initialWindow(mssOf(stack, connection))
  if (connection.cwnd > restart) setWindow(stack, connection, restart)
}

/** The control interval, microseconds. */
export function intervalUs(stack: Stack, connection: Connection): number {
  return Math.max(stack.config.cc.controlIntervalRtts * rttUs(stack, connection), stack.config.cc.controlGranularityUs)
}

/** A window that is the limit grows several times in a round trip, or acknowledgments would wait for it. */
function growthIntervalUs(stack: Stack, connection: Connection): number {
  return Math.max(rttUs(stack, connection) / GROWTHS_PER_RTT, stack.config.cc.controlGranularityUs)
}

function rttUs(stack: Stack, connection: Connection): number {
  return srttUs(stack, connection) || stack.config.tcp.rttInitUs
}

function grow(stack: Stack, connection: Connection): void {
  const acked = ackedSince(stack, connection, connection.ackedAtGrowth)
  if (acked === 0) {
    connection.growthWaits = Math.min(connection.growthWaits + 1, WAITS_MAX)
    return growLater(stack, connection, stack.nowUs + growthIntervalUs(stack, connection) * 2 ** connection.growthWaits)
  }
  const { cwnd, ssthresh } = connection
  // What was acknowledged while the window was not the limit says nothing: at most double.
  const credit = Math.min(acked, cwnd)
  const mss = mssOf(stack, connection)
  const grown = cwnd < ssthresh ? cwnd + credit : connection.cubic.grow(cwnd, credit, mss, rttUs(stack, connection), stack.nowUs)
  setWindow(stack, connection, grown)
}

/** The wait ends early if the flow is gone; the worker reports anew after each update. */
function growLater(stack: Stack, connection: Connection, dueUs: number): void {
  connection.growthTimer ??= new Timer(() => lookAgain(stack, connection))
  if (!connection.growthTimer.isSet) stack.timers.set(connection.growthTimer, dueUs)
}

function lookAgain(stack: Stack, connection: Connection): void {
  const isSteady = connection.phase === 'worker' && connection.recovery === null
  if (isSteady && stack.flows.hasFlag(connection, FLAG_CWND_LIMITED)) grow(stack, connection)
}

function setWindow(stack: Stack, connection: Connection, bytes: number): void {
  // More than the transmit buffer holds is never used; twice leaves room for a buffer that grows.
  connection.cwnd = Math.min(bytes, 2 * 2 ** connection.txLog2)
  connection.grownUs = stack.nowUs
  connection.growthWaits = 0
  connection.ackedAtGrowth = stack.flows.word(connection, TCB_ACKED_BYTES)
  stack.flows.setWord(connection, TCB_CWND, connection.cwnd)
  stack.workers[connection.worker].flow(TO_FAST_FLOW_UPDATE, connection)
}
