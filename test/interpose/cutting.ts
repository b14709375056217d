/** How a cutter divides a stream. */
import type { StreamCutter } from '../../lib/interpose/handle/cutter.js'

/** Lengths of the pieces that `cutter` makes of `stream`, which comes in reads of `reads` bytes each and the rest at once. */
export function pieces(cutter: StreamCutter, stream: Buffer, reads: readonly number[]): number[] {
  const lengths: number[] = []
  let from = 0
  for (const read of [...reads, stream.length]) {
    const to = Math.min(stream.length, from + read)
    while (from < to) {
      const len = cutter.take(stream, from, to - from)
      lengths.push(len)
      from += len
    }
  }
  return lengths
}

/** Positions where pieces of these lengths end. */
export const ends = (lengths: readonly number[]): number[] => lengths.map((_, i) => lengths.slice(0, i + 1).reduce((sum, len) => sum + len, 0))
