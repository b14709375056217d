/**
 * Which blocks an acknowledgment reports (RFC 2018, 4; RFC 2883, 4). The first is the interval with the segment that
 * came last, then those that changed most recently before; a duplicate stands in front of all.
 *
 * A pass may have changed more intervals than one option holds. Then several acknowledgments go out, the earlier changes in
 * the first of them, as if each had been sent when its segments came.
 */
import { swap32 } from './bytes.js'
import { INTERVAL_ARRIVAL, INTERVAL_END, INTERVAL_START, INTERVAL_WORDS, PLACE_WORDS, type Reassembly } from './reassembly.js'

/** Blocks that fit into 40 bytes of options, without timestamps and with them (RFC 2018, 3). */
export const BLOCKS_MAX = 4
export const BLOCKS_MAX_TIMESTAMPS = 3

export class SackBlocks {
  private readonly held: Reassembly
  /** For each flow: changes up to this arrival have been reported. */
  private readonly reported: Int32Array

  constructor(held: Reassembly, flows: number) {
    this.held = held
    this.reported = new Int32Array(flows)
  }

  /** Begins anew: a flow that is new or another worker's before. After Reassembly.reset. */
  reset(flow: number): void {
    this.reported[flow] = this.held.arrival
  }

  private arrival(flow: number, index: number): number {
    return this.held.list[flow * PLACE_WORDS + index * INTERVAL_WORDS + INTERVAL_ARRIVAL]
  }

  /** Intervals that have changed since they were last reported. */
  private unreported(flow: number): number {
    const count = this.held.counts[flow]
    const reported = this.reported[flow]
    let changed = 0
    for (let index = 0; index < count; index++) if (((this.arrival(flow, index) - reported) | 0) > 0) changed++
    return changed
  }

  private isTwice(flow: number): boolean {
    return this.held.twiceFrom[flow] !== this.held.twiceTo[flow]
  }

  /** Acknowledgments needed to report everything new, at least one. `most` are the blocks of one. */
  acksNeeded(flow: number, most: number): number {
    const blocks = this.unreported(flow) + (this.isTwice(flow) ? 1 : 0)
    return blocks <= most ? 1 : Math.ceil(blocks / most)
  }

  /**
   * Writes edges of up to `most` blocks in network byte order at `words[at]` and books them as reported. Returns how many.
   */
  write(flow: number, words: Int32Array, at: number, most: number): number {
    const changed = this.unreported(flow)
    let blocks = 0
    // A duplicate goes with the latest changes, so that the block that contains it comes second (RFC 2883, 4.2.2).
    if (this.isTwice(flow) && changed < most) blocks = this.writeTwice(flow, words, at)
    const upTo = this.lastReportedNow(flow, Math.min(changed, most))
    this.reported[flow] = upTo
    let below = (upTo + 1) | 0
    while (blocks < most) {
      const index = this.latestBelow(flow, below)
      if (index < 0) break
      const interval = flow * PLACE_WORDS + index * INTERVAL_WORDS
      words[at + blocks * 2] = swap32(this.held.list[interval + INTERVAL_START])
      words[at + blocks * 2 + 1] = swap32(this.held.list[interval + INTERVAL_END])
      below = this.held.list[interval + INTERVAL_ARRIVAL]
      blocks++
    }
    return blocks
  }

  private writeTwice(flow: number, words: Int32Array, at: number): number {
    const { held } = this
    words[at] = swap32(held.twiceFrom[flow])
    words[at + 1] = swap32(held.twiceTo[flow])
    held.forgetTwice(flow)
    return 1
  }

  /** The arrival up to which everything is reported once the `turns` earliest unreported changes are. */
  private lastReportedNow(flow: number, turns: number): number {
    let last = this.reported[flow]
    for (let turn = 0; turn < turns; turn++) last = this.earliestAbove(flow, last)
    return last
  }

  private earliestAbove(flow: number, arrival: number): number {
    const count = this.held.counts[flow]
    let least = 0x7fffffff
    for (let index = 0; index < count; index++) {
      const later = (this.arrival(flow, index) - arrival) | 0
      if (later > 0 && later < least) least = later
    }
    return (arrival + least) | 0
  }

  /** Index of the interval that changed last before arrival `below`, or -1. */
  private latestBelow(flow: number, below: number): number {
    const count = this.held.counts[flow]
    let found = -1
    let least = 0x7fffffff
    for (let index = 0; index < count; index++) {
      const earlier = (below - this.arrival(flow, index)) | 0
      if (earlier <= 0 || earlier >= least) continue
      least = earlier
      found = index
    }
    return found
  }
}
