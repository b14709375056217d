import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bucketHighest, bucketOf, HISTOGRAM_BUCKETS, HistogramWriter } from '../../lib/memif/index.js'
import { expectNoGarbage } from '../garbage.js'

const LARGEST = 2 ** 32 - 1
const ROUNDS = 200_000

describe('histogram: buckets', () => {
  it('edges -> every value in one bucket, in order, the last ends at 2^32 - 1', () => {
    let next = 0
    for (let bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
      expect(bucketOf(next)).toBe(bucket)
      expect(bucketOf(bucketHighest(bucket))).toBe(bucket)
      next = bucketHighest(bucket) + 1
    }
    expect(next).toBe(LARGEST + 1)
  })

  it('any value -> its bucket ends at most a sixteenth above it; up to 31 exactly there', () => {
    fc.assert(fc.property(fc.oneof(fc.integer({ min: 0, max: LARGEST }), fc.integer({ min: 0, max: 1000 })), (value) => {
      const highest = bucketHighest(bucketOf(value))
      expect(highest).toBeGreaterThanOrEqual(value)
      expect(highest - value).toBeLessThanOrEqual(value < 32 ? 0 : value / 16)
    }))
  })

  it('a negative value, as after half an hour without the CPU -> among the largest', () => {
    expect(bucketOf(-1)).toBe(HISTOGRAM_BUCKETS - 1)
    expect(bucketHighest(bucketOf(-(2 ** 31)))).toBeGreaterThanOrEqual(2 ** 31)
  })
})

describe('histogram: writer', () => {
  it('values -> counted where they belong, nothing beside', () => {
    const counts = new Float64Array(HISTOGRAM_BUCKETS + 2)
    const writer = new HistogramWriter(counts, 1)
    for (const value of [0, 7, 7, LARGEST]) writer.record(value)
    expect([counts[0], counts[1], counts[1 + 7], counts[HISTOGRAM_BUCKETS], counts[HISTOGRAM_BUCKETS + 1]]).toEqual([0, 1, 2, 1, 0])
    expect(counts.reduce((sum, count) => sum + count)).toBe(4)
  })

  it('many values -> no garbage', async () => {
    const writer = new HistogramWriter(new Float64Array(HISTOGRAM_BUCKETS), 0)
    await expectNoGarbage(() => {
      for (let i = 0; i < ROUNDS; i++) writer.record(i)
    })
  })
})
