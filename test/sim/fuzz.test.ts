/** `npm run fuzz` in small: header fuzzing of all parsers, stateful fuzzing of live connections. */
import { describe, expect, it } from 'vitest'
import { fuzzSeed } from './fuzz/run.js'

/** About ten seconds each on a quiet CPU. */
const CHUNKS = 2
const CHUNK_SEEDS = 400
const FIRST = 100_000

describe('fuzz', () => {
  it.each(Array.from({ length: CHUNKS }, (_, chunk) => FIRST + chunk * CHUNK_SEEDS))('seed %i and those behind it -> nothing throws, leaks or changes a stream (RFC 5961)', { timeout: 120_000 }, (first) => {
    for (let seed = first; seed < first + CHUNK_SEEDS; seed++) expect(fuzzSeed(seed).failure).toBe('')
  })
})
