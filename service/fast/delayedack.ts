/**
 * Delayed acknowledgments (RFC 1122, 4.2.3.2). An acknowledgment of less than two full segments waits for data that can carry it, so that a
 * request/response server sends one packet for each request, not two (docs/decisions/0003-delayed-acknowledgments.md). But never long:
 *
 *   'answering'  what came last on the flow was answered within ANSWER_MAX_US: about twice as long as answers of its application take
 *   'silent'     it was not: until the worker is about to block, and DELAYED_ACK_US at most
 *
 * A new flow begins as the last one of its application ended: connections with one request each would all have to learn it otherwise.
 */
import { APPS_MAX, FLAG_ACK_DELAYED, FLAG_REMOVING, TCB_APP_U16, TCB_FLAGS, TCB_RCV_NXT, TCB_RTT_START_US, TCB_SND_MAX } from '../../lib/memif/index.js'
import type { FastPath } from './fastpath.js'
import { FlowFifo } from './fifo.js'
import { sendSequence } from './transmit.js'

/** The longest that an acknowledgment waits that probably has to go alone, far below what a peer notices. */
export const DELAYED_ACK_US = 500
/** The shortest of the times that one waits for an application that answers; each list has twice that of the one before. Linux has 40 ms (TCP_DELACK_MIN). */
export const ANSWER_US = 2_000
const ANSWER_LISTS = 5
/** The longest that an answer may take: half of what the last list has. */
export const ANSWER_MAX_US = ANSWER_US << (ANSWER_LISTS - 2)
/** The part that one answer has in the smoothed time of its application's, as a shift. */
const SMOOTHING_SHIFT = 3

export class DelayedAcks {
  /** By how long they wait: one application's slow answers hold up nothing of another's. */
  readonly answering: readonly FlowFifo[]
  readonly silent: FlowFifo
  /** For each flow: whether it is an answering one. */
  readonly answers: Uint8Array
  /** The same for each application: of its flow that showed it last. */
  readonly habits = new Uint8Array(APPS_MAX)
  /** For each application: the smoothed time of its answers, microseconds. */
  readonly answerUs = new Int32Array(APPS_MAX)
  /** For each flow: whether anything has arrived that may be answered, and when the last of it did, low 32 bits of microseconds. */
  readonly hasArrived: Uint8Array
  readonly arrived32: Int32Array
  /** For each flow whose acknowledgment waits: until when, low 32 bits of microseconds; RCV.NXT and SND.MAX when it began to. */
  readonly due32: Int32Array
  readonly rcvNxt: Int32Array
  readonly sndMax: Int32Array
  /** For each flow: its entries in all lists. Only the last one counts; others are of a connection that had the flow before. */
  readonly entries: Uint16Array

  /** `capacity` as of FlowFifo. */
  constructor(flows: number, capacity: number) {
    this.answering = Array.from({ length: ANSWER_LISTS }, () => new FlowFifo(capacity))
    this.silent = new FlowFifo(capacity)
    this.answers = new Uint8Array(flows)
    this.hasArrived = new Uint8Array(flows)
    this.arrived32 = new Int32Array(flows)
    this.due32 = new Int32Array(flows)
    this.rcvNxt = new Int32Array(flows)
    this.sndMax = new Int32Array(flows)
    this.entries = new Uint16Array(flows)
  }

  /** Microseconds from `us32` until one is due: 0 if that is now or past, -1 if none waits. */
  waitUs(us32: number): number {
    let waitUs = -1
    for (let i = 0; i < ANSWER_LISTS; i++) {
      const list = this.answering[i]
      if (list.length === 0) continue
      const firstUs = this.firstWaitUs(list, us32)
      if (waitUs < 0 || firstUs < waitUs) waitUs = firstUs
    }
    return waitUs
  }

  /** The same for the first in `list`, which is not empty. An entry that is past counts as due, so that it holds up none behind it. */
  firstWaitUs(list: FlowFifo, us32: number): number {
    const flow = list.first()
    return this.entries[flow] > 1 ? 0 : Math.max((this.due32[flow] - us32) | 0, 0)
  }
}

/** Data has arrived on a flow whose acknowledgment does not wait: it begins to. Returns false if there is no room; FLAG_ACK_DELAYED is the caller's to set. */
export function delayAck(fast: FastPath, flow: number, tcb: number): boolean {
  const { delayedAcks: acks, words } = fast
  if (acks.sndMax[flow] !== words[tcb + TCB_SND_MAX]) measureAnswer(fast, flow, tcb)
  acks.hasArrived[flow] = 1
  return wait(fast, flow, tcb)
}

function wait(fast: FastPath, flow: number, tcb: number): boolean {
  const { delayedAcks: acks, words } = fast
  const nth = acks.answers[flow] === 0 ? -1 : answerList(fast, tcb)
  acks.due32[flow] = (fast.now32 + (nth < 0 ? DELAYED_ACK_US : ANSWER_US << nth)) | 0
  acks.rcvNxt[flow] = words[tcb + TCB_RCV_NXT]
  acks.sndMax[flow] = words[tcb + TCB_SND_MAX]
  if (!(nth < 0 ? acks.silent : acks.answering[nth]).push(flow)) return false
  acks.entries[flow]++
  return true
}

/** The first list whose time is twice that of the application's answers. */
function answerList({ delayedAcks, halves }: FastPath, tcb: number): number {
  const wantedUs = 2 * delayedAcks.answerUs[halves[tcb * 2 + TCB_APP_U16]]
  let nth = 0
  while (nth < ANSWER_LISTS - 1 && ANSWER_US << nth < wantedUs) nth++
  return nth
}

/**
 * Looks whether what came last on the flow has been answered since, in time for its acknowledgment or not. When is known without a look at the
 * clock: the answer's round trip is measured from there, unless that of something earlier was still under way.
 */
function measureAnswer({ delayedAcks: acks, halves, words }: FastPath, flow: number, tcb: number): void {
  const tookUs = (words[tcb + TCB_RTT_START_US] - acks.arrived32[flow]) | 0
  if (tookUs < 0 || acks.hasArrived[flow] === 0) return
  acks.answers[flow] = tookUs <= ANSWER_MAX_US ? 1 : 0
  if (tookUs > ANSWER_MAX_US) return
  const app = halves[tcb * 2 + TCB_APP_U16]
  acks.answerUs[app] += (tookUs - acks.answerUs[app]) >> SMOOTHING_SHIFT
}

/** A flow begins; nothing is known of it yet. */
export function beginAnswers({ delayedAcks, halves }: FastPath, flow: number, tcb: number): void {
  delayedAcks.answers[flow] = delayedAcks.habits[halves[tcb * 2 + TCB_APP_U16]]
  delayedAcks.hasArrived[flow] = 0
}

/** A flow ends, perhaps before what waits was due. */
export function endAnswers(fast: FastPath, flow: number, tcb: number): void {
  if ((fast.words[tcb + TCB_FLAGS] & FLAG_ACK_DELAYED) !== 0) learn(fast, flow, tcb)
}

/** Notes whether data has carried the acknowledgment that waited, and returns it. */
function learn(fast: FastPath, flow: number, tcb: number): boolean {
  const { delayedAcks: acks } = fast
  const isCarried = ((fast.lastAck[flow] - acks.rcvNxt[flow]) | 0) >= 0 && acks.sndMax[flow] !== fast.words[tcb + TCB_SND_MAX]
  if (isCarried) measureAnswer(fast, flow, tcb)
  acks.answers[flow] = isCarried ? 1 : 0
  acks.habits[fast.halves[tcb * 2 + TCB_APP_U16]] = acks.answers[flow]
  return isCarried
}

/** Whether one is due: all in a list wait equally long. */
export function isAckDue(fast: FastPath): boolean {
  const { answering, silent } = fast.delayedAcks
  for (let i = 0; i < ANSWER_LISTS; i++) if (isFirstDue(fast, answering[i])) return true
  return isFirstDue(fast, silent)
}

/** Emits those that are due; with `areAllSilent` also all of silent flows. As far as there are header slots. */
export function transmitDueAcks(fast: FastPath, areAllSilent: boolean): void {
  const { answering, silent } = fast.delayedAcks
  while (fast.emitter.room > 0 && (areAllSilent ? silent.length > 0 : isFirstDue(fast, silent))) endWait(fast, silent.shift())
  for (let i = 0; i < ANSWER_LISTS; i++) {
    while (fast.emitter.room > 0 && isFirstDue(fast, answering[i])) endWait(fast, answering[i].shift())
  }
}

function isFirstDue(fast: FastPath, acks: FlowFifo): boolean {
  return acks.length > 0 && fast.delayedAcks.firstWaitUs(acks, fast.now32) === 0
}

/** What was acknowledged meanwhile needs nothing. What has come since then waits anew if data carried the one that waited. */
function endWait(fast: FastPath, flow: number): void {
  const { lastAck, words } = fast
  if (--fast.delayedAcks.entries[flow] > 0) return
  const tcb = fast.tcb(flow)
  const flags = words[tcb + TCB_FLAGS]
  words[tcb + TCB_FLAGS] = flags & ~FLAG_ACK_DELAYED
  if ((flags & (FLAG_ACK_DELAYED | FLAG_REMOVING)) !== FLAG_ACK_DELAYED) return
  const isCarried = learn(fast, flow, tcb)
  if (lastAck[flow] === words[tcb + TCB_RCV_NXT]) return
  if (isCarried && wait(fast, flow, tcb)) words[tcb + TCB_FLAGS] = flags
  else fast.emitter.segment(flow, tcb, sendSequence(fast, tcb), 0, 0)
}
