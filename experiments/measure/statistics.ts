/** What experiments say of many numbers. */

/** Jain's fairness index (DEC-TR-301, 1984): 1 if all shares are equal, 1/n if one has everything. NaN for none, 1 if all are 0. */
export function jainIndex(shares: readonly number[]): number {
  if (shares.length === 0) return Number.NaN
  const squares = sum(shares.map((share) => share * share))
  return squares === 0 ? 1 : sum(shares) ** 2 / (shares.length * squares)
}

/** The value that a share `p` (0 to 1) of `values` does not exceed, by linear interpolation between ranks. NaN for none. */
export function percentile(values: ArrayLike<number>, p: number): number {
  const sorted = Float64Array.from(values).sort()
  if (sorted.length === 0) return Number.NaN
  const rank = p * (sorted.length - 1)
  const below = Math.floor(rank)
  const above = Math.min(below + 1, sorted.length - 1)
  return sorted[below] + (sorted[above] - sorted[below]) * (rank - below)
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

/** NaN for none. */
export function mean(values: readonly number[]): number {
  return sum(values) / values.length
}

/** Points of the cumulative distribution of `values`, `points` of them at most, for a plot. */
export function distribution(values: ArrayLike<number>, points: number): { readonly value: number; readonly share: number }[] {
  const count = Math.min(points, values.length)
  return Array.from({ length: count }, (_, i) => {
    const share = count === 1 ? 1 : i / (count - 1)
    return { value: percentile(values, share), share }
  })
}

/** The slope of log `y` over log `x` by least squares: 1 if y is proportional to x, 0 if it does not depend on it. */
export function logSlope(xs: readonly number[], ys: readonly number[]): number {
  const [lx, ly] = [xs.map(Math.log), ys.map(Math.log)]
  const [mx, my] = [mean(lx), mean(ly)]
  return sum(lx.map((x, i) => (x - mx) * (ly[i] - my))) / sum(lx.map((x) => (x - mx) ** 2))
}
