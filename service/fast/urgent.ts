/**
 * Urgent data to send (RFC 9293, 3.8.5): everything before SND.UP is urgent, and segments before it say so until all of it is
 * acknowledged. SND.UP stands in the worker's heap; one that takes over takes all that was written for urgent.
 */
import { BUMP_URGENT_SHIFT, FLAG_URGENT, TCB_FLAGS, TCB_SND_END, TCB_SND_UNA } from '../../lib/memif/index.js'
import type { FastPath } from './fastpath.js'

/** What an urgent pointer can say. */
const POINTER_MAX = 0xffff

/**
 * The application has marked what it wrote: `bits` as in BUMP_FLAGS, `end` as in BUMP_SND_END. The peer is told at once, even if its window is
 * closed.
 */
export function markUrgent(fast: FastPath, flow: number, tcb: number, bits: number, end: number): void {
  const up = (end - (bits >>> BUMP_URGENT_SHIFT)) | 0
  const flags = fast.words[tcb + TCB_FLAGS]
  if (((up - fast.words[tcb + TCB_SND_UNA]) | 0) <= 0) return
  if ((flags & FLAG_URGENT) !== 0 && ((up - fast.sndUp[flow]) | 0) <= 0) return
  fast.sndUp[flow] = up
  fast.words[tcb + TCB_FLAGS] = flags | FLAG_URGENT
  fast.listAck(flow, tcb)
}

/**
 * The urgent pointer of a segment that begins with `seq`: the distance to the first byte that is not urgent (RFC 9293, 3.1), the greatest there
 * is if that is too far, or 0 behind it. Ends the urgent mode when all of it is acknowledged.
 */
export function urgentPointer(fast: FastPath, flow: number, tcb: number, seq: number): number {
  const up = fast.sndUp[flow]
  if (((up - fast.words[tcb + TCB_SND_UNA]) | 0) <= 0) {
    fast.words[tcb + TCB_FLAGS] &= ~FLAG_URGENT
    return 0
  }
  const distance = (up - seq) | 0
  return distance <= 0 ? 0 : Math.min(distance, POINTER_MAX)
}

/** After another worker, whose SND.UP is lost. */
export function adoptUrgent(fast: FastPath, flow: number, tcb: number): void {
  fast.sndUp[flow] = fast.words[tcb + TCB_SND_END]
}
