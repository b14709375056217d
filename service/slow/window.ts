/**
 * The conservative sender (RFC 5681, RFC 6928): a window that doubles each round trip until something is lost, is
 * halved then, and grows by one segment a round trip after that. The worker says when the window holds data
 * back; only then it may grow, and only by what was acknowledged since.
 */
import {
  FLAG_CWND_LIMITED, TCB_ACKED_BYTES, TCB_CWND, TCB_MSS_U16, TCB_SND_UNA, TCB_SRTT_US8, TO_FAST_FLOW_UPDATE,
} from '../../lib/memif/index.js'
import { seqDiff } from '../../lib/wire/index.js'
import type { Connection } from './connection.js'
import type { Stack } from './stack.js'
import { Timer } from './timers.js'

/** Initial window of ten segments, 14,600 bytes for large ones (RFC 6928, 2). */
export function initialWindow(mss: number): number {
  return Math.min(10 * mss, Math.max(2 * mss, 14_600))
}

/** Intervals without any acknowledgment double up to this power, so that a dead peer costs little. */
const WAITS_MAX = 10

/** The worker reports WHAT_CWND_LIMITED: the window grows now, or when the control interval has passed. */
export function onWindowLimited(stack: Stack, connection: Connection): void {
  const dueUs = connection.grownUs + intervalUs(stack, connection)
  if (stack.nowUs >= dueUs) grow(stack, connection)
  else growLater(stack, connection, dueUs)
}

/** The worker reports WHAT_LOSS, a fast retransmit (RFC 5681, 3.2; RFC 6582). */
export function onLoss(stack: Stack, connection: Connection): void {
  halve(stack, connection)
  setWindow(stack, connection, connection.ssthresh)
}

/** A retransmission timeout (RFC 5681, 3.1): start again with one segment. `isFirst`: not yet backed off. */
export function onTimeout(stack: Stack, connection: Connection, isFirst: boolean): void {
  if (isFirst) halve(stack, connection)
  setWindow(stack, connection, mssOf(stack, connection))
}

/** The connection has been idle: what the window said about the path is stale (RFC 5681, 4.1). */
export function onIdle(stack: Stack, connection: Connection): void {
  const restart = initialWindow(mssOf(stack, connection))
  if (connection.cwnd > restart) setWindow(stack, connection, restart)
}

/** How often the window is looked at, microseconds. */
export function intervalUs(stack: Stack, connection: Connection): number {
  const rttUs = (stack.flows.word(connection, TCB_SRTT_US8) >>> 3) || stack.config.tcp.rttInitUs
  return Math.max(stack.config.cc.controlIntervalRtts * rttUs, stack.config.cc.controlGranularityUs)
}

function mssOf(stack: Stack, connection: Connection): number {
  return stack.flows.half(connection, TCB_MSS_U16)
}

function halve(stack: Stack, connection: Connection): void {
  const inFlight = Math.max(seqDiff(stack.flows.sndMax(connection), stack.flows.word(connection, TCB_SND_UNA)), 0)
  connection.ssthresh = Math.max(Math.floor(inFlight / 2), 2 * mssOf(stack, connection))
}

function grow(stack: Stack, connection: Connection): void {
  const acked = (stack.flows.word(connection, TCB_ACKED_BYTES) - connection.ackedAtGrowth) >>> 0
  if (acked === 0) {
    connection.growthWaits = Math.min(connection.growthWaits + 1, WAITS_MAX)
    return growLater(stack, connection, stack.nowUs + intervalUs(stack, connection) * 2 ** connection.growthWaits)
  }
  const { cwnd, ssthresh } = connection
  // What was acknowledged while the window was not the limit says nothing: at most double.
  const credit = Math.min(acked, cwnd)
  const step = cwnd < ssthresh ? credit : Math.max(1, Math.floor(mssOf(stack, connection) * credit / cwnd))
  setWindow(stack, connection, cwnd + step)
}

/** The wait ends early if the flow is gone; the worker reports anew after each update. */
function growLater(stack: Stack, connection: Connection, dueUs: number): void {
  connection.growthTimer ??= new Timer(() => lookAgain(stack, connection))
  if (!connection.growthTimer.isSet) stack.timers.set(connection.growthTimer, dueUs)
}

function lookAgain(stack: Stack, connection: Connection): void {
  if (connection.phase === 'worker' && stack.flows.hasFlag(connection, FLAG_CWND_LIMITED)) grow(stack, connection)
}

function setWindow(stack: Stack, connection: Connection, bytes: number): void {
  connection.cwnd = Math.min(bytes, 2 ** connection.txLog2)
  connection.grownUs = stack.nowUs
  connection.growthWaits = 0
  connection.ackedAtGrowth = stack.flows.word(connection, TCB_ACKED_BYTES)
  stack.flows.setWord(connection, TCB_CWND, connection.cwnd)
  stack.workers[connection.worker].flow(TO_FAST_FLOW_UPDATE, connection.flow, connection.gen)
}
