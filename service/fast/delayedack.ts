/**
 * Delayed acknowledgments (RFC 1122, 4.2.3.2). An acknowledgment of less than two full segments waits for data that can carry it, so that a
 * request/response server sends one packet for each request, not two (docs/decisions/0003-delayed-acknowledgments.md). But never long:
 *
 *   'answering'  the flow's last acknowledgment of this kind was carried: at most twice DELAYED_ACK_US
 *   'silent'     it had to go alone: until the worker is about to block, and not longer either
 */
import { FLAG_ACK_DELAYED, FLAG_REMOVING, TCB_FLAGS, TCB_RCV_NXT, TCB_SND_MAX } from '../../lib/memif/index.js'
import type { FastPath } from './fastpath.js'
import { FlowFifo } from './fifo.js'
import { sendSequence } from './transmit.js'

/** Time for a busy application to answer, far below what a peer notices. */
export const DELAYED_ACK_US = 500

export class DelayedAcks {
  readonly answering: FlowFifo
  readonly silent: FlowFifo
  /** For each flow: whether it is an answering one. */
  readonly answers: Uint8Array
  /** For each flow whose acknowledgment waits: until when, low 32 bits of microseconds; RCV.NXT and SND.MAX when it began to. */
  readonly due32: Int32Array
  readonly rcvNxt: Int32Array
  readonly sndMax: Int32Array

  /** `capacity` as of FlowFifo. */
  constructor(flows: number, capacity: number) {
    this.answering = new FlowFifo(capacity)
    this.silent = new FlowFifo(capacity)
    this.answers = new Uint8Array(flows)
    this.due32 = new Int32Array(flows)
    this.rcvNxt = new Int32Array(flows)
    this.sndMax = new Int32Array(flows)
  }

  /** Microseconds from `us32` until one is due: 0 if that is now or past, -1 if none waits. */
  waitUs(us32: number): number {
    return this.answering.length === 0 ? -1 : Math.max((this.due32[this.answering.first()] - us32) | 0, 0)
  }
}

/** The acknowledgment of a flow begins to wait. Returns false if there is no room; FLAG_ACK_DELAYED is the caller's to set. */
export function delayAck(fast: FastPath, flow: number, tcb: number): boolean {
  const { delayedAcks: acks, words } = fast
  acks.due32[flow] = (fast.now32 + DELAYED_ACK_US) | 0
  acks.rcvNxt[flow] = words[tcb + TCB_RCV_NXT]
  acks.sndMax[flow] = words[tcb + TCB_SND_MAX]
  return (acks.answers[flow] !== 0 ? acks.answering : acks.silent).push(flow)
}

/** Whether one is due: all in a list wait equally long. */
export function isAckDue(fast: FastPath): boolean {
  return isFirstDue(fast, fast.delayedAcks.answering) || isFirstDue(fast, fast.delayedAcks.silent)
}

/** Emits those that are due; with `areAllSilent` also all of silent flows. As far as there are header slots. */
export function transmitDueAcks(fast: FastPath, areAllSilent: boolean): void {
  const { answering, silent } = fast.delayedAcks
  while (fast.emitter.room > 0 && isFirstDue(fast, answering)) endWait(fast, answering.shift())
  while (fast.emitter.room > 0 && (areAllSilent ? silent.length > 0 : isFirstDue(fast, silent))) endWait(fast, silent.shift())
}

function isFirstDue(fast: FastPath, acks: FlowFifo): boolean {
  return acks.length > 0 && ((fast.delayedAcks.due32[acks.first()] - fast.now32) | 0) <= 0
}

/** What was acknowledged meanwhile needs nothing. What has come since then waits anew if data carried the one that waited. */
function endWait(fast: FastPath, flow: number): void {
  const { delayedAcks: acks, lastAck, words } = fast
  const tcb = fast.tcb(flow)
  const flags = words[tcb + TCB_FLAGS]
  words[tcb + TCB_FLAGS] = flags & ~FLAG_ACK_DELAYED
  if ((flags & (FLAG_ACK_DELAYED | FLAG_REMOVING)) !== FLAG_ACK_DELAYED) return
  const isCarried = ((lastAck[flow] - acks.rcvNxt[flow]) | 0) >= 0 && acks.sndMax[flow] !== words[tcb + TCB_SND_MAX]
  acks.answers[flow] = isCarried ? 1 : 0
  if (lastAck[flow] === words[tcb + TCB_RCV_NXT]) return
  if (isCarried && delayAck(fast, flow, tcb)) words[tcb + TCB_FLAGS] = flags
  else fast.emitter.segment(flow, tcb, sendSequence(fast, tcb), 0, 0)
}
