/** Latencies as the load client tells them: microseconds, rising, and how many there were of each. */

export type Histogram = readonly (readonly [us: number, count: number])[]

/** All latencies of several clients. */
export function mergeHistograms(histograms: readonly Histogram[]): Histogram {
  const counts = new Map<number, number>()
  for (const histogram of histograms) for (const [us, count] of histogram) counts.set(us, (counts.get(us) ?? 0) + count)
  return [...counts].sort(([a], [b]) => a - b)
}

function total(histogram: Histogram): number {
  return histogram.reduce((sum, [, count]) => sum + count, 0)
}

/** The latency in microseconds that `share` (0 to 1) of all do not exceed; 0 if there are none. */
export function percentileUs(histogram: Histogram, share: number): number {
  const wanted = total(histogram) * share
  let seen = 0
  for (const [us, count] of histogram) {
    seen += count
    if (seen >= wanted) return us
  }
  return 0
}

/** For each latency the share of all, 0 to 1, that do not exceed it. */
export function cumulative(histogram: Histogram): { readonly us: number; readonly share: number }[] {
  const all = total(histogram)
  let seen = 0
  return histogram.map(([us, count]) => {
    seen += count
    return { us, share: seen / all }
  })
}
