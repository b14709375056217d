/**
 * Shares groups out anew when one worker has much more to do than another, though each has as many groups: a few busy connections
 * may be in the same ones. Slow on purpose, since each change costs: not before a second of it, and only for a gain worth having.
 *
 *   loads of workers uneven for UNEVEN_US -> look at the busiest one's groups for SAMPLE_US -> move some to the idlest, or, where that is no
 *   gain (a single group is all the load), leave it
 */
import type { GroupLoads } from './grouploads.js'
import type { Steering } from './steering.js'

/** Uneven: the busiest worker is busy for this share of its time, and so much more than the idlest. */
const HOT_LOAD = 0.7
const UNEVEN_LOAD = 0.25
export const UNEVEN_US = 1_000_000
export const SAMPLE_US = 5_000
/** Least gain in the difference of both, of a change and of each group that it moves. */
const GAIN_MIN = 0.1
const GROUP_GAIN_MIN = 0.02
/** Gain that is too much, as a factor of the difference: it then is as large as half of it before, the other way round. */
const TIP_MAX = 1.5
/** Groups that move at once. */
const MOVES_MAX = 16

/**
 * The table that gives groups of worker `hot` to worker `cool` so that their loads differ less, or null if that would gain too little.
 * `groupLoads` are loads of groups in any unit; `loads` are those of workers, shares of their time.
 */
export function balanceGroups(
  table: Uint8Array, groupLoads: ArrayLike<number>, loads: ArrayLike<number>, hot: number, cool: number,
): Uint8Array | null {
  const groups = [...table.keys()].filter((group) => table[group] === hot)
  const total = groups.reduce((sum, group) => sum + groupLoads[group], 0)
  if (total === 0) return null
  const gainOf = (group: number): number => 2 * (groupLoads[group] / total) * loads[hot]
  const next = table.slice()
  const gap = loads[hot] - loads[cool]
  let left = gap
  let moves = 0
  const move = (group: number): void => {
    next[group] = cool
    left = Math.abs(left - gainOf(group))
    moves++
  }
  // The heaviest first, and first those after which the other worker has not more to do.
  groups.sort((a, b) => groupLoads[b] - groupLoads[a])
  for (const group of groups) {
    if (gainOf(group) < GROUP_GAIN_MIN || moves === MOVES_MAX) break
    if (gainOf(group) <= left + GROUP_GAIN_MIN / 2) move(group)
  }
  // One more that tips the scales, but only to where they are half as uneven at most: groups would go back and forth.
  const last = groups.find((group) => next[group] === hot && gainOf(group) <= left * TIP_MAX)
  if (last !== undefined && gainOf(last) > left && moves < MOVES_MAX) move(last)
  return gap - left >= GAIN_MIN ? next : null
}

export class Balancer {
  private readonly steering: Pick<Steering, 'copyTable' | 'change'>
  private readonly groupLoads: Pick<GroupLoads, 'begin' | 'end'>
  /** Since when loads are uneven; the worker whose groups are being looked at, -1: none, and since when. */
  private unevenSinceUs = Infinity
  private sampled = -1
  private sampledSinceUs = 0

  constructor(steering: Pick<Steering, 'copyTable' | 'change'>, groupLoads: Pick<GroupLoads, 'begin' | 'end'>) {
    this.steering = steering
    this.groupLoads = groupLoads
  }

  /** Somebody else has changed the table. */
  reset(): void {
    this.unevenSinceUs = Infinity
    this.sampled = -1
  }

  /** Looks at the first `active` of `loads`, shares of workers' time over half a second or so. To be called every few milliseconds under load. */
  look(nowUs: number, loads: Float64Array, active: number): void {
    const used = loads.subarray(0, active)
    const [hot, cool] = [used.indexOf(Math.max(...used)), used.indexOf(Math.min(...used))]
    if (active < 2 || used[hot] < HOT_LOAD || used[hot] - used[cool] < UNEVEN_LOAD) return this.reset()
    this.unevenSinceUs = Math.min(this.unevenSinceUs, nowUs)
    if (nowUs - this.unevenSinceUs < UNEVEN_US) return
    if (this.sampled !== hot) {
      this.sampled = hot
      this.sampledSinceUs = nowUs
      this.groupLoads.begin(hot)
    } else if (nowUs - this.sampledSinceUs >= SAMPLE_US) {
      const next = balanceGroups(this.steering.copyTable(), this.groupLoads.end(), used, hot, cool)
      // Also where there is no gain: it is looked into again after a while.
      this.sampled = -1
      this.unevenSinceUs = nowUs
      if (next !== null) this.steering.change(next)
    }
  }
}
