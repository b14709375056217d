/** A constant rate whatever happens (--cc=const-rate): no congestion control, for debugging and measurements. */
import type { Algorithm, Flow, FlowControl } from './algorithm.js'
import { SSTHRESH_NONE } from './bounds.js'

class ConstantRate implements FlowControl {
  private readonly rateKbps: number

  constructor(rateKbps: number, flow: Flow) {
    this.rateKbps = rateKbps
    this.update(flow)
  }

  /** The window is no limit: what the transmit buffer holds bounds it. */
  update(flow: Flow): void {
    flow.cwndBytes = SSTHRESH_NONE
    flow.rateKbps = this.rateKbps
  }

  onLoss(flow: Flow): number {
    return flow.cwndBytes
  }

  onEcho(): void {}

  onIdle(): void {}
}

/** All flows send `rateKbps`, --cc-const-rate; 0 for no limit. */
export function constRate(rateKbps: number): Algorithm {
  return { name: 'const-rate', looks: 'limited', create: (flow) => new ConstantRate(rateKbps, flow) }
}
