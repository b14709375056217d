/**
 * How a side that waits is woken, without a wake-up ever being lost.
 *
 * A waiting side owns one word ("sleeping") and one eventfd. The word counts: it is odd during a sleep, even otherwise.
 *
 *   sleeper: sleeping += 1, odd  ->  look at every ring once more  ->  nothing? block on the eventfd
 *            (anything there, or woken)  ->  sleeping += 1, even
 *   waker:   publish the ring's tail  ->  sleeping odd, and another than when it rang last?  ->  write the eventfd
 *
 * Both sides store first and load second, each with sequentially consistent Atomics, so at least
 * one of them sees the other. A waker writes once for each sleep, however long the sleeper takes to get a CPU: a write costs 0.4 us.
 * Several wakers may write once each; that is harmless.
 *
 * The words of slow path and workers stand in the doorbell page, which applications map read-only;
 * an application context's word stands in its own region.
 */
import { CACHE_LINE_WORDS, WORKERS_MAX } from './layout.js'

/** Bytes of the doorbell page. */
export const DOORBELL_PAGE_BYTES = 4096

/** Word of the slow path's sleeping mark in the doorbell page. */
export const DOORBELL_SLOW = 0

/** Word of worker `worker`'s sleeping mark in the doorbell page, on a cache line of its own. */
export function doorbellWord(worker: number): number {
  if (worker < 0 || worker >= WORKERS_MAX) throw new RangeError(`worker ${worker}: 0 to ${WORKERS_MAX - 1}`)
  return (worker + 1) * CACHE_LINE_WORDS
}

/** Something that can be woken: an eventfd, or a callback in a simulation. */
export interface Wakeable {
  wake(): void
}

/** The waker's view of a sleeping side. */
export class Doorbell {
  /** How often this side was really woken. */
  rings = 0
  private readonly words: Int32Array
  private readonly word: number
  private readonly target: Wakeable
  /** The sleep that this waker has ended. */
  private ended = 0

  constructor(words: Int32Array, word: number, target: Wakeable) {
    this.words = words
    this.word = word
    this.target = target
  }

  /** Whether that side sleeps now. */
  get isAsleep(): boolean {
    return (Atomics.load(this.words, this.word) & 1) !== 0
  }

  /** Call after publishing: wakes the other side if it sleeps. About 8 ns when it does not. Returns whether it had to be woken. */
  ring(): boolean {
    const sleep = Atomics.load(this.words, this.word)
    if ((sleep & 1) === 0 || sleep === this.ended) return false
    this.ended = sleep
    this.rings++
    this.target.wake()
    return true
  }
}

/** The sleeper's own mark. */
export class SleepMark {
  private readonly words: Int32Array
  private readonly word: number

  constructor(words: Int32Array, word: number) {
    this.words = words
    this.word = word
  }

  /** From here on wakers write the eventfd. Look at all rings once more before blocking. Also ends the sleep of one who died in it. */
  set(): void {
    Atomics.store(this.words, this.word, (this.words[this.word] + 1) | 1)
  }

  clear(): void {
    Atomics.store(this.words, this.word, (this.words[this.word] + 1) & ~1)
  }
}
