/**
 * How many workers are used: decided from their load alone. Up as soon as one of them is busy nearly all the time, down
 * when the rest could well do it for seconds, so that the number does not go up and down with every burst:
 *
 *   up     one worker's load, over some milliseconds, at UP_LOAD       -> one more, then nothing for SETTLE_US
 *   down   all loads together below DOWN_LOAD of what one worker less could do, for DOWN_US -> one less
 *   vain   one more was no help: the new one has nothing to do, and one is as busy as before (a single connection, say)
 *          -> back, and no other try for VAIN_US
 */

/** Share of its time that a worker is busy; and what is aimed at when one is taken away. */
export const UP_LOAD = 0.9
export const DOWN_LOAD = 0.6
const IDLE_LOAD = 0.05
/** Steering anew takes up to 40 ms, and connections follow it. */
export const SETTLE_US = 100_000
export const DOWN_US = 2_000_000
export const VAIN_US = 10_000_000
/** Time constants of the loads that are looked at for going up, where 12 ms of work reach UP_LOAD from nothing, and for going down. */
const FAST_US = 5_000
const SLOW_US = 250_000

export class ScalePolicy {
  private readonly max: number
  private readonly loads: Float64Array
  private readonly slowLoads: Float64Array
  private lookedUs = -1
  private changedUs = -Infinity
  private hasGrown = false
  /** Since when one worker less would do. */
  private lowSinceUs = Infinity
  private vainUntilUs = -Infinity

  /** At most `max` workers. */
  constructor(max: number) {
    this.max = max
    this.loads = new Float64Array(max)
    this.slowLoads = new Float64Array(max)
  }

  /**
   * `busyShares` are the shares of the time since the last look that workers have been busy, of which `active` are used; above 1 where a
   * worker has now counted what it did before. Returns how many are to be used: one more or less at most.
   */
  look(nowUs: number, busyShares: ArrayLike<number>, active: number): number {
    this.note(nowUs, busyShares)
    if (nowUs - this.changedUs < SETTLE_US) return active
    const wanted = this.decide(nowUs, active)
    if (wanted !== active) {
      this.changedUs = nowUs
      this.hasGrown = wanted > active
      this.lowSinceUs = Infinity
    }
    return wanted
  }

  /** Somebody else has changed the number. */
  reset(nowUs: number): void {
    this.changedUs = nowUs
    this.hasGrown = false
    this.lowSinceUs = Infinity
    this.vainUntilUs = -Infinity
  }

  private note(nowUs: number, busyShares: ArrayLike<number>): void {
    const passedUs = this.lookedUs < 0 ? 0 : nowUs - this.lookedUs
    this.lookedUs = nowUs
    const fastWeight = 1 - Math.exp(-passedUs / FAST_US)
    const slowWeight = 1 - Math.exp(-passedUs / SLOW_US)
    for (let worker = 0; worker < this.max; worker++) {
      this.loads[worker] += (busyShares[worker] - this.loads[worker]) * fastWeight
      this.slowLoads[worker] += (busyShares[worker] - this.slowLoads[worker]) * slowWeight
    }
  }

  private decide(nowUs: number, active: number): number {
    const hottest = Math.max(...this.loads.subarray(0, active))
    if (this.hasGrown && hottest >= UP_LOAD && this.slowLoads[active - 1] < IDLE_LOAD && active > 1) {
      this.vainUntilUs = nowUs + VAIN_US
      return active - 1
    }
    if (hottest >= UP_LOAD && active < this.max && nowUs >= this.vainUntilUs) return active + 1
    return this.lowForUs(nowUs, active) >= DOWN_US ? active - 1 : active
  }

  /** How long one worker less would have done, microseconds; 0 if it would not do now. */
  private lowForUs(nowUs: number, active: number): number {
    const sum = this.slowLoads.subarray(0, active).reduce((total, load) => total + load, 0)
    const isLow = active > 1 && sum < DOWN_LOAD * (active - 1)
    if (!isLow) this.lowSinceUs = Infinity
    else if (this.lowSinceUs === Infinity) this.lowSinceUs = nowUs
    return isLow ? nowUs - this.lowSinceUs : 0
  }
}
