/**
 * The control loop: when algorithms are asked, and what becomes of what they decide. A flow is looked at
 *
 *   'limited'    as soon as its worker says that the window holds data back, if something was acknowledged; at most GROWTHS_PER_RTT
 *                times in a round trip, since acknowledgments would wait for the window otherwise
 *   'interval'   every --cc-control-interval round trips in which it was held back or marked, every QUIET_US while it is neither
 *
 * and not more often than every --cc-control-granularity. Flows due stand in the slow path's heap of timers, on a grid of that
 * granularity: those of one moment cost one wake-up. A flow with nothing in flight or to send has no timer. What happens between a
 * loss and its repair is recovery's (recovery/recovery.ts).
 */
import {
  FLAG_CWND_LIMITED, FLAG_CWR_OWED, RATE_KBPS_MAX, RATE_KBPS_MIN, TCB_CWND, TCB_RATE_KBPS, TCB_SND_UNA, TO_FAST_FLOW_UPDATE,
} from '../../../lib/memif/index.js'
import { seqDiff } from '../../../lib/wire/index.js'
import type { Connection } from '../connection.js'
import { ackedSince, mssOf, srttUs } from '../flowstate.js'
import type { Stack } from '../stack.js'
import { Timer } from '../timers.js'
import type { Flow } from './algorithm.js'
import { algorithmOf } from './algorithms.js'
import { initialWindow, leastThreshold, SSTHRESH_NONE } from './bounds.js'
import { askThreshold, install, tell } from './guard.js'
import { startInterval } from './look.js'
import { reno } from './reno.js'
import { CongestionState, FlowView } from './state.js'
import { traceRate, traceTimer } from '../tracing.js'

/**
 * Intervals without any acknowledgment double from the second on, up to this power, so that a dead peer costs little. The first does not: of
 * flows with about a packet in an interval those a little slower would be looked at, and grow, half as often.
 */
const WAITS_MAX = 10
const GROWTHS_PER_RTT = 4
/** How often a flow in use is looked at that is neither held back nor marked: only its round-trip time can say something new. */
const QUIET_US = 10_000

/** What a new flow has until it is known which algorithm takes it. */
const NO_CONTROL = reno.create(new FlowView())

// ---- the life of a flow ----

/** A flow begins: its TCB is filled but for window and rate. */
export function beginControl(stack: Stack, connection: Connection): void {
  const state = new CongestionState(reno, NO_CONTROL)
  state.lookedUs = stack.nowUs
  connection.congestion = state
  take(stack, connection, install(stack, connection, state, algorithmOf(stack, connection, false)))
}

/** The flow ends. */
export function endControl(stack: Stack, { congestion }: Connection): void {
  stack.timers.cancel(congestion?.timer)
}

/** The flow has something in flight or to send. */
export function onActive(stack: Stack, connection: Connection): void {
  const state = connection.congestion
  if (state === null || state.algorithm.looks !== 'interval') return
  startInterval(stack, connection, state)
  lookAt(stack, connection, state, stack.nowUs + Math.max(intervalUs(stack, connection), QUIET_US))
}

/** It has nothing any more: what window and rate said about the path gets stale (RFC 5681, 4.1). */
export function onIdle(stack: Stack, connection: Connection): void {
  const state = connection.congestion
  if (state === null) return
  if (state.algorithm.looks === 'interval') stack.timers.cancel(state.timer)
  const flow = tell(stack, connection, state, 'onIdle')
  if (state.control.onIdle === undefined) flow.cwndBytes = Math.min(flow.cwndBytes, initialWindow(flow.mss))
  if (take(stack, connection, flow)) decided(stack, connection, state)
}

/** The connection's choice, or what is known of its path, has changed. */
export function chooseAnew(stack: Stack, connection: Connection): void {
  const state = connection.congestion
  if (state !== null && connection.phase === 'worker') reconsider(stack, connection, state)
}

// ---- what workers report ----

/** WHAT_CWND_LIMITED: the flow is looked at now, or when it may be. */
export function onWindowLimited(stack: Stack, connection: Connection): void {
  const state = connection.congestion
  if (state === null || isBusy(connection, state)) return
  const dueUs = state.isFresh ? stack.nowUs : state.lookedUs + restUs(stack, connection, state)
  if (stack.nowUs >= dueUs) lookNow(stack, connection, state)
  else lookAt(stack, connection, state, dueUs)
}

/**
 * WHAT_ECE: the peer echoes a congestion mark (RFC 3168, 6.1.2). It is answered once for each window of data, and the next new data says
 * so.
 */
export function onCongestionEcho(stack: Stack, connection: Connection): void {
  const { flows } = stack
  const state = connection.congestion
  if (state === null || connection.recovery !== null) return
  if (state.algorithm.looks === 'interval') lookAt(stack, connection, state, state.lookedUs + intervalUs(stack, connection))
  const isAnswered = state.ecnPoint !== null && seqDiff(flows.word(connection, TCB_SND_UNA), state.ecnPoint) < 0
  if (isAnswered) return
  state.ecnPoint = flows.sndMax(connection)
  answerEcho(stack, connection, state)
  stack.stats.add('ecnReductions')
  stack.workers[connection.worker].flags(connection, FLAG_CWR_OWED, 0)
}

function answerEcho(stack: Stack, connection: Connection, state: CongestionState): void {
  if (state.control.onEcho !== undefined) {
    if (take(stack, connection, tell(stack, connection, state, 'onEcho'))) decided(stack, connection, state)
    return
  }
  lossReduces(stack, connection)
  setWindow(stack, connection, connection.ssthresh)
  decided(stack, connection, state)
}

// ---- what loss recovery finds ----

/** A segment is lost (RFC 5681, 3.2; RFC 6937): ssthresh is set, recovery brings the window there. */
export function lossReduces(stack: Stack, connection: Connection): void {
  const state = connection.congestion
  if (state === null) return
  const [threshold, flow] = askThreshold(stack, connection, state)
  state.losses++
  connection.ssthresh = Math.min(Math.max(Math.floor(threshold), leastThreshold(flow.mss)), SSTHRESH_NONE)
  setRate(stack, connection, flow.rateKbps)
}

/** A retransmission timeout (RFC 5681, 3.1): start again with one segment. `isFirst`: not yet backed off. */
export function timeoutReduces(stack: Stack, connection: Connection, isFirst: boolean): void {
  const state = connection.congestion
  if (state === null) return
  if (isFirst) lossReduces(stack, connection)
  setRate(stack, connection, tell(stack, connection, state, 'onTimeout').rateKbps)
  state.timeouts++
  connection.cwnd = mssOf(stack, connection)
}

/** The reduction had no reason (RFC 4015): the window is what it was. */
export function undoReduction(stack: Stack, connection: Connection, cwnd: number, ssthresh: number): void {
  const state = connection.congestion
  connection.cwnd = Math.max(connection.cwnd, cwnd)
  connection.ssthresh = Math.max(connection.ssthresh, ssthresh)
  if (state === null) return
  setRate(stack, connection, tell(stack, connection, state, 'onUndo').rateKbps)
  state.lookedUs = stack.nowUs
  state.isFresh = false
}

// ---- times ----

/** The control interval, microseconds. */
export function intervalUs(stack: Stack, connection: Connection): number {
  return Math.max(stack.config.cc.controlIntervalRtts * rttUs(stack, connection), stack.config.cc.controlGranularityUs)
}

/** Least time between two looks. */
function restUs(stack: Stack, connection: Connection, { algorithm }: CongestionState): number {
  if (algorithm.looks === 'interval') return intervalUs(stack, connection)
  return Math.max(rttUs(stack, connection) / GROWTHS_PER_RTT, stack.config.cc.controlGranularityUs)
}

function rttUs(stack: Stack, connection: Connection): number {
  return srttUs(stack, connection) || stack.config.tcp.rttInitUs
}

/** The flow is looked at at `dueUs`, or before if that is planned; for 'limited' a look that is planned stays. */
function lookAt(stack: Stack, connection: Connection, state: CongestionState, dueUs: number): void {
  state.timer ??= new Timer(() => onDue(stack, connection, state))
  const { timer } = state
  if (state.algorithm.looks === 'limited') {
    if (!timer.isSet) stack.timers.set(timer, dueUs)
    return
  }
  const gridUs = stack.config.cc.controlGranularityUs
  const onGridUs = Math.ceil(Math.max(dueUs, stack.nowUs) / gridUs) * gridUs
  if (!timer.isSet || onGridUs < timer.deadlineUs) stack.timers.set(timer, onGridUs)
}

// ---- looks ----

/** The wait may end early if the flow is gone; the worker reports anew after each update. */
function onDue(stack: Stack, connection: Connection, state: CongestionState): void {
  traceTimer(stack.trace, connection, 'congestion')
  if (connection.phase !== 'worker') return
  if (state.algorithm.looks === 'interval' || stack.flows.hasFlag(connection, FLAG_CWND_LIMITED)) lookNow(stack, connection, state)
}

function lookNow(stack: Stack, connection: Connection, state: CongestionState): void {
  if (isBusy(connection, state)) return lookAgain(stack, connection, state)
  // What is known of the path may be new.
  if (reconsider(stack, connection, state)) return
  if (ackedSince(stack, connection, state.ackedWord) === 0) {
    const factor = 2 ** state.waits
    state.waits = Math.min(state.waits + 1, WAITS_MAX)
    return lookAt(stack, connection, state, stack.nowUs + restUs(stack, connection, state) * factor)
  }
  const flow = tell(stack, connection, state, 'update')
  if (take(stack, connection, flow) || flow.isLimited) decided(stack, connection, state)
  else startInterval(stack, connection, state)
  lookAgain(stack, connection, state)
}

/** Windows are recovery's from the first sign of a loss on; rates only while something is repaired. */
function isBusy({ recovery }: Connection, { algorithm }: CongestionState): boolean {
  if (recovery === null) return false
  return algorithm.looks === 'limited' || recovery.state === 'recovery' || recovery.state === 'loss'
}

/** Of a flow whose looks are its intervals the next is planned always; a report brings it forward. */
function lookAgain(stack: Stack, connection: Connection, state: CongestionState): void {
  if (state.algorithm.looks !== 'interval') return
  stack.timers.cancel(state.timer)
  lookAt(stack, connection, state, stack.nowUs + Math.max(intervalUs(stack, connection), QUIET_US))
}

/** Gives the flow to the algorithm that it ought to have. Returns whether that is another one. */
function reconsider(stack: Stack, connection: Connection, state: CongestionState): boolean {
  const algorithm = algorithmOf(stack, connection, state.isDisowned)
  if (algorithm === state.algorithm) return false
  stack.timers.cancel(state.timer)
  const flow = install(stack, connection, state, algorithm)
  if (connection.recovery === null) take(stack, connection, flow)
  else setRate(stack, connection, flow.rateKbps)
  decided(stack, connection, state)
  if (connection.isWatched) onActive(stack, connection)
  return true
}

// ---- into TCB and connection ----

/** Takes over what an algorithm has decided. Returns whether window or rate are others than before. */
function take(stack: Stack, connection: Connection, { cwndBytes, mss, rateKbps, ssthreshBytes }: Flow): boolean {
  connection.ssthresh = Math.trunc(Math.min(ssthreshBytes, SSTHRESH_NONE))
  const isOtherWindow = setWindow(stack, connection, Math.trunc(Math.max(cwndBytes, mss)))
  return setRate(stack, connection, rateKbps) || isOtherWindow
}

/** More than the transmit buffer holds is never used; twice leaves room for a buffer that grows. Returns whether it is another than before. */
function setWindow(stack: Stack, connection: Connection, bytes: number): boolean {
  const before = connection.cwnd
  connection.cwnd = Math.min(bytes, 2 * 2 ** connection.txLog2)
  writeWindow(stack, connection)
  return connection.cwnd !== before
}

/** The window into the TCB, where the worker sees it with its next update; less while a probe of the path's MTU needs room (mtuprobe.ts). */
export function writeWindow(stack: Stack, connection: Connection): void {
  stack.flows.setWord(connection, TCB_CWND, Math.min(connection.cwnd, connection.path?.probing?.windowBytes ?? Infinity))
}

/** Alone while the window is recovery's, which tells the worker when it is done. Returns whether it is another than before. */
function setRate(stack: Stack, connection: Connection, rateKbps: number): boolean {
  const before = stack.flows.word(connection, TCB_RATE_KBPS)
  const rate = rateKbps === 0 ? 0 : Math.min(Math.max(Math.round(rateKbps), RATE_KBPS_MIN), RATE_KBPS_MAX)
  stack.flows.setWord(connection, TCB_RATE_KBPS, rate)
  return rate !== before
}

/** The worker is told, and a new interval begins. */
function decided(stack: Stack, connection: Connection, state: CongestionState): void {
  startInterval(stack, connection, state)
  stack.workers[connection.worker].flow(TO_FAST_FLOW_UPDATE, connection)
  traceRate(stack, connection)
}
