/**
 * Pages of buffers that nobody has: they are kept for a while, since the next connection gets the piece that was freed last and
 * finds it in a cache, and then given back to the machine, a few pieces at a time.
 */
import { BUFFER_UNIT_BYTES } from '../../lib/memif/index.js'
import type { BufferAllocator } from './buffers.js'
import { Timer, type Timers } from './timers.js'

/** How long, microseconds. */
const KEEP_US = 5_000_000
/** Pieces in one go, and the time to the next, so that nobody waits for the slow path meanwhile. */
const PIECES_AT_ONCE = 64
const BETWEEN_US = 1_000

/** What giving pages back needs. */
export interface FreePagesEnv {
  readonly timers: Timers
  readonly nowUs: () => number
  /** Gives the pages of bytes `fromByte` on back; they read as zeros. Null: nothing is given back. */
  readonly discard: ((fromByte: number, lenBytes: number) => void) | null
}

export class FreePages {
  private readonly env: FreePagesEnv
  private readonly buffers: BufferAllocator
  private readonly timer = new Timer(() => this.giveBack())
  /** Pieces of this round that are still to be given back. */
  private left = 0

  constructor(env: FreePagesEnv, buffers: BufferAllocator) {
    this.env = env
    this.buffers = buffers
  }

  /** A piece has become free. */
  freed(): void {
    if (this.env.discard === null || this.timer.isSet || this.buffers.dirtyPieces === 0) return
    this.env.timers.set(this.timer, this.env.nowUs() + KEEP_US)
  }

  /** Gives the pages of a piece back at once. Nobody may be using it. */
  discard(place: number, bytes: number): void {
    this.env.discard?.(place * BUFFER_UNIT_BYTES, bytes)
  }

  /** The region is gone. */
  stop(): void {
    this.env.timers.cancel(this.timer)
  }

  private giveBack(): void {
    if (this.left <= 0) this.left = this.buffers.dirtyPieces
    const pieces = this.buffers.takeDirty(Math.min(this.left, PIECES_AT_ONCE))
    for (const [place, bytes] of pieces) this.discard(place, bytes)
    this.left -= Math.max(pieces.length, 1)
    if (this.buffers.dirtyPieces === 0) this.left = 0
    else this.env.timers.set(this.timer, this.env.nowUs() + (this.left > 0 ? BETWEEN_US : KEEP_US))
  }
}
