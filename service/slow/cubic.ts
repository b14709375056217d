/** CUBIC (RFC 9438): how the congestion window grows in congestion avoidance, and what a loss leaves of it. */

/** Multiplicative decrease factor (RFC 9438, 4.6). */
const BETA = 0.7
/** Segments per second cubed (RFC 9438, 5.1). */
const C = 0.4
/** Additive increase of a Reno flow with the same average as BETA (RFC 9438, 4.3). */
const ALPHA = (3 * (1 - BETA)) / (1 + BETA)

export class Cubic {
  /** Window before the last reduction, bytes. */
  private wMax = 0
  /** When congestion avoidance began again, 0: not yet. */
  private epochUs = 0
  /** Seconds from then until the window is wMax again. */
  private k = 0
  /** What a Reno flow would have, bytes. */
  private wEst = 0
  private cwndPrior = 0

  /** A loss with window `cwnd`: returns ssthresh (RFC 9438, 4.6 and 4.7, fast convergence). Bytes. */
  reduce(cwnd: number, mss: number): number {
    this.epochUs = 0
    this.wMax = cwnd < this.wMax ? (cwnd * (1 + BETA)) / 2 : cwnd
    this.cwndPrior = cwnd
    return Math.max(Math.floor(cwnd * BETA), 2 * mss)
  }

  /** The reduction had no reason. */
  restore(): void {
    this.epochUs = 0
    this.wMax = Math.max(this.wMax, this.cwndPrior)
  }

  /** New window after `acked` bytes in congestion avoidance (RFC 9438, 4.2 to 4.5). Bytes and microseconds. */
  grow(cwnd: number, acked: number, mss: number, rttUs: number, nowUs: number): number {
    if (this.epochUs === 0) this.begin(cwnd, mss, nowUs)
    const seconds = (nowUs - this.epochUs + rttUs) / 1e6
    const cubic = C * (seconds - this.k) ** 3 * mss + this.wMax
    const alpha = this.wEst >= this.cwndPrior ? 1 : ALPHA
    this.wEst += (alpha * acked * mss) / cwnd
    const target = Math.min(Math.max(cubic, cwnd), 1.5 * cwnd)
    const grown = cwnd + ((target - cwnd) * acked) / cwnd
    return Math.floor(Math.max(grown, this.wEst))
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
