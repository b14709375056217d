/**
 * Delayed acknowledgments (RFC 1122, 4.2.3.2). An acknowledgment of less than two full segments waits for data that
 * can carry it, but never long: until DELAYED_ACK_US have passed or the worker is about to block, whichever is first. So
 * it needs no timer and no wake-up, and a request/response server sends one packet for each request, not two.
 */
import { FLAG_ACK_DELAYED, TCB_FLAGS, TCB_RCV_NXT } from '../../lib/memif/index.js'
import type { FastPath } from './fastpath.js'

/** Longest delay. Long enough for a busy application to answer, far below what a peer's RTO or Nagle notices. */
export const DELAYED_ACK_US = 2_000

/** An acknowledgment of this flow may wait. */
export function delayAck(fast: FastPath, flow: number, tcb: number): void {
  const flags = fast.words[tcb + TCB_FLAGS]
  if ((flags & FLAG_ACK_DELAYED) !== 0) return
  fast.ackDue32[flow] = (fast.now32 + DELAYED_ACK_US) | 0
  if (fast.delayedAcks.push(flow)) fast.words[tcb + TCB_FLAGS] = flags | FLAG_ACK_DELAYED
}

/** Lists the acknowledgments that are due, or all of them if `all`. Returns how many were still needed. */
export function listDueAcks(fast: FastPath, all: boolean): number {
  const words = fast.words
  let due = 0
  while (fast.delayedAcks.length > 0) {
    const flow = fast.delayedAcks.first()
    if (!all && ((fast.ackDue32[flow] - fast.now32) | 0) > 0) return due
    fast.delayedAcks.shift()
    const tcb = fast.tcb(flow)
    if ((words[tcb + TCB_FLAGS] & FLAG_ACK_DELAYED) === 0) continue
    words[tcb + TCB_FLAGS] &= ~FLAG_ACK_DELAYED
    if (fast.lastAck[flow] === words[tcb + TCB_RCV_NXT]) continue
    fast.listAck(flow, tcb)
    due++
  }
  return due
}
