/** What the two ends of a connection do, from a seed: both ends work it out for themselves. */
import { randomFor, type SeededRandom } from '../../../../tools/linkem/random.js'
import type { Reading } from './reading.js'

/** What a writer waits for between two chunks. */
export type Waiting = 'nothing' | 'drain' | 'tick' | 'promise' | 'immediate' | 'timer' | 'written'
/** How an end leaves: `end` in good order; `destroySoon` when all is written; the others at once. */
export type Leaving = 'end' | 'destroySoon' | 'destroy' | 'reset'

/** One end of a connection. */
export interface SidePlan {
  readonly chunks: readonly number[]
  readonly waiting: Waiting
  readonly reading: Reading
  readonly leaving: Leaving
  /** Leaves when it has read as much, whatever it was about to write; null: never. */
  readonly leavesAfterBytes: number | null
  /** Leaves before it has written anything. */
  readonly leavesAtOnce: boolean
  /** Opens another connection as soon as this one is there. */
  readonly opensAnother: boolean
  /** Computes as long when this one is there, so that events pile up: milliseconds. */
  readonly computesMs: number
}

export interface Plan {
  readonly client: SidePlan
  readonly server: SidePlan
}

/** Ids of connections that an end opens for another one are above. */
export const SECOND_IDS = 1_000_000

function pick<T>(random: SeededRandom, from: readonly T[]): T {
  return from[random.below(from.length)]
}

function chunksOf(random: SeededRandom): number[] {
  const count = random.below(12)
  const most = pick(random, [1, 64, 1_500, 20_000, 100_000])
  return Array.from({ length: count }, () => 1 + random.below(most))
}

function sideOf(random: SeededRandom, isOrderly: boolean, mayOpen: boolean, isStormy: boolean): SidePlan {
  const chunks = chunksOf(random)
  const waiting = pick<Waiting>(random, ['nothing', 'drain', 'tick', 'promise', 'immediate', 'timer', 'written'])
  const reading = pick<Reading>(random, ['data', 'pauses', 'iterator', 'readable', 'once', 'pipe'])
  const leaving = pick<Leaving>(random, isStormy ? ['reset'] : ['end', 'destroySoon', 'destroy', 'reset'])
  const leavesAfterBytes = random.chance(0.3) ? 1 + random.below(10_000) : null
  const [isDeaf, leavesAtOnce] = [random.chance(0.1), random.chance(isStormy ? 0.5 : 0.2)]
  const opensAnother = mayOpen && random.chance(isStormy ? 0.6 : 0.3)
  const computesMs = random.chance(0.1) ? random.below(isStormy ? 100 : 10) : 0
  if (isOrderly) return { chunks, waiting, reading, leaving: 'end', leavesAfterBytes: null, leavesAtOnce: false, opensAnother, computesMs }
  return { chunks, waiting, reading: isDeaf ? 'none' : reading, leaving, leavesAfterBytes, leavesAtOnce, opensAnother, computesMs }
}

/** What becomes of connection `id` of `seed`. Half of them end in good order; every third seed is a storm of resets. */
export function planOf(seed: number, id: number): Plan {
  const random = randomFor(seed, id % SECOND_IDS + (id >= SECOND_IDS ? 10_000 : 0))
  const isStormy = seed % 3 === 0
  const isOrderly = random.chance(isStormy ? 0.2 : 0.5)
  const mayOpen = id < SECOND_IDS
  return { client: sideOf(random, isOrderly, mayOpen, isStormy), server: sideOf(random, isOrderly, mayOpen, isStormy) }
}

/** Whether both ends send all they have, read all that comes, and leave in good order. */
export function isOrderly({ client, server }: Plan): boolean {
  return [client, server].every((side) => side.leaving === 'end' && side.reading !== 'none' && side.leavesAfterBytes === null && !side.leavesAtOnce)
}

/** How much an end sends if nothing comes between. */
export function totalOf({ chunks }: SidePlan): number {
  return chunks.reduce((sum, len) => sum + len, 0)
}
