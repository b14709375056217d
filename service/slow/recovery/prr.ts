/** Proportional rate reduction (RFC 6937, 3, with the slow-start reduction bound): how much may be sent for an acknowledgment. */
import { seqDiff } from '../../../lib/wire/index.js'
import type { Recovery } from './state.js'

/**
 * Something arrives out of order: what is delivered, and sent, from here on counts. RFC 6937 begins with the loss; but where a hole becomes one by
 * time, all behind it may have arrived by then, and nothing would be left whose acknowledgment allows anything to be sent: should
 * the retransmission be lost as well, only a timeout helps. `sndMax` is SND.MAX now.
 */
export function beginDisorder(recovery: Recovery, sndMax: number): void {
  recovery.prrDelivered = 0
  recovery.prrResent = 0
  recovery.prrMark = sndMax
}

/** Recovery begins with `flightBytes` outstanding. */
export function beginReduction(recovery: Recovery, flightBytes: number): void {
  recovery.prrFlight = Math.max(flightBytes, 1)
}

/** Bytes that may be sent now. `deliveredBytes` is what the acknowledgment has delivered, `pipe` what is in flight. */
export function reductionBudget(
  recovery: Recovery, deliveredBytes: number, pipe: number, ssthresh: number, sndMax: number, mss: number,
): number {
  const out = recovery.prrResent + Math.max(seqDiff(sndMax, recovery.prrMark), 0)
  if (pipe > ssthresh) return Math.ceil((recovery.prrDelivered * ssthresh) / recovery.prrFlight) - out
  const limit = Math.max(recovery.prrDelivered - out, deliveredBytes) + mss
  return Math.min(ssthresh - pipe, limit)
}
