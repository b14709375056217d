/**
 * A congestion control of one's own: as much as the path takes without a queue. Slow start and additive increase like Reno's, but what
 * makes the window smaller is delay above the least round-trip time. Started with
 *
 *   tas --cc=./dist/examples/delay-aimd.js ...
 */
import type { Algorithm, Flow, FlowControl } from 'tasjs/congestion'

/** So much queueing delay is congestion, microseconds; what is left of the window then. */
const QUEUE_US = 1000
const DECREASE = 0.85

class DelayAimd implements FlowControl {
  update(flow: Flow): void {
    if (flow.rttUs - flow.minRttUs > QUEUE_US) {
      flow.cwndBytes = Math.max(flow.cwndBytes * DECREASE, 2 * flow.mss)
      flow.ssthreshBytes = flow.cwndBytes
    } else if (flow.isLimited) {
      const acked = Math.min(flow.ackedBytes, flow.cwndBytes)
      flow.cwndBytes += flow.cwndBytes < flow.ssthreshBytes ? acked : (acked * flow.mss) / flow.cwndBytes
    }
  }

  onLoss(flow: Flow): number {
    return Math.max(flow.inFlightBytes / 2, 2 * flow.mss)
  }
}

const algorithm: Algorithm = { name: 'delay-aimd', looks: 'interval', create: () => new DelayAimd() }
export default algorithm
