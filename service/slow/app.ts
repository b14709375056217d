/** An application and its contexts, as the slow path sees them. */
import {
  buffersOffset, CONTEXTS_MAX, Doorbell, placeContext, RingConsumer, RingProducer, type AppRegionShape, type Wakeable,
} from '../../lib/memif/index.js'
import type { AppEvent } from './appevent.js'
import { BufferAllocator } from './buffers.js'
import { Chain } from './chain.js'
import type { Connection } from './connection.js'
import { type ConnOptions, DEFAULT_OPTIONS, withOption } from './connoptions.js'
import { FreePages, type FreePagesEnv } from './freepages.js'
import type { Listener } from './listeners.js'
import type { Stats } from './stats.js'
import type { AppRegion } from './workers.js'

/** Word of the consumer's count in a ring's header (lib/memif/ring.ts). */
const RING_HEAD_WORD = 16

/** Options for the open request of `handle` that follows. */
export interface StagedOptions {
  readonly handle: number
  readonly options: ConnOptions
  /** Why one of them was refused, or 0. */
  readonly status: number
}

/** One context: its rings with the slow path. */
export class AppContext {
  readonly app: App
  readonly id: number
  /** Requests; everything in it is untrusted. */
  readonly requests: RingConsumer
  private readonly events: RingProducer
  private readonly headIndex: number
  private readonly doorbell: Doorbell
  private readonly stats: Stats
  private waiting: { event: AppEvent; sent: (() => void) | null }[] = []
  private pushed: number
  /** Buffers that the application may look at until it has read the event with this number. */
  private held: { position: number; release: () => void }[] = []
  /** Connections being opened and accepts not yet answered, by handle. */
  readonly opening = new Map<number, Connection>()
  readonly accepting = new Map<number, Listener>()
  readonly listeners = new Map<number, Listener>()
  /** It has been given up, or its thread has ended. */
  hasEnded = false
  /** Entries of the request ring. */
  readonly requestsMax: number
  /** One place is enough, since the open request follows at once: nothing piles up. */
  private staged: StagedOptions | null = null

  constructor(app: App, id: number, wake: Wakeable, stats: Stats) {
    const places = placeContext(app.shape, id)
    this.app = app
    this.id = id
    this.stats = stats
    this.requests = new RingConsumer(app.words, places.kout)
    this.requestsMax = places.kout.capacity
    this.events = new RingProducer(app.words, places.kin)
    this.headIndex = places.kin.firstWord + RING_HEAD_WORD
    this.pushed = Atomics.load(app.words, places.kin.firstWord)
    this.doorbell = new Doorbell(app.words, places.sleepingWord, wake)
  }

  /**
   * Sends `event`, later if the ring is full, never to an application that is gone or a context that has ended. `sent` is called
   * once it is in the ring, before the ring is published; of a context that has ended at once.
   */
  send(event: AppEvent, sent: (() => void) | null = null): void {
    if (this.trySend(event)) sent?.()
    else if (!this.app.isGone) this.waiting.push({ event: event.kept(), sent })
  }

  /** Sends `event` if there is room now. Returns whether there was, or nobody reads what is sent to this context any more. */
  trySend(event: AppEvent): boolean {
    if (this.app.isGone) return false
    return this.hasEnded || (this.waiting.length === 0 && this.write(event))
  }

  /** An option for the open request of `handle`, which is to follow; `algorithms` as for withOption. */
  stageOption(handle: number, option: number, values: readonly number[], algorithms: number): void {
    const { options, status } = this.takeStaged(handle)
    const changed = withOption(options, option, values, algorithms)
    if (typeof changed === 'number') this.staged = { handle, options, status: status || changed }
    else this.staged = { handle, options: changed, status }
  }

  /** What was staged for `handle`, if that was the last thing staged. */
  takeStaged(handle: number): StagedOptions {
    const { staged } = this
    this.staged = null
    return staged !== null && staged.handle === handle ? staged : { handle, options: DEFAULT_OPTIONS, status: 0 }
  }

  /** Calls `release` when the application has read the event that was put into the ring last. */
  holdUntilRead(release: () => void): void {
    if (this.hasEnded) release()
    else this.held.push({ position: this.pushed, release })
  }

  /** Nobody reads its events any more: those that wait are dropped, what was held until they were read is released. */
  end(): void {
    this.hasEnded = true
    for (const { sent } of this.waiting.splice(0)) sent?.()
    for (const { release } of this.held.splice(0)) release()
  }

  /** Events wait for room: no request of this context is read meanwhile, which bounds the queue. */
  get isBlocked(): boolean {
    return this.waiting.length > 0
  }

  /** Moves waiting events into the ring and releases what was held. Returns how much. */
  flush(): number {
    let moved = 0
    while (moved < this.waiting.length && this.write(this.waiting[moved].event)) this.waiting[moved++].sent?.()
    if (moved > 0) this.waiting = this.waiting.slice(moved)
    return moved + (this.held.length > 0 ? this.releaseHeld() : 0)
  }

  /** Gives requests back, makes events visible, wakes the application. */
  publish(): void {
    this.requests.release()
    if (this.events.publish() && this.doorbell.ring()) this.stats.add('wakeups')
  }

  private releaseHeld(): number {
    const head = Atomics.load(this.app.words, this.headIndex)
    const isRead = (position: number): boolean => ((head - position) | 0) >= 0
    let released = 0
    while (released < this.held.length && isRead(this.held[released].position)) this.held[released++].release()
    if (released > 0) this.held = this.held.slice(released)
    return released
  }

  private write(event: AppEvent): boolean {
    const entry = this.events.reserve()
    if (entry < 0) return false
    event.write(this.events.words, entry)
    this.events.push()
    this.pushed = (this.pushed + 1) | 0
    this.stats.add('appEvents')
    return true
  }
}

/** Whose application it is: the name that it gives itself, and its process and user as the kernel says them. */
export interface AppOwner {
  readonly name: string
  readonly pid: number
  readonly uid: number
}

/** One application. */
export class App {
  readonly id: number
  readonly name: string
  readonly pid: number
  /** The user whose process it is. */
  readonly uid: number
  readonly region: AppRegion
  readonly shape: AppRegionShape
  readonly words: Int32Array
  /** By id; without those that have ended. */
  readonly contexts = new Map<number, AppContext>()
  /** Contexts that have ended, by id: workers that have not let go yet (TO_FAST_CONTEXT_REMOVE). */
  readonly endings = new Map<number, Set<number>>()
  /** Connections that are this application's, handshakes included. */
  readonly connections = new Chain<Connection>()
  /** How many of them have buffers that a worker may touch. */
  flows = 0
  readonly listeners = new Set<Listener>()
  /** It is gone; only workers may still have flows of it. */
  isGone = false
  /** Workers that have not yet answered TO_FAST_APP_REMOVE; null before it was sent. */
  workersLeft: Set<number> | null = null
  private readonly buffers: BufferAllocator
  private readonly pages: FreePages
  private readonly stats: Stats

  constructor(id: number, { name, pid, uid }: AppOwner, region: AppRegion, shape: AppRegionShape, stats: Stats, pages: FreePagesEnv) {
    this.id = id
    this.name = name
    this.pid = pid
    this.uid = uid
    this.region = region
    this.shape = shape
    this.stats = stats
    this.words = new Int32Array(region.buffer)
    this.buffers = new BufferAllocator(buffersOffset(shape), shape.regionBytes)
    this.pages = new FreePages(pages, this.buffers)
  }

  context(id: number): AppContext | null {
    return this.contexts.get(id) ?? null
  }

  /** The lowest id that no context has, so that few rings get pages; -1 if there is none. */
  freeContextId(): number {
    for (let id = 0; id < CONTEXTS_MAX; id++) if (!this.contexts.has(id) && !this.endings.has(id)) return id
    return -1
  }

  /** A piece for buffers, in BUFFER_UNIT_BYTES, or -1. */
  allocate(bytes: number): number {
    const before = this.buffers.usedBytes
    const place = this.buffers.allocate(bytes)
    this.stats.add('bufferBytes', this.buffers.usedBytes - before)
    return place
  }

  /** Takes a piece back; `isClean`: its pages have been discarded. */
  release(place: number, bytes: number, isClean = false): void {
    const before = this.buffers.usedBytes
    this.buffers.release(place, bytes, isClean)
    this.pages.freed()
    this.stats.add('bufferBytes', this.buffers.usedBytes - before)
  }

  /** Gives the pages of a piece back to the machine. Nobody may be using it. */
  discard(place: number, bytes: number): void {
    this.pages.discard(place, bytes)
  }

  /** Bytes of buffers in use. */
  get bufferBytes(): number {
    return this.buffers.usedBytes
  }

  /** Bytes for buffers in the region. */
  get bufferSpace(): number {
    return this.buffers.totalBytes
  }

  /** Part of the region's buffers in use, 0 to 1. */
  get fill(): number {
    return this.buffers.usedBytes / this.buffers.totalBytes
  }

  /** The region is gone as a whole. */
  releaseAll(): void {
    this.stats.add('bufferBytes', -this.buffers.usedBytes)
    this.buffers.usedBytes = 0
    this.pages.stop()
  }
}
