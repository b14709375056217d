/** What one seed of the fuzzer does: a round of parsers, a conversation. */
import { Draw } from '../seeds/draw.js'
import { fuzzConversation } from './conversation.js'
import { fuzzParsers } from './parsers.js'

export interface FuzzResult {
  readonly seed: number
  readonly frames: number
  /** What went wrong; empty if nothing did. */
  readonly failure: string
}

/** Never throws: an exception is a failure. */
export function fuzzSeed(seed: number): FuzzResult {
  let frames = 0
  try {
    frames += fuzzParsers(new Draw(seed))
    frames += fuzzConversation(seed)
    return { seed, frames, failure: '' }
  } catch (error) {
    return { seed, frames, failure: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}
