/**
 * An application's region: a header page, one block for each context, then buffers.
 *
 *   0         header page (written by TAS, advice for the application: TAS never reads it back)
 *   4096      context block 0: sleeping word, CPU | slow->app | app->slow | for each worker: fast->app, app->fast
 *             context block 1 ...                        (CONTEXTS_MAX blocks, untouched pages cost nothing)
 *             used again by the next context with that id (clearContext)
 *   buffers   connection buffers, handed out by the slow path
 */
import { APP_FAST_ENTRY_WORDS } from './appfast.js'
import { APP_SLOW_ENTRY_WORDS } from './appslow.js'
import { CACHE_LINE_BYTES, CACHE_LINE_WORDS, CONTEXTS_MAX, LAYOUT_VERSION, log2Ceil, PAGE_BYTES, REGION_MAGIC, roundUp } from './layout.js'
import { clearRing, ringBytes, type RingPlace } from './ring.js'

/** What both sides must agree on to find the rings of a context. */
export interface AppRegionShape {
  /** Length of the region in bytes. */
  readonly regionBytes: number
  /** Workers, 1 to WORKERS_MAX. */
  readonly workers: number
  /** Bytes of the slow path's ring to the application (--app-kin-len). */
  readonly kinBytes: number
  /** Bytes of the application's ring to the slow path (--app-kout-len). */
  readonly koutBytes: number
  /** Entries of each ring between a context and a worker. */
  readonly fastEntries: number
}

const HEADER = {
  magic: 0, version: 1, workers: 2, kinBytes: 3, koutBytes: 4, fastEntries: 5, regionUnits: 6,
  pollIntervalUs: 7,
} as const

/**
 * Writes the header page. `words` is the whole region; `pollIntervalUs` how long the application's contexts are to poll
 * without finding anything before they block, in microseconds (--fp-poll-interval-app); 0: they block at once.
 */
export function writeAppRegionHeader(words: Int32Array, shape: AppRegionShape, pollIntervalUs = 0): void {
  words[HEADER.magic] = REGION_MAGIC
  words[HEADER.version] = LAYOUT_VERSION
  words[HEADER.workers] = shape.workers
  words[HEADER.kinBytes] = shape.kinBytes
  words[HEADER.koutBytes] = shape.koutBytes
  words[HEADER.fastEntries] = shape.fastEntries
  words[HEADER.regionUnits] = shape.regionBytes / CACHE_LINE_BYTES
  words[HEADER.pollIntervalUs] = pollIntervalUs
}

/** Reads the header page. Throws Error if it is not a region of this layout version. */
export function readAppRegionHeader(words: Int32Array): AppRegionShape {
  if (words[HEADER.magic] !== REGION_MAGIC || words[HEADER.version] !== LAYOUT_VERSION) {
    throw new Error(`not an application region of layout version ${LAYOUT_VERSION} (found ${words[HEADER.version]})`)
  }
  return {
    workers: words[HEADER.workers],
    kinBytes: words[HEADER.kinBytes],
    koutBytes: words[HEADER.koutBytes],
    fastEntries: words[HEADER.fastEntries],
    regionBytes: (words[HEADER.regionUnits] >>> 0) * CACHE_LINE_BYTES,
  }
}

/** How long contexts poll before they block, in microseconds; of a region whose header readAppRegionHeader has checked. */
export function readAppPollIntervalUs(words: Int32Array): number {
  return words[HEADER.pollIntervalUs] >>> 0
}

/** The places of one context's rings. */
export interface ContextPlaces {
  /** Word index of the context's sleeping mark. */
  readonly sleepingWord: number
  /** Word index of what the context says of its CPU: its number plus 1, or 0. */
  readonly cpuWord: number
  /** Slow path to application. */
  readonly kin: RingPlace
  /** Application to slow path. */
  readonly kout: RingPlace
  /** For each worker: worker to application. */
  readonly events: readonly RingPlace[]
  /** For each worker: application to worker. */
  readonly bumps: readonly RingPlace[]
}

/** Entries of a ring of about `bytes` bytes: a power of two. */
export function controlRingEntries(bytes: number): number {
  return 1 << log2Ceil(Math.ceil(bytes / (APP_SLOW_ENTRY_WORDS * 4)))
}

function contextBlockBytes(shape: AppRegionShape): number {
  const kin = ringBytes(controlRingEntries(shape.kinBytes), APP_SLOW_ENTRY_WORDS)
  const kout = ringBytes(controlRingEntries(shape.koutBytes), APP_SLOW_ENTRY_WORDS)
  const fast = ringBytes(shape.fastEntries, APP_FAST_ENTRY_WORDS)
  return roundUp(CACHE_LINE_BYTES + kin + kout + 2 * fast * shape.workers, PAGE_BYTES)
}

/** Where context `context` (0 to CONTEXTS_MAX - 1) has its rings. */
export function placeContext(shape: AppRegionShape, context: number): ContextPlaces {
  if (context < 0 || context >= CONTEXTS_MAX) throw new RangeError(`context ${context}: 0 to ${CONTEXTS_MAX - 1}`)
  const start = PAGE_BYTES + context * contextBlockBytes(shape)
  let at = start + CACHE_LINE_BYTES
  const ring = (capacity: number, entryWords: number): RingPlace => {
    const place = { firstWord: at / 4, capacity, entryWords }
    at += ringBytes(capacity, entryWords)
    return place
  }
  const kin = ring(controlRingEntries(shape.kinBytes), APP_SLOW_ENTRY_WORDS)
  const kout = ring(controlRingEntries(shape.koutBytes), APP_SLOW_ENTRY_WORDS)
  const events: RingPlace[] = []
  const bumps: RingPlace[] = []
  for (let worker = 0; worker < shape.workers; worker++) {
    events.push(ring(shape.fastEntries, APP_FAST_ENTRY_WORDS))
    bumps.push(ring(shape.fastEntries, APP_FAST_ENTRY_WORDS))
  }
  return { sleepingWord: start / 4, cpuWord: start / 4 + 1, kin, kout, events, bumps }
}

/** Makes the block of a context that nobody uses any more as new, for the next one with its id: empty rings, not asleep. */
export function clearContext(words: Int32Array, shape: AppRegionShape, context: number): void {
  const { sleepingWord, kin, kout, events, bumps } = placeContext(shape, context)
  for (let word = 0; word < CACHE_LINE_WORDS; word++) Atomics.store(words, sleepingWord + word, 0)
  for (const ring of [kin, kout, ...events, ...bumps]) clearRing(words, ring)
}

/** Byte offset of the first connection buffer. */
export function buffersOffset(shape: AppRegionShape): number {
  return PAGE_BYTES + CONTEXTS_MAX * contextBlockBytes(shape)
}
