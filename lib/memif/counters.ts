/**
 * The counters region: a named POSIX shared-memory object of 64-bit floats, read-only for everyone
 * but TAS. A plain Float64Array over the whole object shows all of it.
 *
 *   block 0: header      block 1: slow path      block 2 + w: worker w      (COUNTER_BLOCK floats each)
 *   then the histograms: the slow path's, those of worker 0, those of worker 1, ...      (HISTOGRAM_BUCKETS floats each; histogram.ts)
 *
 * Every counter has one writer, which pays one add. Floats count exactly to 2^53.
 */
import { HISTOGRAM_BUCKETS } from './histogram.js'
import { LAYOUT_VERSION, WORKERS_MAX } from './layout.js'

/** Floats in a block. */
export const COUNTER_BLOCK = 128

/**
 * Header block. The first 8 bytes are not a float but the length of the rest in bytes, as the npm package shm-typed-array
 * keeps it at the start of every object: its users see float `n` of this description as element `n - 1`.
 */
export const COUNTERS_LENGTH = 0
export const COUNTERS_VERSION = 1
export const COUNTERS_WORKERS = 2
/** Process id of the slow path. */
export const COUNTERS_PID = 3
/** When TAS started, milliseconds since 1970. */
export const COUNTERS_START_MS = 4

/** Worker counters, indexes within the worker's block. */
export const WORKER_COUNTERS = [
  'rxPackets', 'rxBytes', 'txPackets', 'txBytes',
  'rxAcks', 'rxDuplicateAcks', 'rxOutOfOrder', 'rxDuplicateData', 'rxWindowFull',
  'dropMalformed', 'dropChecksum', 'dropNotOurs', 'dropPaws', 'dropOutOfOrder', 'dropOldAck', 'dropTruncated', 'dropPort', 'dropSlowFull',
  'toSlowPackets', 'fromSlowMessages', 'retransmits', 'windowProbes',
  'appEvents', 'appBumps', 'appBadBumps', 'appWakeups', 'slowWakeups',
  'passes', 'busyPasses', 'sleeps', 'wakeups', 'spins', 'busyUs', 'flows', 'txPortFull',
  'loopPackets', 'loopBytes', 'dropLoopFull',
  'dropFlood',
  'pacedSegments', 'paceWaits',
  'cpuTrials', 'cpuMoves',
] as const
export type WorkerCounter = (typeof WORKER_COUNTERS)[number]

/** Slow path counters, indexes within block 1. */
export const SLOW_COUNTERS = [
  'packets', 'packetsNotOurs', 'dropMalformed', 'dropChecksum', 'toHostKernel', 'fromHostKernel',
  'arpRequestsSent', 'arpRepliesSent', 'arpRequestsFailed', 'arpEntries', 'icmpEchoes',
  'synReceived', 'synDropped', 'synSent', 'resetsSent', 'resetsReceived',
  'connectionsOpened', 'connectionsAccepted', 'connectionsFailed', 'connectionsClosed', 'connectionsReset', 'connectionsTimedOut',
  'rtoTimeouts', 'fastRecoveries', 'recoveriesUndone', 'tailLossProbes', 'retransmittedBytes', 'ecnReductions',
  'handshakeRetransmits', 'persistProbes', 'reinjectedPackets',
  'apps', 'contexts', 'listeners', 'flowsSynSent', 'flowsSynReceived', 'flowsEstablished', 'flowsClosing', 'flowsTimeWait',
  'appRequests', 'appBadRequests', 'appEvents', 'wakeups', 'busyUs', 'bufferBytes',
  'keepaliveProbes', 'userTimeouts', 'lingerResets',
  'icmpErrors', 'icmpErrorsIgnored', 'pathMtuTold', 'pathMtuGuessed', 'pathMtuRaised',
  'fragments', 'dropFragments', 'datagramsReassembled', 'reassemblyTimeouts',
  'synCookiesSent', 'synCookiesReceived', 'synCookiesFailed', 'acceptOverflows', 'connectionsStalled',
  'bufferGrowths', 'bufferTrims', 'mtuProbes', 'mtuProbesLost',
  'flowsMoved', 'activeWorkers',
  'dropSourceRoute',
] as const
export type SlowCounter = (typeof SLOW_COUNTERS)[number]

/** Histograms of a worker, in microseconds: passes that found something to do, pauses for garbage collection. */
export const WORKER_HISTOGRAMS = ['passUs', 'gcUs'] as const
export type WorkerHistogram = (typeof WORKER_HISTOGRAMS)[number]

/** Histograms of the slow path, in microseconds. */
export const SLOW_HISTOGRAMS = ['gcUs'] as const
export type SlowHistogram = (typeof SLOW_HISTOGRAMS)[number]

const HISTOGRAMS_BASE = (2 + WORKERS_MAX) * COUNTER_BLOCK

/** Bytes of the counters region for any number of workers. */
export const COUNTERS_BYTES = workerHistogramBase(WORKERS_MAX, WORKER_HISTOGRAMS[0]) * 8

/** Index of the slow path's block. */
export const SLOW_COUNTER_BASE = COUNTER_BLOCK

/** Index of worker `worker`'s block. */
export function workerCounterBase(worker: number): number {
  return (2 + worker) * COUNTER_BLOCK
}

/** Index of a worker counter within its block. */
export function workerCounter(name: WorkerCounter): number {
  return WORKER_COUNTERS.indexOf(name)
}

/** Index of a slow path counter in the whole region. */
export function slowCounter(name: SlowCounter): number {
  return SLOW_COUNTER_BASE + SLOW_COUNTERS.indexOf(name)
}

/** Index of the first bucket of a histogram of the slow path in the whole region. */
export function slowHistogramBase(name: SlowHistogram): number {
  return HISTOGRAMS_BASE + SLOW_HISTOGRAMS.indexOf(name) * HISTOGRAM_BUCKETS
}

/** Index of the first bucket of a histogram of worker `worker` in the whole region. */
export function workerHistogramBase(worker: number, name: WorkerHistogram): number {
  const before = SLOW_HISTOGRAMS.length + worker * WORKER_HISTOGRAMS.length + WORKER_HISTOGRAMS.indexOf(name)
  return HISTOGRAMS_BASE + before * HISTOGRAM_BUCKETS
}

/** Name of the shared-memory object of the service that listens on `socketPath`: the same for all who know the path. */
export function countersName(socketPath: string): string {
  let hash = 0x811c9dc5
  for (let i = 0; i < socketPath.length; i++) hash = Math.imul(hash ^ socketPath.charCodeAt(i), 0x01000193)
  return `/tas-${(hash >>> 0).toString(16).padStart(8, '0')}`
}

/** Writes the header block. */
export function writeCountersHeader(counters: Float64Array, workers: number, pid: number, startMs: number): void {
  new DataView(counters.buffer, counters.byteOffset).setBigUint64(COUNTERS_LENGTH, BigInt(COUNTERS_BYTES - 8), true)
  counters[COUNTERS_VERSION] = LAYOUT_VERSION
  counters[COUNTERS_WORKERS] = workers
  counters[COUNTERS_PID] = pid
  counters[COUNTERS_START_MS] = startMs
}
