/**
 * Delayed acknowledgments (RFC 1122, 4.2.3.2). An acknowledgment of less than two full segments waits for data that
 * can carry it, but never long: until DELAYED_ACK_US have passed or the worker is about to block, whichever is first. So
 * it needs no timer and no wake-up, and a request/response server sends one packet for each request, not two.
 */
import { FLAG_ACK_DELAYED, FLAG_REMOVING, TCB_FLAGS, TCB_RCV_NXT } from '../../lib/memif/index.js'
import type { FastPath } from './fastpath.js'
import { sendSequence } from './transmit.js'

/** Longest delay. Long enough for a busy application to answer, far below what a peer's RTO or Nagle notices. */
export const DELAYED_ACK_US = 2_000

/** An acknowledgment of this flow may wait. */
export function delayAck(fast: FastPath, flow: number, tcb: number): void {
  const flags = fast.words[tcb + TCB_FLAGS]
  if ((flags & FLAG_ACK_DELAYED) !== 0) return
  fast.ackDue32[flow] = (fast.now32 + DELAYED_ACK_US) | 0
  if (fast.delayedAcks.push(flow)) fast.words[tcb + TCB_FLAGS] = flags | FLAG_ACK_DELAYED
}

/** Whether the oldest waiting acknowledgment is due: all wait equally long. */
export function isAckDue(fast: FastPath): boolean {
  return fast.delayedAcks.length > 0 && ((fast.ackDue32[fast.delayedAcks.first()] - fast.now32) | 0) <= 0
}

/**
 * Emits the acknowledgments that are due, or all of them if `all`, as far as there are header slots. Those that data has carried
 * meanwhile need none.
 */
export function transmitDueAcks(fast: FastPath, all: boolean): void {
  const words = fast.words
  while (fast.emitter.room > 0 && (all ? fast.delayedAcks.length > 0 : isAckDue(fast))) {
    const flow = fast.delayedAcks.shift()
    const tcb = fast.tcb(flow)
    const flags = words[tcb + TCB_FLAGS]
    words[tcb + TCB_FLAGS] = flags & ~FLAG_ACK_DELAYED
    if ((flags & (FLAG_ACK_DELAYED | FLAG_REMOVING)) !== FLAG_ACK_DELAYED) continue
    if (fast.lastAck[flow] !== words[tcb + TCB_RCV_NXT]) fast.emitter.segment(flow, tcb, sendSequence(words, tcb), 0, 0)
  }
}
