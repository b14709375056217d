/** Draws from a seeded generator that scenarios are made of. */
import { SeededRandom } from '../random.js'

export class Draw extends SeededRandom {
  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]
  }

  /** Every order of magnitude alike; `least` is above 0. */
  log(least: number, most: number): number {
    return least * (most / least) ** this.fraction()
  }

  /** The same as an integer. */
  logInt(least: number, most: number): number {
    return Math.round(this.log(least, most))
  }

  /** Power of two from 2^least to 2^most. */
  power(least: number, most: number): number {
    return 2 ** (least + this.below(most - least + 1))
  }

  /** `make()` with probability `p`, otherwise `otherwise`. */
  sometimes<T>(p: number, make: () => T, otherwise: T): T {
    return this.chance(p) ? make() : otherwise
  }

  /** What `make` makes with probability `p`, otherwise nothing. */
  maybe<T extends object>(p: number, make: () => T): Partial<T> {
    return this.chance(p) ? make() : {}
  }
}
