/**
 * Sizes of flows in data centres, as published. A table gives the share of flows that are no longer than so many bytes; between two rows lengths are
 * spread evenly, which is how the simulations that use these tables read them.
 */
import type { SeededRandom } from '../../tools/linkem/index.js'

export interface SizeDistribution {
  readonly name: string
  /** Bytes and the share of flows that have no more, both rising; the first share is 0, the last 1. */
  readonly table: readonly (readonly [lenBytes: number, share: number])[]
}

/** Web search: figure 4 of DCTCP (Alizadeh et al., SIGCOMM 2010), in the numbers that pFabric (SIGCOMM 2013) and its successors use. */
export const WEB_SEARCH: SizeDistribution = {
  name: 'web search',
  table: [
    [1, 0], [10_000, 0.15], [20_000, 0.2], [30_000, 0.3], [50_000, 0.4], [80_000, 0.53], [200_000, 0.6], [1_000_000, 0.7], [2_000_000, 0.8],
    [5_000_000, 0.9], [10_000_000, 0.97], [30_000_000, 1],
  ],
}

/** Data mining: figure 2 of VL2 (Greenberg et al., SIGCOMM 2009), likewise. Half of the flows are one packet; 2 % have more than 100 MB. */
export const DATA_MINING: SizeDistribution = {
  name: 'data mining',
  table: [
    [1, 0], [180, 0.1], [216, 0.2], [560, 0.3], [900, 0.4], [1_100, 0.5], [1_870, 0.6], [3_160, 0.7], [10_000, 0.8], [400_000, 0.9],
    [3_160_000, 0.95], [100_000_000, 0.98], [1_000_000_000, 1],
  ],
}

/** `distribution` without flows of more than `lenBytes`: those get that length. A run of milliseconds cannot hold a flow of seconds. */
export function cutAt(distribution: SizeDistribution, lenBytes: number): SizeDistribution {
  const { name, table } = distribution
  const kept = table.filter(([len]) => len < lenBytes)
  if (kept.length === table.length) return distribution
  return { name: `${name}, at most ${lenBytes / 1e6} MB`, table: [...kept, [lenBytes, shareUpTo(distribution, lenBytes)], [lenBytes, 1]] }
}

/** Share of flows that are no longer than `lenBytes`. */
export function shareUpTo({ table }: SizeDistribution, lenBytes: number): number {
  const above = table.findIndex(([len]) => len > lenBytes)
  if (above < 0) return 1
  if (above === 0) return 0
  const [[fromLen, fromShare], [toLen, toShare]] = [table[above - 1], table[above]]
  return fromShare + ((toShare - fromShare) * (lenBytes - fromLen)) / (toLen - fromLen)
}

/** Mean length, bytes. */
export function meanBytes({ table }: SizeDistribution): number {
  let sum = 0
  for (let i = 1; i < table.length; i++) sum += (table[i][1] - table[i - 1][1]) * ((table[i][0] + table[i - 1][0]) / 2)
  return sum
}

/** The length that a share of flows does not exceed, whole bytes, 1 at least. */
export function lengthAt({ table }: SizeDistribution, share: number): number {
  const above = Math.max(1, table.findIndex(([, upTo]) => upTo >= share))
  const [[fromLen, fromShare], [toLen, toShare]] = [table[above - 1], table[above]]
  const part = toShare === fromShare ? 1 : (share - fromShare) / (toShare - fromShare)
  return Math.max(1, Math.round(fromLen + (toLen - fromLen) * part))
}

export function drawLength(distribution: SizeDistribution, random: SeededRandom): number {
  return lengthAt(distribution, random.fraction())
}
