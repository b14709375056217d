/** Which runs are lost, by time and by count (RFC 8985, 6; RFC 6675, 4, IsLost). */
import { seqLt } from '../../../lib/wire/index.js'
import { HOLE, RESENT, SACKED, type Run } from './scoreboard.js'
import type { Recovery } from './state.js'

/** DupThresh (RFC 5681, 3.2). */
export const DUPLICATE_THRESHOLD = 3

/** What the decision depends on beside the scoreboard. */
export interface RackInput {
  readonly nowUs: number
  readonly mss: number
  readonly srttUs: number
  readonly minRttUs: number
  /** The network has delivered out of order on this connection. */
  readonly reorderSeen: boolean
  /** Multiplier of the reordering window, raised by needless retransmissions (RFC 8985, 6.2 step 4). */
  readonly windowMult: number
}

/** How long a hole may wait for a late segment, microseconds (RFC 8985, 6.2 step 4, RACK_update_reo_wnd). */
function reorderWindowUs(recovery: Recovery, input: RackInput): number {
  if (!input.reorderSeen) {
    const isRecovering = recovery.state === 'recovery' || recovery.state === 'loss'
    if (isRecovering || recovery.board.bytes(SACKED) >= DUPLICATE_THRESHOLD * input.mss) return 0
  }
  return Math.min((input.windowMult * input.minRttUs) / 4, input.srttUs)
}

/** Marks what is lost by now. Returns when to look again, Infinity if only an acknowledgment can tell more. */
export function detectLosses(recovery: Recovery, input: RackInput): number {
  const windowUs = reorderWindowUs(recovery, input)
  let nextUs = Infinity
  recovery.board.loseWhere((run, sackedAbove) => {
    if (run.kind === HOLE && sackedAbove === 0) return false
    const dueUs = run.kind === HOLE ? holeDueUs(run, sackedAbove, windowUs, input) : resentDueUs(run, recovery, windowUs, input)
    if (dueUs <= input.nowUs) return true
    nextUs = Math.min(nextUs, dueUs)
    return false
  })
  return nextUs
}

/** What lies below was sent before what has arrived; RFC 6675 counts, RACK waits. */
function holeDueUs(run: Run, sackedAbove: number, windowUs: number, input: RackInput): number {
  if (!input.reorderSeen && sackedAbove >= DUPLICATE_THRESHOLD * input.mss) return input.nowUs
  return run.atUs + windowUs
}

/** A retransmission is lost if something sent after it has arrived and a round trip has passed (RFC 8985, 6.2 step 5). */
function resentDueUs(run: Run, recovery: Recovery, windowUs: number, input: RackInput): number {
  if (run.kind !== RESENT) return Infinity
  const isOvertaken = seqLt(run.mark, recovery.lastOriginal) || recovery.lastResentUs > run.atUs
  return isOvertaken ? run.atUs + input.srttUs + windowUs : Infinity
}
