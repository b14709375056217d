/** Whole scenarios from seeds: `npm run sim` in small. */
import { describe, expect, it } from 'vitest'
import { runSeed } from './seeds/run.js'

/** Seeds that failed once, and why. */
const REGRESSIONS: readonly (readonly [number, string])[] = [
  [2, 'a SYN-ACK with a cookie that came twice was answered from behind lost data, and that was reset'],
  [40, 'a receive buffer was exchanged after the stream had gone back to the front unnoticed by the application'],
  [257, 'as seed 2'], [296, 'an old acknowledgment brought a cookie once more'], [465, 'as seed 2'], [473, 'as seed 2'],
  [481, 'a crowded listener forgot a client whose acknowledgments found no room'], [548, 'as seed 481'],
  [588, 'a cookie grew old while the accept queue was full'],
  [631, 'a segment smaller than the next MTU to try was never made smaller'],
  [669, 'as seed 2'], [692, 'as seed 2'], [704, 'as seed 2'],
  [707, 'a SYN that was answered with a cookie came again, was kept, and its connection reset'],
  [757, 'as seed 707'], [929, 'as seed 707'],
  [2376, 'a connection with itself: the acknowledgment of a window probe was taken for old, for ever'],
  [2516, 'a neighbour was asked for its new address once, and the question was lost'],
  [4002, 'more than one old acknowledgment brought a cookie'],
  [4894, 'a worker was killed before it told the slow path of a FIN, which the next one did not repeat'],
  [10_197, 'a worker was killed with orders to remove flows that it had read and not yet answered'],
  [11_147, 'a crowded listener gave up while the link was down'],
  [4933, 'ten handshakes in step met a queue of five'],
]

/** A fixed number for each run of the tests; `npm run sim` goes on from there. */
const CHUNKS = 6
const CHUNK_SEEDS = 200
const FIRST = 100_000

describe('seeds', () => {
  it.each(REGRESSIONS)('%i (%s) -> clean', (seed) => {
    expect(runSeed(seed).failures).toEqual([])
  })

  it.each(Array.from({ length: CHUNKS }, (_, chunk) => FIRST + chunk * CHUNK_SEEDS))('%i and those behind it -> clean', { timeout: 300_000 }, (first) => {
    for (let seed = first; seed < first + CHUNK_SEEDS; seed++) expect([seed, runSeed(seed).failures]).toEqual([seed, []])
  })

  it('the same seed twice -> the same run', () => {
    const [first, second] = [runSeed(12), runSeed(12)]
    expect(second).toEqual(first)
  })
})
