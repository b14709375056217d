/** Proportional rate reduction (RFC 6937, 3, with the slow-start reduction bound): how much may be sent for an acknowledgment. */
import { seqDiff } from '../../../lib/wire/index.js'
import type { Recovery } from './state.js'

/** Recovery begins with `flightBytes` outstanding; `sndMax` is SND.MAX now. */
export function beginReduction(recovery: Recovery, flightBytes: number, sndMax: number): void {
  recovery.prrFlight = Math.max(flightBytes, 1)
  recovery.prrDelivered = 0
  recovery.prrResent = 0
  recovery.prrMark = sndMax
}

/** Bytes that may be sent now. `deliveredBytes` is what the acknowledgment has delivered, `pipe` what is in flight. */
export function reductionBudget(
  recovery: Recovery, deliveredBytes: number, pipe: number, ssthresh: number, sndMax: number, mss: number,
): number {
  recovery.prrDelivered += deliveredBytes
  const out = recovery.prrResent + Math.max(seqDiff(sndMax, recovery.prrMark), 0)
  if (pipe > ssthresh) return Math.ceil((recovery.prrDelivered * ssthresh) / recovery.prrFlight) - out
  const limit = Math.max(recovery.prrDelivered - out, deliveredBytes) + mss
  return Math.min(ssthresh - pipe, limit)
}
