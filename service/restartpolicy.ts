/** When a worker that died is started again, and when to give up. */

/** Deaths within this time count together, in milliseconds. */
const WINDOW_MS = 10_000
/** So many of them are too many. */
const DEATHS_MAX = 5
/** Wait before the first new start, in milliseconds; doubles with every further death in the window. */
const FIRST_DELAY_MS = 50

/** Counts the deaths of one worker. */
export class RestartPolicy {
  private deathsMs: number[] = []

  /** The worker died at `nowMs`. Returns how many milliseconds to wait before starting it again, or -1 to give up. */
  died(nowMs: number): number {
    this.deathsMs = [...this.deathsMs.filter((at) => nowMs - at < WINDOW_MS), nowMs]
    if (this.deathsMs.length >= DEATHS_MAX) return -1
    return FIRST_DELAY_MS * 2 ** (this.deathsMs.length - 1)
  }
}
