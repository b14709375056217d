/** What the two ends of an HTTP exchange do, from a seed. */
import { randomFor, type SeededRandom } from '../../../../tools/linkem/random.js'
import type { Reading } from './reading.js'

/** What is sent in one direction. */
export interface BodyPlan {
  readonly chunks: readonly number[]
  readonly waiting: 'nothing' | 'drain' | 'promise' | 'immediate' | 'timer'
  /** With its length in a header, not in parts that name theirs. */
  readonly hasLength: boolean
}

export interface ExchangePlan {
  readonly request: BodyPlan
  readonly response: BodyPlan
  readonly isKeptAlive: boolean
  /** How the client reads the answer. */
  readonly reading: Reading
  /** The server answers when it has read the request, not while it reads. */
  readonly isAnsweredBehind: boolean
  /** After how many bytes of the answer the client gives up; null: never. */
  readonly leavesAfterBytes: number | null
}

function pick<T>(random: SeededRandom, from: readonly T[]): T {
  return from[random.below(from.length)]
}

function bodyOf(random: SeededRandom): BodyPlan {
  const most = pick(random, [10, 1_500, 20_000, 100_000])
  return {
    chunks: Array.from({ length: random.below(8) }, () => 1 + random.below(most)),
    waiting: pick<BodyPlan['waiting']>(random, ['nothing', 'drain', 'promise', 'immediate', 'timer']),
    hasLength: random.chance(0.5),
  }
}

/** What becomes of exchange `id` of `seed`. */
export function exchangeOf(seed: number, id: number): ExchangePlan {
  const random = randomFor(seed, 20_000 + id)
  const leaves = random.chance(0.25)
  return {
    request: bodyOf(random), response: bodyOf(random),
    isKeptAlive: random.chance(0.7),
    reading: pick<Reading>(random, ['data', 'pauses', 'iterator', 'readable']),
    isAnsweredBehind: random.chance(0.5),
    leavesAfterBytes: leaves ? random.below(5_000) : null,
  }
}

/**
 * Whether both ends get all of it: the client does not give up, nor does the server end the connection with the answer before it has read the request, which resets
 * it (RFC 9112, 9.6).
 */
export function isWhole(plan: ExchangePlan): boolean {
  const isAnsweredLate = plan.isKeptAlive || plan.isAnsweredBehind || plan.request.chunks.length === 0
  return plan.leavesAfterBytes === null && isAnsweredLate
}

export function lengthOf({ chunks }: BodyPlan): number {
  return chunks.reduce((sum, len) => sum + len, 0)
}
