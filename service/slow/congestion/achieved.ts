/** The rate that a flow has really had, which bounds the rate that it may have (TAS, EuroSys 2019, 3.2). */
import type { Flow } from './algorithm.js'
import { rateOf } from './bounds.js'

/** A rate may be this much above what was achieved: room to grow, no more. */
const HEADROOM = 1.2
/** Weight of the present interval in the average: one without acknowledgments says little. */
const WEIGHT = 1 / 8

export class AchievedRate {
  /** kbit/s, 0: not known yet. */
  kbps = 0
  private average = 0
  private isFirst = true

  /**
   * An interval has ended. The first after a start says nothing, since for its first round trip nothing can be acknowledged; nor does
   * one in which the flow was not held back, since it sent less than it might have.
   */
  note({ ackedBytes, intervalUs, isLimited, mss }: Flow): void {
    const isFirst = this.isFirst
    this.isFirst = false
    if (isFirst || !isLimited || intervalUs <= 0) return
    const nowKbps = rateOf(ackedBytes, intervalUs, mss)
    this.average = this.average === 0 ? nowKbps : this.average + (nowKbps - this.average) * WEIGHT
    this.kbps = Math.max(nowKbps, this.average)
  }

  /** The flow starts anew. */
  forget(): void {
    this.kbps = 0
    this.average = 0
    this.isFirst = true
  }

  /** `rateKbps`, but not far beyond what was achieved. */
  bound(rateKbps: number): number {
    return this.kbps === 0 ? rateKbps : Math.min(rateKbps, HEADROOM * this.kbps)
  }
}
