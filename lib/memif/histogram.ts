/**
 * Histograms of times, kept by the process that takes them and read by others while it goes on: counts in fixed logarithmic buckets, as
 * HdrHistogram has them. A value is kept to a sixteenth of itself, whatever its size.
 *
 *   0 ... 31: a bucket each;  32 ... 63: 16 buckets of 2;  64 ... 127: 16 of 4;  ...  to 2^32 - 1
 */

/** Buckets of each power of two, as a power of two. */
const SUB_BITS = 4
const SUB_BUCKETS = 1 << SUB_BITS
/** What `Math.clz32` says of the largest value that has a bucket of its own. */
const EXACT_ZEROS = 31 - SUB_BITS

/** Buckets of a histogram, enough for every 32-bit value. */
export const HISTOGRAM_BUCKETS = (EXACT_ZEROS + 2) * SUB_BUCKETS

/** Bucket of a value, whose low 32 bits count. */
export function bucketOf(value: number): number {
  const shift = EXACT_ZEROS - Math.clz32(value | SUB_BUCKETS)
  return (shift << SUB_BITS) + (value >>> shift)
}

/** The greatest value that a bucket takes. */
export function bucketHighest(bucket: number): number {
  const shift = Math.max(0, (bucket >> SUB_BITS) - 1)
  // Not by bits: the last bucket ends at 2^32 - 1.
  return (bucket - (shift << SUB_BITS) + 1) * 2 ** shift - 1
}

/** Counts into a histogram in shared memory. Allocates nothing. */
export class HistogramWriter {
  private readonly counts: Float64Array
  private readonly base: number

  /** The histogram that begins at index `base` of `counts`. */
  constructor(counts: Float64Array, base: number) {
    this.counts = counts
    this.base = base
  }

  /** Counts a value, a whole number; negative ones count as those above 2^31. */
  record(value: number): void {
    this.counts[this.base + bucketOf(value)]++
  }
}
