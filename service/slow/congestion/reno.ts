/** Reno (RFC 5681): slow start, then one segment more in each round trip; half of what is in flight after a loss. */
import type { Algorithm, Flow, FlowControl } from './algorithm.js'
import { growthCredit, halfOfFlight, slowStart } from './bounds.js'

/** Congestion avoidance by bytes (RFC 5681, 3.1, equation 3; RFC 3465, 2.1). Also how DCTCP grows (RFC 8257, 3.4). */
export function avoidCongestion(flow: Flow): void {
  flow.cwndBytes += Math.max(1, Math.floor((growthCredit(flow) * flow.mss) / flow.cwndBytes))
}

const control: FlowControl = {
  update(flow: Flow): void {
    if (!slowStart(flow)) avoidCongestion(flow)
  },
  onLoss: halfOfFlight,
}

/** Reno has no memory beyond window and threshold, so that all flows share one. */
export const reno: Algorithm = { name: 'reno', looks: 'limited', create: () => control }
