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
  FLAG_CWND_LIMITED, FLAG_CWR_OWED, TCB_ACKED_BYTES, TCB_CWND, TCB_ECN_BYTES, TCB_MSS_U16, TCB_RATE_KBPS, TCB_SND_UNA, TCB_SRTT_US8,
  TO_FAST_FLOW_FLAGS, TO_FAST_FLOW_UPDATE,
} from '../../../lib/memif/index.js'
import { seqDiff } from '../../../lib/wire/index.js'
import type { Connection } from '../connection.js'
import type { Stack } from '../stack.js'
import { Timer } from '../timers.js'
import type { Flow } from './algorithm.js'
import { algorithmOf } from './algorithms.js'
import { initialWindow, leastThreshold, RATE_MAX_KBPS, RATE_MIN_KBPS, SSTHRESH_NONE } from './bounds.js'
import { askThreshold, install, tell, type Look } from './guard.js'
import { reno } from './reno.js'
import { CongestionState, FlowView } from './state.js'

/** Intervals without any acknowledgment double up to this power, so that a dead peer costs little. */
const WAITS_MAX = 10
const GROWTHS_PER_RTT = 4
/** How often a flow in use is looked at that is neither held back nor marked: only its round-trip time can say something new. */
const QUIET_US = 10_000

const view = new FlowView()

// ---- the life of a flow ----

/** A flow begins: its TCB is filled but for window and rate. */
export function beginControl(stack: Stack, connection: Connection): void {
  const state = new CongestionState(reno, reno.create(view))
  state.lookedUs = stack.nowUs
  state.minRttUs = connection.handshakeRttUs
  connection.congestion = state
  const look = lookOf(stack, connection, state)
  const algorithm = algorithmOf(stack, connection, state.minRttUs, false)
  take(connection, state, install(stack, connection, state, look, algorithm))
  write(stack, connection, state)
}

/** The flow ends. */
export function endControl(stack: Stack, { congestion }: Connection): void {
  if (congestion?.timer) stack.timers.cancel(congestion.timer)
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
  if (state.timer && state.algorithm.looks === 'interval') stack.timers.cancel(state.timer)
  const flow = tell(stack, connection, state, lookOf(stack, connection, state), 'onIdle')
  if (state.control.onIdle === undefined) flow.cwndBytes = Math.min(flow.cwndBytes, initialWindow(flow.mss))
  if (take(connection, state, flow)) decided(stack, connection, state)
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
  stack.workers[connection.worker].value(TO_FAST_FLOW_FLAGS, connection.flow, connection.gen, FLAG_CWR_OWED, 0)
}

function answerEcho(stack: Stack, connection: Connection, state: CongestionState): void {
  if (state.control.onEcho !== undefined) {
    const isChanged = take(connection, state, tell(stack, connection, state, lookOf(stack, connection, state), 'onEcho'))
    if (isChanged) decided(stack, connection, state)
    return
  }
  lossReduces(stack, connection)
  connection.cwnd = usableWindow(connection, connection.ssthresh)
  decided(stack, connection, state)
}

// ---- what loss recovery finds ----

/** A segment is lost (RFC 5681, 3.2; RFC 6937): ssthresh is set, recovery brings the window there. */
export function lossReduces(stack: Stack, connection: Connection): void {
  const state = connection.congestion
  if (state === null) return
  const [threshold, flow] = askThreshold(stack, connection, state, lookOf(stack, connection, state))
  state.losses++
  connection.ssthresh = Math.min(Math.max(Math.floor(threshold), leastThreshold(flow.mss)), SSTHRESH_NONE)
  takeRate(stack, connection, state, flow)
}

/** A retransmission timeout (RFC 5681, 3.1): start again with one segment. `isFirst`: not yet backed off. */
export function timeoutReduces(stack: Stack, connection: Connection, isFirst: boolean): void {
  const state = connection.congestion
  if (state === null) return
  if (isFirst) lossReduces(stack, connection)
  takeRate(stack, connection, state, tell(stack, connection, state, lookOf(stack, connection, state), 'onTimeout'))
  state.timeouts++
  connection.cwnd = mssOf(stack, connection)
}

/** The reduction had no reason (RFC 4015): the window is what it was. */
export function undoReduction(stack: Stack, connection: Connection, cwnd: number, ssthresh: number): void {
  const state = connection.congestion
  connection.cwnd = Math.max(connection.cwnd, cwnd)
  connection.ssthresh = Math.max(connection.ssthresh, ssthresh)
  if (state === null) return
  takeRate(stack, connection, state, tell(stack, connection, state, lookOf(stack, connection, state), 'onUndo'))
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
  return (stack.flows.word(connection, TCB_SRTT_US8) >>> 3) || stack.config.tcp.rttInitUs
}

/** Payload bytes of a full segment. */
export function mssOf(stack: Stack, connection: Connection): number {
  return stack.flows.half(connection, TCB_MSS_U16)
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
  if (connection.phase !== 'worker') return
  if (state.algorithm.looks === 'interval' || stack.flows.hasFlag(connection, FLAG_CWND_LIMITED)) lookNow(stack, connection, state)
}

function lookNow(stack: Stack, connection: Connection, state: CongestionState): void {
  if (isBusy(connection, state)) return lookAgain(stack, connection, state)
  const look = lookOf(stack, connection, state)
  const { ackedBytes, isLimited } = look()
  // What is known of the path may be new.
  if (reconsider(stack, connection, state)) return
  if (ackedBytes === 0) {
    state.waits = Math.min(state.waits + 1, WAITS_MAX)
    return lookAt(stack, connection, state, stack.nowUs + restUs(stack, connection, state) * 2 ** state.waits)
  }
  const isChanged = take(connection, state, tell(stack, connection, state, look, 'update'))
  if (isChanged || isLimited) decided(stack, connection, state)
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
  if (state.timer) stack.timers.cancel(state.timer)
  lookAt(stack, connection, state, stack.nowUs + Math.max(intervalUs(stack, connection), QUIET_US))
}

/** Gives the flow to the algorithm that it ought to have. Returns whether that is another one. */
function reconsider(stack: Stack, connection: Connection, state: CongestionState): boolean {
  const algorithm = algorithmOf(stack, connection, state.minRttUs, state.isDisowned)
  if (algorithm === state.algorithm) return false
  if (state.timer) stack.timers.cancel(state.timer)
  const flow = install(stack, connection, state, lookOf(stack, connection, state), algorithm)
  if (connection.recovery === null) take(connection, state, flow)
  else takeRate(stack, connection, state, flow)
  decided(stack, connection, state)
  if (connection.isWatched) onActive(stack, connection)
  return true
}

// ---- between TCB, state and algorithm ----

function lookOf(stack: Stack, connection: Connection, state: CongestionState): Look {
  return () => {
    const { flows } = stack
    const srttUs = flows.word(connection, TCB_SRTT_US8) >>> 3
    if (srttUs > 0 && (state.minRttUs === 0 || srttUs < state.minRttUs)) state.minRttUs = srttUs
    view.nowUs = stack.nowUs
    view.mss = mssOf(stack, connection)
    view.rttUs = srttUs
    view.minRttUs = state.minRttUs
    view.inFlightBytes = Math.max(seqDiff(flows.sndMax(connection), flows.word(connection, TCB_SND_UNA)), 0)
    view.intervalUs = Math.max(stack.nowUs - state.lookedUs, 0)
    view.isLimited = flows.hasFlag(connection, FLAG_CWND_LIMITED)
    count(stack, connection, state)
    view.cwndBytes = connection.cwnd
    view.ssthreshBytes = connection.ssthresh
    view.rateKbps = state.rateKbps
    return view
  }
}

function count(stack: Stack, connection: Connection, state: CongestionState): void {
  const { flows } = stack
  view.ackedBytes = (flows.word(connection, TCB_ACKED_BYTES) - state.ackedWord) >>> 0
  view.ecnBytes = (flows.word(connection, TCB_ECN_BYTES) - state.ecnWord) >>> 0
  view.totalAckedBytes = state.totalAckedBytes + view.ackedBytes
  view.totalEcnBytes = state.totalEcnBytes + view.ecnBytes
  view.losses = state.losses
  view.timeouts = state.timeouts
  view.retransmits = connection.retransmits - state.retransmits
}

/** A new interval begins: what was counted belongs to the one before. */
function startInterval(stack: Stack, connection: Connection, state: CongestionState): void {
  count(stack, connection, state)
  state.totalAckedBytes = view.totalAckedBytes
  state.totalEcnBytes = view.totalEcnBytes
  state.ackedWord = stack.flows.word(connection, TCB_ACKED_BYTES)
  state.ecnWord = stack.flows.word(connection, TCB_ECN_BYTES)
  state.losses = 0
  state.timeouts = 0
  state.retransmits = connection.retransmits
  state.lookedUs = stack.nowUs
  state.isFresh = false
  state.waits = 0
}

/** Takes over what an algorithm has decided. Returns whether window or rate are others than before. */
function take(connection: Connection, state: CongestionState, flow: Flow): boolean {
  const cwnd = usableWindow(connection, Math.trunc(Math.max(flow.cwndBytes, flow.mss)))
  const rate = rateInBounds(flow.rateKbps)
  const isChanged = cwnd !== connection.cwnd || rate !== state.rateKbps
  connection.cwnd = cwnd
  connection.ssthresh = Math.trunc(Math.min(flow.ssthreshBytes, SSTHRESH_NONE))
  state.rateKbps = rate
  return isChanged
}

/** More than the transmit buffer holds is never used; twice leaves room for a buffer that grows. */
function usableWindow({ txLog2 }: Connection, bytes: number): number {
  return Math.min(bytes, 2 * 2 ** txLog2)
}

/** The same while the window is recovery's, which tells the worker when it is done. */
function takeRate(stack: Stack, connection: Connection, state: CongestionState, { rateKbps }: Flow): void {
  state.rateKbps = rateInBounds(rateKbps)
  stack.flows.setWord(connection, TCB_RATE_KBPS, state.rateKbps)
}

function rateInBounds(rateKbps: number): number {
  return rateKbps === 0 ? 0 : Math.min(Math.max(Math.round(rateKbps), RATE_MIN_KBPS), RATE_MAX_KBPS)
}

/** The worker is told, and a new interval begins. */
function decided(stack: Stack, connection: Connection, state: CongestionState): void {
  startInterval(stack, connection, state)
  write(stack, connection, state)
  stack.workers[connection.worker].flow(TO_FAST_FLOW_UPDATE, connection.flow, connection.gen)
}

function write(stack: Stack, connection: Connection, state: CongestionState): void {
  stack.flows.setWord(connection, TCB_CWND, connection.cwnd)
  stack.flows.setWord(connection, TCB_RATE_KBPS, state.rateKbps)
}
