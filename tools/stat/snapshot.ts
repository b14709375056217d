/** The counters of a running service, read from its shared-memory object. */
import {
  COUNTERS_BYTES,
  COUNTERS_PID,
  COUNTERS_START_MS,
  COUNTERS_VERSION,
  COUNTERS_WORKERS,
  HISTOGRAM_BUCKETS,
  LAYOUT_VERSION,
  SLOW_COUNTER_BASE,
  SLOW_COUNTERS,
  SLOW_HISTOGRAMS,
  slowHistogramBase,
  WORKER_COUNTERS,
  WORKER_HISTOGRAMS,
  workerCounterBase,
  workerHistogramBase,
  WORKERS_MAX,
} from '../../lib/memif/index.js'

/** Values by counter name. */
export type Values = Readonly<Record<string, number>>

/** Counts in the buckets of histograms (lib/memif/histogram.ts), by name. */
export type Histograms = Readonly<Record<string, Float64Array>>

/** All counters at one time. */
export interface Snapshot {
  /** When they were read, milliseconds since 1970. */
  readonly timeMs: number
  /** Process id of the service. */
  readonly pid: number
  /** When it started, milliseconds since 1970. */
  readonly startMs: number
  readonly slow: Values
  readonly workers: readonly Values[]
  readonly histograms: { readonly slow: Histograms; readonly workers: readonly Histograms[] }
}

/** Counters that say how much there is now; all others only grow. */
const GAUGES: ReadonlySet<string> = new Set([
  'flows', 'arpEntries', 'apps', 'contexts', 'listeners', 'flowsSynSent', 'flowsSynReceived', 'flowsEstablished', 'flowsClosing',
  'flowsTimeWait', 'bufferBytes',
])

/** Whether a counter is a present amount rather than a count since the start. */
export function isGauge(name: string): boolean {
  return GAUGES.has(name)
}

function block(counters: Float64Array, base: number, names: readonly string[]): Values {
  return Object.fromEntries(names.map((name, index) => [name, counters[base + index]]))
}

function histograms<Name extends string>(counters: Float64Array, names: readonly Name[], baseOf: (name: Name) => number): Histograms {
  return Object.fromEntries(names.map((name) => [name, counters.slice(baseOf(name), baseOf(name) + HISTOGRAM_BUCKETS)]))
}

/** The object begins with the length of the rest, as the package shm-typed-array wants it. */
function isCounters(counters: Float64Array): boolean {
  const { buffer, byteOffset, byteLength } = counters
  return byteLength === COUNTERS_BYTES && new DataView(buffer, byteOffset).getUint32(0, true) === COUNTERS_BYTES - 8
}

/** Reads everything. Throws Error if `counters` is no counters object of this version. */
export function readSnapshot(counters: Float64Array, timeMs: number): Snapshot {
  if (!isCounters(counters)) throw new Error('these are no counters of tas')
  const version = counters[COUNTERS_VERSION]
  if (version !== LAYOUT_VERSION) {
    throw new Error(`counters have layout version ${version}, this is ${LAYOUT_VERSION}; use the service's own tas stat`)
  }
  const workers = Math.min(counters[COUNTERS_WORKERS], WORKERS_MAX)
  return {
    timeMs,
    pid: counters[COUNTERS_PID],
    startMs: counters[COUNTERS_START_MS],
    slow: block(counters, SLOW_COUNTER_BASE, SLOW_COUNTERS),
    workers: Array.from({ length: workers }, (_, worker) => block(counters, workerCounterBase(worker), WORKER_COUNTERS)),
    histograms: {
      slow: histograms(counters, SLOW_HISTOGRAMS, slowHistogramBase),
      workers: Array.from({ length: workers }, (_, worker) => {
        return histograms(counters, WORKER_HISTOGRAMS, (name) => workerHistogramBase(worker, name))
      }),
    },
  }
}

function rates(before: Values, now: Values, seconds: number): Values {
  return Object.fromEntries(Object.entries(now).map(([name, value]) =>
    [name, isGauge(name) ? value : (value - before[name]) / seconds]))
}

function countsBetween(before: Histograms, now: Histograms): Histograms {
  return Object.fromEntries(Object.entries(now).map(([name, counts]) => [name, counts.map((count, bucket) => count - before[name][bucket])]))
}

/** What happened between two snapshots, for each second; gauges as they are now; histograms of what came in between. */
export function ratesBetween(before: Snapshot, now: Snapshot): Snapshot {
  const seconds = Math.max(0.001, (now.timeMs - before.timeMs) / 1000)
  return {
    ...now,
    slow: rates(before.slow, now.slow, seconds),
    workers: now.workers.map((values, worker) => rates(before.workers[worker], values, seconds)),
    histograms: {
      slow: countsBetween(before.histograms.slow, now.histograms.slow),
      workers: now.histograms.workers.map((each, worker) => countsBetween(before.histograms.workers[worker], each)),
    },
  }
}
