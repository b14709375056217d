import { describe, expect, it } from 'vitest'
import { distribution, jainIndex, logSlope, mean, percentile } from '../../experiments/measure/statistics.js'

describe("Jain's index", () => {
  it('equal shares -> 1; one has all -> 1/n; none at all -> 1; half have all -> 1/2', () => {
    expect(jainIndex([3, 3, 3])).toBeCloseTo(1, 12)
    expect(jainIndex([5, 0, 0, 0])).toBeCloseTo(0.25, 12)
    expect(jainIndex([0, 0])).toBe(1)
    expect(jainIndex([2, 2, 0, 0])).toBeCloseTo(0.5, 12)
    expect(jainIndex([])).toBeNaN()
  })
})

describe('percentiles', () => {
  it('between ranks -> interpolated; order does not matter', () => {
    expect(percentile([4, 1, 3, 2], 0.5)).toBe(2.5)
    expect([percentile([4, 1, 3, 2], 0), percentile([4, 1, 3, 2], 1)]).toEqual([1, 4])
    expect(percentile([], 0.5)).toBeNaN()
  })

  it('distribution -> from the least to the largest', () => {
    expect(distribution([30, 10, 20], 3)).toEqual([{ value: 10, share: 0 }, { value: 20, share: 0.5 }, { value: 30, share: 1 }])
    expect(distribution([7], 5)).toEqual([{ value: 7, share: 1 }])
  })

  it('mean -> of all', () => {
    expect(mean([1, 2, 6])).toBe(3)
  })
})

describe('slope of logarithms', () => {
  it('proportional -> 1; the square -> 2; constant -> 0', () => {
    const xs = [100, 1000, 10_000]
    expect(logSlope(xs, xs.map((x) => 3 * x))).toBeCloseTo(1, 9)
    expect(logSlope(xs, xs.map((x) => x * x))).toBeCloseTo(2, 9)
    expect(logSlope(xs, [5, 5, 5])).toBeCloseTo(0, 9)
  })
})
