/**
 * When to spin before sleeping. Waking a sleeping process takes about 43 us, spinning hands over in less than one, but a
 * spinning process may hold the CPU that the other side needs. Hence: spin for a short time, offer the CPU at each
 * turn (sched_yield), and stop at once when somebody else wants it.
 */

/** Spin only if the last wait was no longer than this: what is rare is not worth the CPU. */
const SHORT_WAIT_US = 200
/** An offer of the CPU that takes longer has met a CPU-bound neighbour. */
const NEIGHBOUR_US = 1_000
const BACKOFF_MIN_US = 2_000
const BACKOFF_MAX_US = 128_000
/** Undisturbed waits after which an earlier neighbour is forgotten. */
const GOOD_SPINS = 256

/** Longest spin that paid on two CPUs, unless an option says otherwise. */
export const DEFAULT_SPIN_US = 50

/** Decides about spinning from how earlier waits went. All times in microseconds of one monotonic clock. */
export class SpinPolicy {
  private readonly spinUs: number
  private startUs = 0
  private lastWaitUs = 0
  private backoffUs = BACKOFF_MIN_US
  private backoffUntilUs = 0
  private good = 0

  /** `spinUs` is the longest spin; 0 for none at all. */
  constructor(spinUs: number = DEFAULT_SPIN_US) {
    this.spinUs = spinUs
  }

  /**
   * A wait begins. `knownUs`: so soon something will have to be done whatever comes, -1 if that is not known. Returns whether to spin at all.
   */
  begin(nowUs: number, knownUs = -1): boolean {
    this.startUs = nowUs
    return this.spinUs > 0 && (this.lastWaitUs <= SHORT_WAIT_US || this.isNear(knownUs)) && nowUs >= this.backoffUntilUs
  }

  /** Blocking takes as long as the longest spin: what is nearer would be late. */
  private isNear(knownUs: number): boolean {
    return knownUs >= 0 && knownUs <= this.spinUs
  }

  /** After each turn: `tookUs` is how long the offer of the CPU took; `knownUs` as above. Returns whether to go on. */
  again(nowUs: number, tookUs: number, knownUs = -1): boolean {
    if (tookUs > NEIGHBOUR_US) {
      this.backoffUntilUs = nowUs + this.backoffUs
      this.backoffUs = Math.min(this.backoffUs * 2, BACKOFF_MAX_US)
      this.good = 0
      return false
    }
    return nowUs - this.startUs < this.spinUs || this.isNear(knownUs)
  }

  /** The wait is over and nothing has come; what was known of needed no spinning. */
  endUnanswered(): void {
    this.lastWaitUs = Infinity
  }

  /** The wait is over: something came. */
  end(nowUs: number, bySpinning: boolean): void {
    this.lastWaitUs = nowUs - this.startUs
    if (!bySpinning) return
    if (++this.good < GOOD_SPINS) return
    this.good = 0
    this.backoffUs = BACKOFF_MIN_US
  }
}
