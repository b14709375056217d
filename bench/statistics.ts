/** Several runs in one figure. */

/** The middle value, or the mean of both middle values. NaN without values. */
export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** Half of the distance between smallest and largest, relative to the median: 0.05 is "plus or minus 5 %". */
export function spread(values: readonly number[]): number {
  const middle = median(values)
  if (values.length < 2 || middle === 0) return 0
  return (Math.max(...values) - Math.min(...values)) / 2 / middle
}
