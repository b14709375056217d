/** What histograms of the counters say: how long passes and pauses were. */
import { bucketHighest } from '../../lib/memif/index.js'
import { tableLines, type Column, type Paint } from '../control/terminal.js'
import type { Histograms, Snapshot } from './snapshot.js'

/** Values that a part of all does not exceed, each up to a sixteenth too high (lib/memif/histogram.ts); 0 if there are none. */
export interface Distribution {
  readonly count: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly p999: number
  readonly p9999: number
  readonly max: number
}

/** The value that `share`, above 0 and up to 1, of all do not exceed; 0 if there are none. */
export function percentile(counts: Float64Array, share: number): number {
  const wanted = counts.reduce((sum, count) => sum + count, 0) * share
  let seen = 0
  for (let bucket = 0; bucket < counts.length; bucket++) {
    seen += counts[bucket]
    if (counts[bucket] > 0 && seen >= wanted) return bucketHighest(bucket)
  }
  return 0
}

/** The distribution of what a histogram has counted. */
export function distributionOf(counts: Float64Array): Distribution {
  return {
    count: counts.reduce((sum, count) => sum + count, 0), p50: percentile(counts, 0.5), p90: percentile(counts, 0.9), p99: percentile(counts, 0.99),
    p999: percentile(counts, 0.999), p9999: percentile(counts, 0.9999), max: percentile(counts, 1),
  }
}

type Distributions = Readonly<Record<string, Distribution>>

function byName(histograms: Histograms): Distributions {
  return Object.fromEntries(Object.entries(histograms).map(([name, counts]) => [name, distributionOf(counts)]))
}

/** All distributions of a snapshot, by name. */
export function distributionsOf({ histograms }: Snapshot): { readonly slow: Distributions; readonly workers: readonly Distributions[] } {
  return { slow: byName(histograms.slow), workers: histograms.workers.map(byName) }
}

interface Row {
  readonly what: string
  readonly where: string
  readonly distribution: Distribution
}

const TITLES: Readonly<Record<string, string>> = { passUs: 'pass with work', gcUs: 'garbage collection' }

const COLUMNS: readonly Column<Row>[] = [
  ['time, us', ({ what }) => `  ${what}`],
  ['', ({ where }) => where],
  ['times', ({ distribution }) => distribution.count],
  ['p50', ({ distribution }) => distribution.p50],
  ['p90', ({ distribution }) => distribution.p90],
  ['p99', ({ distribution }) => distribution.p99],
  ['p99.9', ({ distribution }) => distribution.p999],
  ['p99.99', ({ distribution }) => distribution.p9999],
  ['max', ({ distribution }) => distribution.max],
]

function rowsOf(where: string, distributions: Distributions): Row[] {
  return Object.entries(distributions).map(([name, distribution]) => ({ what: TITLES[name] ?? name, where, distribution }))
}

/** A line for each distribution, none for those without a value unless `all`. */
export function distributionLines(snapshot: Snapshot, all: boolean, paint: Paint): string[] {
  const { slow, workers } = distributionsOf(snapshot)
  const rows = [...workers.flatMap((each, worker) => rowsOf(`worker ${worker}`, each)), ...rowsOf('slow path', slow)]
  const shown = rows.filter(({ distribution }) => all || distribution.count > 0)
  return shown.length === 0 ? [] : tableLines(COLUMNS, shown, paint)
}
