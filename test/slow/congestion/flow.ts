/** A flow as algorithms see it, played by a test. */
import type { Algorithm, Flow, FlowControl } from '../../../service/slow/congestion/algorithm.js'
import { FlowView } from '../../../service/slow/congestion/state.js'

/** Payload of a full segment; with headers from IP on it is 1500 bytes. */
export const MSS = 1448

/** A flow of 100 us with ten segments of window, everything else at its beginning. */
export function newFlow(values: Partial<Flow> = {}): FlowView {
  return Object.assign(new FlowView(), { nowUs: 1_000_000, mss: MSS, rttUs: 100, minRttUs: 100, cwndBytes: 10 * MSS, ...values })
}

/** Starts `algorithm` on a new flow. */
export function begin(algorithm: Algorithm, values: Partial<Flow> = {}): { readonly flow: FlowView; readonly control: FlowControl } {
  const flow = newFlow(values)
  return { flow, control: algorithm.create(flow) }
}

/** An interval of `intervalUs` in which the flow was held back and `ackedBytes` were acknowledged; then a decision. */
export function interval(control: FlowControl, flow: FlowView, values: Partial<Flow> & { readonly ackedBytes: number }): void {
  const intervalUs = values.intervalUs ?? 200
  const counts = { losses: 0, timeouts: 0, retransmits: 0, ecnBytes: 0, isLimited: true, ...values }
  Object.assign(flow, counts, {
    intervalUs, nowUs: flow.nowUs + intervalUs, totalAckedBytes: flow.totalAckedBytes + values.ackedBytes,
    totalEcnBytes: flow.totalEcnBytes + counts.ecnBytes,
  })
  control.update(flow)
}

/** Bytes of payload that `kbps` carries in `us`, in full segments of 1500 bytes. */
export function carried(kbps: number, us: number): number {
  return (kbps * us * MSS) / (8000 * (MSS + 52))
}
