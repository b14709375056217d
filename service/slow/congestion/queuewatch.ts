/** Whether a flow's path has a queue that congestion control keeps, and how long a round trip over it is on average. */

/** Intervals without a sign of a queue after which there is none: more than lie between two signs where few flows share a port. */
const QUIET_INTERVALS = 64
/** Weight of an interval's round-trip time in the average: slow enough that a bump of the queue does not make room for itself. */
const WEIGHT = 1 / 16

export class QueueWatch {
  /** Average round-trip time, microseconds; 0 before the first measurement. */
  averageRttUs = 0
  /** Intervals in a row without a sign of a queue. */
  quietIntervals = 0
  private hasShown = false

  /** An interval has ended with a round-trip time of `rttUs`; `isSign`: something showed a queue. */
  note(rttUs: number, isSign: boolean): void {
    this.quietIntervals = isSign ? 0 : this.quietIntervals + 1
    if (isSign) this.hasShown = true
    if (rttUs > 0) this.averageRttUs = this.averageRttUs === 0 ? rttUs : this.averageRttUs + (rttUs - this.averageRttUs) * WEIGHT
  }

  /** There is a queue now, or was one not long ago. */
  get isThere(): boolean {
    return this.hasShown && this.averageRttUs > 0 && this.quietIntervals < QUIET_INTERVALS
  }

  /** The flow starts anew. */
  forget(): void {
    this.averageRttUs = 0
    this.quietIntervals = 0
    this.hasShown = false
  }
}
