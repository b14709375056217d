/**
 * Loss recovery: what acknowledgments say about what was lost, and what is sent again.
 *
 *            duplicate, SACK             loss found                all acknowledged
 *   (none) ------------------> disorder -----------> recovery ------------------------> (none)
 *      |  no answer: probe     ^                        ^
 *      +-------------------> probe ---------------------+       timeout, from anywhere: loss --> (none)
 *
 * Meanwhile the worker passes on every acknowledgment and sends new data only up to sndLimit; what is sent again it is
 * told range by range. RFC 5681, 6582, 6675, 6937, 8985, 3042 (limited transmit: what duplicates say has left the network is replaced).
 */
import {
  FLAG_IN_RECOVERY, FLAG_SACK, TCB_SND_LIMIT, TCB_SND_MAX, TCB_SND_NXT, TCB_SND_UNA,
  TO_FAST_FLOW_SEND, TO_FAST_FLOW_UPDATE, TRACE_LOSS, TRACE_LOSS_PROBE, TRACE_LOSS_RECOVERY, TRACE_LOSS_RESENT,
  TRACE_LOSS_UNDONE,
} from '../../../lib/memif/index.js'
import { seqAdd, seqDiff, seqLeq, seqLt } from '../../../lib/wire/index.js'
import { lossReduces, timeoutReduces, undoReduction, writeWindow } from '../congestion/control.js'
import type { Connection } from '../connection.js'
import { minRttUs, mssOf, srttUs } from '../flowstate.js'
import { timestampValue } from '../handshaketime.js'
import { takeProbeLoss } from '../mtuprobe.js'
import type { Stack } from '../stack.js'
import { Timer } from '../timers.js'
import { traceConnection, traceLoss, traceTimer } from '../tracing.js'
import { beginDisorder, beginReduction, reductionBudget } from './prr.js'
import { detectLosses, DUPLICATE_THRESHOLD } from './rack.js'
import { type Delivery, LOST, RESENT, SACKED } from './scoreboard.js'
import { Recovery, type Undo } from './state.js'

/** Recoveries without needless retransmissions after which the reordering window is small again (RFC 8985, 6.2 step 4). */
const WINDOW_PERSISTS = 16
const WINDOW_MULT_MAX = 16

/** An acknowledgment that a worker has passed on (TO_SLOW_ACK). */
export interface AckReport {
  readonly ack: number
  /** Duplicates that it stands for. */
  readonly duplicates: number
  /** Edges of SACK blocks, two for each. */
  readonly edges: readonly number[]
  /** TSecr, 0 without timestamps. */
  readonly tsEcr: number
}

/** An acknowledgment of a connection that a worker has. Returns whether it has delivered anything. */
export function onAckReport(stack: Stack, connection: Connection, report: AckReport): boolean {
  const sndMax = stack.flows.sndMax(connection)
  if (seqLt(sndMax, report.ack)) return false
  const una = connection.recovery?.board.una ?? stack.flows.word(connection, TCB_SND_UNA)
  if (seqLt(report.ack, una)) return false
  const recovery = connection.recovery ?? begin(stack, connection)
  const before = recovery.board.una
  const delivery = recovery.board.delivery()
  const dsackBytes = readBlocks(stack, connection, recovery, report, delivery)
  if (!stack.flows.hasFlag(connection, FLAG_SACK)) countDuplicates(recovery, report, before, mssOf(stack, connection))
  takeIn(connection, recovery, delivery)
  if (dsackBytes > 0) onDuplicateDelivery(stack, connection, recovery, dsackBytes)
  if (report.ack !== before) checkTimestamp(stack, connection, recovery, report.tsEcr)
  if (recovery.state === 'probe') onProbeAnswer(stack, connection, recovery, report, dsackBytes)
  finishIfDone(stack, connection, recovery, report.ack)
  if (connection.recovery !== null) lookForLosses(stack, connection, recovery, delivery.bytes, report.ack !== before)
  return delivery.bytes > 0
}

function begin(stack: Stack, connection: Connection): Recovery {
  const recovery = new Recovery(stack.flows.word(connection, TCB_SND_UNA))
  connection.recovery = recovery
  becomeDisorder(stack, connection, recovery)
  stack.flows.setWord(connection, TCB_SND_LIMIT, seqAdd(recovery.board.una, connection.cwnd))
  setSteered(stack, connection, true)
  return recovery
}

/** Nothing is lost as far as is known. What arrives from here on counts for the reduction, should there be one. */
function becomeDisorder(stack: Stack, connection: Connection, recovery: Recovery): void {
  recovery.state = 'disorder'
  beginDisorder(recovery, stack.flows.sndMax(connection))
}

function setSteered(stack: Stack, connection: Connection, isSteered: boolean): void {
  const [set, clear] = isSteered ? [FLAG_IN_RECOVERY, 0] : [0, FLAG_IN_RECOVERY]
  stack.workers[connection.worker].flags(connection, set, clear)
}

/** Enters acknowledgment and SACK blocks. Returns bytes of a D-SACK block (RFC 2883, 4), which is always the first. */
function readBlocks(stack: Stack, connection: Connection, recovery: Recovery, report: AckReport, delivery: Delivery): number {
  const { board } = recovery
  const { edges } = report
  const sndMax = stack.flows.sndMax(connection)
  const isDsack = edges.length >= 2 && (seqLeq(edges[1], report.ack) || isInside(edges[0], edges[1], edges[2], edges[3]))
  board.advance(report.ack, delivery)
  for (let i = isDsack ? 2 : 0; i + 1 < edges.length; i += 2) {
    const start = edges[i]
    const end = edges[i + 1]
    // RFC 2018, 5: what cannot be is ignored.
    if (seqLt(start, end) && seqLt(board.una, end) && seqLeq(end, sndMax)) board.sack(start, end, stack.nowUs, delivery)
  }
  return isDsack ? Math.max(seqDiff(edges[1], edges[0]), 0) : 0
}

function isInside(start: number, end: number, outerStart: number | undefined, outerEnd: number | undefined): boolean {
  return outerStart !== undefined && outerEnd !== undefined && seqLeq(outerStart, start) && seqLeq(end, outerEnd)
}

/** RFC 6582 for peers without SACK: each duplicate is a segment that has arrived, a partial acknowledgment names the next hole. */
function countDuplicates(recovery: Recovery, report: AckReport, before: number, mss: number): void {
  const acked = seqDiff(report.ack, before)
  recovery.duplicates += report.duplicates
  if (acked > 0 && recovery.state === 'disorder') recovery.duplicates = 0
  else if (acked > 0) recovery.duplicates = Math.max(0, recovery.duplicates - Math.max(0, Math.ceil(acked / mss) - 1))
  const { board } = recovery
  const isThird = recovery.state === 'disorder' && recovery.duplicates >= DUPLICATE_THRESHOLD
  const isPartial = recovery.state === 'recovery' && acked > 0 && seqLt(report.ack, recovery.point)
  if (isThird || isPartial) board.lose(board.una, seqAdd(board.una, mss))
}

function takeIn(connection: Connection, recovery: Recovery, delivery: Delivery): void {
  if (delivery.reordered) connection.reorderSeen = true
  const { lastOriginal } = delivery
  if (lastOriginal !== null && seqLt(recovery.lastOriginal, lastOriginal)) recovery.lastOriginal = lastOriginal
  recovery.lastResentUs = Math.max(recovery.lastResentUs, delivery.lastResentUs)
}

/** The peer had something twice: what we resent was not lost, or the network doubles packets. */
function onDuplicateDelivery(stack: Stack, connection: Connection, recovery: Recovery, bytes: number): void {
  if (recovery.resentBytes === 0) return
  connection.reorderWindowMult = Math.min(connection.reorderWindowMult + 1, WINDOW_MULT_MAX)
  connection.reorderWindowPersists = WINDOW_PERSISTS
  recovery.dsackBytes += bytes
  if (recovery.dsackBytes >= recovery.resentBytes) undo(stack, connection, recovery)
}

/** Eifel detection (RFC 3522, 3.2): the first acknowledgment that goes on echoes a time before we sent again. */
function checkTimestamp(stack: Stack, connection: Connection, recovery: Recovery, tsEcr: number): void {
  if (recovery.undo === null || recovery.resentBytes === 0) return
  if (tsEcr !== 0 && seqLt(tsEcr, recovery.undo.tsVal)) undo(stack, connection, recovery)
  else recovery.undo = recovery.state === 'recovery' ? recovery.undo : null
}

/** Nothing was lost (RFC 4015). */
function undo(stack: Stack, connection: Connection, recovery: Recovery): void {
  if (recovery.undo === null) return
  undoReduction(stack, connection, recovery.undo.cwnd, recovery.undo.ssthresh)
  stack.stats.add('recoveriesUndone')
  traceLoss(stack, connection, TRACE_LOSS_UNDONE)
  // A timeout without reason shows that acknowledgments were late or lost, not that data changed places.
  if (recovery.state === 'recovery') connection.reorderSeen = true
  recovery.undo = null
  recovery.resentBytes = 0
  recovery.board.forgive(stack.nowUs)
  becomeDisorder(stack, connection, recovery)
}

/** RFC 8985, 7.4.2, TLP_process_ack: did the probe repair a loss? */
function onProbeAnswer(
  stack: Stack, connection: Connection, recovery: Recovery, report: AckReport, dsackBytes: number,
): void {
  if (seqLt(report.ack, recovery.point)) return
  const wasNeedless = dsackBytes > 0 || (report.duplicates > 0 && report.edges.length === 0)
  if (!wasNeedless && report.ack === recovery.point) return
  if (!wasNeedless) lossReduces(stack, connection)
  becomeDisorder(stack, connection, recovery)
}

/** Recovery ends when everything sent before it is acknowledged; disorder when nothing is missing. */
function finishIfDone(stack: Stack, connection: Connection, recovery: Recovery, ack: number): void {
  const { state, board } = recovery
  if (state === 'recovery' || state === 'loss') {
    if (seqLt(ack, recovery.point)) return
    if (state === 'recovery') connection.cwnd = connection.ssthresh
    forgetReordering(connection)
    becomeDisorder(stack, connection, recovery)
    recovery.undo = null
    recovery.resentBytes = 0
    recovery.dsackBytes = 0
    recovery.duplicates = 0
  }
  const isQuiet = board.runs.length === 0 && recovery.duplicates === 0
  if (recovery.state === 'disorder' && isQuiet) end(stack, connection, recovery)
}

function forgetReordering(connection: Connection): void {
  if (connection.reorderWindowPersists === 0) return
  connection.reorderWindowPersists--
  if (connection.reorderWindowPersists === 0) connection.reorderWindowMult = 1
}

function end(stack: Stack, connection: Connection, recovery: Recovery): void {
  stack.timers.cancel(recovery.reorderTimer)
  connection.recovery = null
  writeWindow(stack, connection)
  setSteered(stack, connection, false)
  stack.workers[connection.worker].flow(TO_FAST_FLOW_UPDATE, connection)
}

function lookForLosses(stack: Stack, connection: Connection, recovery: Recovery, deliveredBytes: number, hasAdvanced: boolean): void {
  const nextUs = detectLosses(recovery, {
    nowUs: stack.nowUs, mss: mssOf(stack, connection), srttUs: srttUs(stack, connection), minRttUs: minRttUs(stack, connection),
    reorderSeen: connection.reorderSeen, windowMult: connection.reorderWindowMult,
  })
  setReorderTimer(stack, connection, recovery, nextUs)
  const isNew = recovery.state === 'disorder' || recovery.state === 'probe'
  const isLoss = isNew && recovery.board.bytes(LOST) > 0 && !takeProbeLoss(stack, connection, recovery.board)
  if (isLoss) enterRecovery(stack, connection, recovery)
  else if (recovery.state === 'loss' && hasAdvanced && connection.cwnd < connection.ssthresh) {
    // Slow start after a timeout (RFC 5681, 3.1).
    connection.cwnd = Math.min(connection.cwnd + deliveredBytes, connection.ssthresh)
  }
  send(stack, connection, recovery, deliveredBytes)
}

function setReorderTimer(stack: Stack, connection: Connection, recovery: Recovery, dueUs: number): void {
  if (dueUs === Infinity) return stack.timers.cancel(recovery.reorderTimer)
  recovery.reorderTimer ??= new Timer(() => {
    traceTimer(stack.trace, connection, 'reorder')
    if (connection.phase === 'worker' && connection.recovery === recovery) lookForLosses(stack, connection, recovery, 0, false)
  })
  stack.timers.set(recovery.reorderTimer, dueUs)
}

/** What the window is before it is reduced. */
function undoable(stack: Stack, { cwnd, ssthresh }: Connection): Undo {
  return { cwnd, ssthresh, tsVal: timestampValue(stack.nowUs) }
}

/** Fast retransmit and fast recovery begin (RFC 5681, 3.2; RFC 6675, 5). */
function enterRecovery(stack: Stack, connection: Connection, recovery: Recovery): void {
  const sndMax = stack.flows.sndMax(connection)
  recovery.undo = undoable(stack, connection)
  recovery.state = 'recovery'
  recovery.point = sndMax
  recovery.resentBytes = 0
  recovery.dsackBytes = 0
  beginReduction(recovery, seqDiff(sndMax, recovery.board.una))
  lossReduces(stack, connection)
  stack.stats.add('fastRecoveries')
  traceLoss(stack, connection, TRACE_LOSS_RECOVERY)
}

/** The retransmission timer has expired (RFC 6298, 5.4 to 5.6). `isFirst`: not backed off yet. */
export function onRetransmissionTimeout(stack: Stack, connection: Connection, isFirst: boolean): void {
  const recovery = connection.recovery ?? begin(stack, connection)
  if (recovery.undo === null && isFirst) recovery.undo = undoable(stack, connection)
  // Reports may have been lost; the TCB knows.
  const una = stack.flows.word(connection, TCB_SND_UNA)
  recovery.board.advance(una, recovery.board.delivery())
  const [first] = recovery.board.runs
  if (first !== undefined && first.kind === SACKED) recovery.board.renege()
  loseAll(recovery, stack.flows.sndMax(connection))
  recovery.duplicates = 0
  recovery.resentBytes = 0
  stack.timers.cancel(recovery.reorderTimer)
  timeoutReduces(stack, connection, isFirst)
  send(stack, connection, recovery, 0)
}

/** Everything in flight is to be sent again, though the path is not congested: its MTU has shrunk. */
export function resendAll(stack: Stack, connection: Connection): void {
  const recovery = connection.recovery ?? begin(stack, connection)
  loseAll(recovery, stack.flows.sndMax(connection))
  send(stack, connection, recovery, 0)
}

/** Nothing of what is in flight is waited for any more. */
function loseAll(recovery: Recovery, sndMax: number): void {
  recovery.board.loseAll(sndMax)
  recovery.state = 'loss'
  recovery.point = sndMax
}

/** Nothing more comes of what is under way. */
export function sendProbe(stack: Stack, connection: Connection): void {
  const { recovery } = connection
  stack.stats.add('tailLossProbes')
  traceLoss(stack, connection, TRACE_LOSS_PROBE)
  if (recovery === null) probeTail(stack, connection)
  else probeRecovery(stack, connection, recovery)
}

/** Tail loss probe (RFC 8985, 7.3): the last segment once more, so that its acknowledgment shows what is missing. */
function probeTail(stack: Stack, connection: Connection): void {
  const recovery = begin(stack, connection)
  const sndMax = stack.flows.sndMax(connection)
  const start = lastSegment(stack, connection, recovery)
  recovery.state = 'probe'
  recovery.point = sndMax
  recovery.resentBytes = seqDiff(sndMax, start)
  resend(stack, connection, start, recovery.resentBytes)
}

/** Where the last segment begins. */
function lastSegment(stack: Stack, connection: Connection, { board }: Recovery): number {
  const sndMax = stack.flows.sndMax(connection)
  return seqAdd(sndMax, -Math.min(seqDiff(sndMax, board.una), mssOf(stack, connection)))
}

/** The first segment known to be lost goes (once more), or the last of all where none is known. */
function probeRecovery(stack: Stack, connection: Connection, recovery: Recovery): void {
  const { board } = recovery
  const lost = board.runs.find(({ kind }) => kind === LOST || kind === RESENT)
  const start = lost?.start ?? lastSegment(stack, connection, recovery)
  const len = Math.min(seqDiff(lost?.end ?? stack.flows.sndMax(connection), start), mssOf(stack, connection))
  board.lose(start, seqAdd(start, len))
  resendRun(stack, connection, recovery, start, len)
}

/** Bytes in the network (RFC 6675, 4, pipe). */
function pipeBytes(stack: Stack, connection: Connection, recovery: Recovery): number {
  const { board } = recovery
  const outstanding = seqDiff(stack.flows.sndMax(connection), board.una)
  const gone = Math.min(recovery.duplicates * mssOf(stack, connection), Math.max(outstanding - mssOf(stack, connection), 0))
  return Math.max(outstanding - board.bytes(SACKED) - board.bytes(LOST) - gone, 0)
}

/** Sends what is lost, then allows new data, as far as the window has room (RFC 6675, 5, steps 4 and C). */
function send(stack: Stack, connection: Connection, recovery: Recovery, deliveredBytes: number): void {
  const mss = mssOf(stack, connection)
  const sndMax = stack.flows.sndMax(connection)
  const pipe = pipeBytes(stack, connection, recovery)
  let budget = connection.cwnd - pipe
  recovery.prrDelivered += deliveredBytes
  if (recovery.state === 'recovery') {
    budget = reductionBudget(recovery, deliveredBytes, pipe, connection.ssthresh, sndMax, mss)
    // The first segment goes at once, whatever the window says (RFC 5681, 3.2 step 3).
    if (recovery.resentBytes === 0) budget = Math.max(budget, mss)
    connection.cwnd = Math.max(pipe + budget, mss)
  }
  budget = sendLost(stack, connection, recovery, budget, mss)
  const nxt = stack.flows.word(connection, TCB_SND_NXT)
  stack.flows.setWord(connection, TCB_SND_LIMIT, seqAdd(nxt, Math.max(budget, 0)))
  stack.workers[connection.worker].flow(TO_FAST_FLOW_UPDATE, connection)
}

function sendLost(stack: Stack, connection: Connection, recovery: Recovery, budget: number, mss: number): number {
  let left = budget
  for (const run of recovery.board.runs.filter(({ kind }) => kind === LOST)) {
    const whole = seqDiff(run.end, run.start)
    const len = left >= whole ? whole : left - (left % mss)
    if (len <= 0) break
    if (!resendRun(stack, connection, recovery, run.start, len)) return 0
    left -= len
  }
  return recovery.board.bytes(LOST) > 0 ? 0 : left
}

/** Sends what is lost again, from `start` on. Returns false if the worker takes no orders now. */
function resendRun(stack: Stack, connection: Connection, recovery: Recovery, start: number, len: number): boolean {
  if (!resend(stack, connection, start, len)) return false
  recovery.board.resent(start, seqAdd(start, len), stack.nowUs, stack.flows.word(connection, TCB_SND_MAX))
  recovery.resentUs = stack.nowUs
  recovery.resentBytes += len
  recovery.prrResent += len
  return true
}

function resend(stack: Stack, connection: Connection, seq: number, len: number): boolean {
  const worker = stack.workers[connection.worker]
  if (worker.isBlocked) return false
  worker.value(TO_FAST_FLOW_SEND, connection, seq, len)
  traceConnection(stack.trace, TRACE_LOSS, TRACE_LOSS_RESENT, connection, seq, len)
  connection.retransmits += Math.ceil(len / mssOf(stack, connection))
  stack.stats.add('retransmittedBytes', len)
  return true
}
