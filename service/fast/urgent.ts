/**
 * Urgent data to send (RFC 9293, 3.8.5): everything before SND.UP is urgent, and segments before it say so until all of it is
 * acknowledged.
 */
import {
  BUMP_URGENT_SHIFT, EXTRA_IS_URGENT, EXTRA_ROUTE_BYTES, EXTRA_SND_UP, FLAG_EXTRA, TCB_FLAGS, TCB_SND_UNA,
} from '../../lib/memif/index.js'
import type { FastPath } from './fastpath.js'

/** What an urgent pointer can say. */
const POINTER_MAX = 0xffff

/**
 * The application has marked what it wrote: `bits` as in BUMP_FLAGS, `end` as in BUMP_SND_END. The peer is told at once, even if its window is
 * closed.
 */
export function markUrgent(fast: FastPath, flow: number, tcb: number, bits: number, end: number): void {
  const { words } = fast
  const row = fast.extras(flow)
  const up = (end - (bits >>> BUMP_URGENT_SHIFT)) | 0
  const flags = words[tcb + TCB_FLAGS]
  if (((up - words[tcb + TCB_SND_UNA]) | 0) <= 0) return
  if ((flags & FLAG_EXTRA) === 0) words[row + EXTRA_ROUTE_BYTES] = 0
  else if (words[row + EXTRA_IS_URGENT] !== 0 && ((up - words[row + EXTRA_SND_UP]) | 0) <= 0) return
  words[row + EXTRA_SND_UP] = up
  words[row + EXTRA_IS_URGENT] = 1
  words[tcb + TCB_FLAGS] = flags | FLAG_EXTRA
  fast.listAck(flow, tcb)
}

/**
 * The urgent pointer of a segment that begins with `seq`, of a flow with FLAG_EXTRA: the distance to the first byte that is not urgent
 * (RFC 9293, 3.1), the greatest there is if that is too far, or 0 behind it. Ends the urgent mode when all of it is acknowledged.
 */
export function urgentPointer(fast: FastPath, flow: number, tcb: number, seq: number): number {
  const { words } = fast
  const row = fast.extras(flow)
  if (words[row + EXTRA_IS_URGENT] === 0) return 0
  const up = words[row + EXTRA_SND_UP]
  if (((up - words[tcb + TCB_SND_UNA]) | 0) <= 0) {
    words[row + EXTRA_IS_URGENT] = 0
    if (words[row + EXTRA_ROUTE_BYTES] === 0) words[tcb + TCB_FLAGS] &= ~FLAG_EXTRA
    return 0
  }
  const distance = (up - seq) | 0
  return distance <= 0 ? 0 : Math.min(distance, POINTER_MAX)
}
