/**
 * Delayed acknowledgments (RFC 1122, 4.2.3.2). An acknowledgment of less than two full segments waits for data that
 * can carry it (FastPath.listArrival), but never long: until DELAYED_ACK_US have passed or the worker is about to block, whichever is first. So
 * it needs no timer and no wake-up, and a request/response server sends one packet for each request, not two.
 */
import { FLAG_ACK_DELAYED, FLAG_REMOVING, TCB_FLAGS, TCB_RCV_NXT } from '../../lib/memif/index.js'
import type { FastPath } from './fastpath.js'
import { sendSequence } from './transmit.js'

/** Whether the oldest waiting acknowledgment is due: all wait equally long. */
export function isAckDue(fast: FastPath): boolean {
  return fast.delayedAcks.length > 0 && ((fast.ackDue32[fast.delayedAcks.first()] - fast.now32) | 0) <= 0
}

/**
 * Emits the acknowledgments that are due, or all of them if `all`, as far as there are header slots. Those that data has carried
 * meanwhile need none.
 */
export function transmitDueAcks(fast: FastPath, all: boolean): void {
  const { words, emitter } = fast
  while (emitter.room > 0 && (all ? fast.delayedAcks.length > 0 : isAckDue(fast))) {
    const flow = fast.delayedAcks.shift()
    const tcb = fast.tcb(flow)
    const flags = words[tcb + TCB_FLAGS]
    words[tcb + TCB_FLAGS] = flags & ~FLAG_ACK_DELAYED
    if ((flags & (FLAG_ACK_DELAYED | FLAG_REMOVING)) !== FLAG_ACK_DELAYED) continue
    if (fast.lastAck[flow] !== words[tcb + TCB_RCV_NXT]) emitter.segment(flow, tcb, sendSequence(fast, tcb), 0, 0)
  }
}
