/** CUBIC (RFC 9438): slow start until something is lost, then a window that follows the cube of the time since. */
import type { Algorithm, Flow, FlowControl } from './algorithm.js'
import { growthCredit, leastThreshold, slowStart } from './bounds.js'

/** Multiplicative decrease factor (RFC 9438, 4.6). */
const BETA = 0.7
/** Segments per second cubed (RFC 9438, 5.1). */
const C = 0.4
/** Additive increase of a Reno flow with the same average as BETA (RFC 9438, 4.3). */
const ALPHA = (3 * (1 - BETA)) / (1 + BETA)

class Cubic implements FlowControl {
  /** Window before the last reduction, bytes. */
  private wMax = 0
  /** When congestion avoidance began again, 0: not yet. */
  private epochUs = 0
  /** Seconds from then until the window is wMax again. */
  private k = 0
  /** What a Reno flow would have, bytes. */
  private wEst = 0
  private cwndPrior = 0
  private readonly rttInitUs: number

  constructor(rttInitUs: number) {
    this.rttInitUs = rttInitUs
  }

  update(flow: Flow): void {
    if (!slowStart(flow)) this.avoidCongestion(flow)
  }

  /** RFC 9438, 4.6 and 4.7 (fast convergence). */
  onLoss({ cwndBytes, mss }: Flow): number {
    this.epochUs = 0
    this.wMax = cwndBytes < this.wMax ? (cwndBytes * (1 + BETA)) / 2 : cwndBytes
    this.cwndPrior = cwndBytes
    return Math.max(Math.floor(cwndBytes * BETA), leastThreshold(mss))
  }

  onUndo(): void {
    this.epochUs = 0
    this.wMax = Math.max(this.wMax, this.cwndPrior)
  }

  /** RFC 9438, 4.2 to 4.5. */
  private avoidCongestion(flow: Flow): void {
    const { cwndBytes: cwnd, mss, nowUs } = flow
    const acked = growthCredit(flow)
    if (this.epochUs === 0) this.begin(cwnd, mss, nowUs)
    const seconds = (nowUs - this.epochUs + (flow.rttUs || this.rttInitUs)) / 1e6
    const cubic = C * (seconds - this.k) ** 3 * mss + this.wMax
    const alpha = this.wEst >= this.cwndPrior ? 1 : ALPHA
    this.wEst += (alpha * acked * mss) / cwnd
    const target = Math.min(Math.max(cubic, cwnd), 1.5 * cwnd)
    const grown = cwnd + ((target - cwnd) * acked) / cwnd
    flow.cwndBytes = Math.floor(Math.max(grown, this.wEst))
  }

  private begin(cwnd: number, mss: number, nowUs: number): void {
    this.epochUs = nowUs
    if (cwnd < this.wMax) this.k = Math.cbrt((this.wMax - cwnd) / mss / C)
    else {
      this.k = 0
      this.wMax = cwnd
    }
    this.wEst = cwnd
  }
}

/** CUBIC; `rttInitUs` is taken for the round-trip time as long as there is no measurement. */
export function cubic(rttInitUs: number): Algorithm {
  return { name: 'cubic', looks: 'limited', create: () => new Cubic(rttInitUs) }
}
