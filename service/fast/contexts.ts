/**
 * Applications and their contexts as one worker sees them: events out, bumps in. Everything read from an application's
 * region is checked against the TCB before use.
 */
import {
  APPS_MAX,
  BUMP_FIN,
  BUMP_FLAGS,
  BUMP_FLOW,
  BUMP_GEN,
  BUMP_RCV_READ,
  BUMP_RX_SHUT,
  BUMP_SND_END,
  BUMP_TX_BASE,
  BUMP_TX_BUFFER,
  BUMP_URGENT,
  BUMP_WANTED,
  CONTEXT_NONE,
  CONTEXTS_MAX,
  Doorbell,
  EVENT_FLAGS,
  EVENT_FLOW,
  EVENT_GEN,
  EVENT_RCV_END,
  EVENT_RX_BASE,
  EVENT_RX_BUFFER,
  EVENT_RX_CLOSED,
  EVENT_RX_LOG2_SHIFT,
  EVENT_SND_UNA,
  EVENT_TIME_US,
  EVENT_TX_CLOSED,
  FLAG_EVENT_LISTED,
  FLAG_FIN_ACKED,
  FLAG_FIN_QUEUED,
  FLAG_FIN_RECEIVED,
  FLAG_REMOVING,
  placeContext,
  REBASE_BYTES,
  RingConsumer,
  RingProducer,
  TCB_APP_U16,
  TCB_BUFFER,
  TCB_CONTEXT_U16,
  TCB_FLAGS,
  TCB_GEN_U16,
  TCB_RCV_ADV,
  TCB_RCV_NXT,
  TCB_RCV_READ,
  TCB_OOO_END,
  TCB_OOO_START,
  TCB_RX_BASE,
  TCB_RX_LOG2_U8,
  TCB_SND_END,
  TCB_SND_UNA,
  TCB_STATE_U8,
  TCB_TX_BASE,
  TCB_TX_BUFFER,
  TCB_TX_LOG2_U8,
  TCB_MSS_U16,
  TRACE_BUMP,
  TRACE_EVENT,
  WHAT_FIN_QUEUED,
  type AppRegionShape,
  type Wakeable,
} from '../../lib/memif/index.js'
import { spaceIsThere } from './acks.js'
import { grantedTransmitLog2, moveReceive, moveTransmit } from './buffermove.js'
import * as counters from './counterindex.js'
import type { FastPath } from './fastpath.js'
import { lookAtReceiveRound, lookAtTransmitRound, noteUse } from './rightsize.js'
import { shutReceive } from './shutreceive.js'
import { traceBumps, traceEvents } from './tracepoints.js'
import { markUrgent } from './urgent.js'

/** Bumps of one context in one pass, so that one application cannot keep the worker from the others. */
const BUMPS_PER_PASS = 64

/** Most bumps read at once where a flow or context leaves: who writes faster than we read says it again to the next worker. */
export const READ_ALL_BUMPS = 4096

/** Part of all events from which on a worker counts as that of one context. */
const MOST_OF_ALL = 0.75

/** One context of an application. */
export class AppContext {
  readonly app: number
  readonly context: number
  readonly events: RingProducer
  readonly bumps: RingConsumer
  readonly doorbell: Doorbell
  /** Events told when it was last looked whose work there is most of. */
  countedEvents: number
  private readonly cpuWord: number

  constructor(app: number, context: number, words: Int32Array, shape: AppRegionShape, worker: number, wake: Wakeable) {
    const places = placeContext(shape, context)
    this.app = app
    this.context = context
    this.events = new RingProducer(words, places.events[worker])
    this.bumps = new RingConsumer(words, places.bumps[worker])
    this.doorbell = new Doorbell(words, places.sleepingWord, wake)
    this.countedEvents = this.events.pushed
    this.cpuWord = places.cpuWord
  }

  /** The CPU that the context says it is on, -1 if it does not; it may say anything. */
  get cpu(): number {
    return this.events.words[this.cpuWord] - 1
  }
}

export class Contexts {
  private readonly fast: FastPath
  /** By application and context id. */
  private readonly table: (AppContext | null)[]
  private active: AppContext[] = []
  private mostActive: AppContext | null = null
  /** The bump at hand is for a flow that is still on its way to us. */
  private isEarly = false

  constructor(fast: FastPath) {
    this.fast = fast
    this.table = new Array<AppContext | null>(APPS_MAX * CONTEXTS_MAX).fill(null)
  }

  /** Takes a context on. */
  add(context: AppContext): void {
    this.table[context.app * CONTEXTS_MAX + context.context] = context
    this.active.push(context)
  }

  has(app: number, context: number): boolean {
    return this.table[app * CONTEXTS_MAX + context] !== null
  }

  /**
   * Forgets a context that has ended, once what waits in its bump ring is read: its connections may be going on. A bump for a flow on its way to us
   * is one for a flow that has ended.
   */
  remove(app: number, id: number): void {
    const context = this.table[app * CONTEXTS_MAX + id]
    if (context === null) return
    for (let left = READ_ALL_BUMPS; left > 0 && !context.bumps.isEmpty();) {
      const read = this.readContext(context)
      if (read === 0) context.bumps.next()
      left -= Math.max(read, 1)
    }
    this.table[app * CONTEXTS_MAX + id] = null
    this.active = this.active.filter((other) => other !== context)
    if (this.mostActive === context) this.mostActive = null
  }

  /** Forgets all contexts of an application. */
  removeApp(app: number): void {
    for (let context = 0; context < CONTEXTS_MAX; context++) this.table[app * CONTEXTS_MAX + context] = null
    this.active = this.active.filter((context) => context.app !== app)
    if (this.mostActive?.app === app) this.mostActive = null
  }

  /** Looks which context got most of the events since the last look: nearly all, or there is none. */
  chooseMostActive(): void {
    let all = 0
    let most = 0
    this.mostActive = null
    for (const context of this.active) {
      const events = (context.events.pushed - context.countedEvents) | 0
      context.countedEvents = context.events.pushed
      all += events
      if (events <= most) continue
      most = events
      this.mostActive = context
    }
    if (most < MOST_OF_ALL * all) this.mostActive = null
  }

  /** The CPU of the context that was found then, as it says; -1 if there is none. */
  get mostActiveCpu(): number {
    return this.mostActive === null ? -1 : this.mostActive.cpu
  }

  // ---- worker to application ----

  /** Writes the state of every listed flow to its context's ring; those that find it full stay listed. Returns how many were written. */
  writeEvents(): number {
    const { fast } = this
    const words = fast.words
    let written = 0
    for (let turns = fast.events.length; turns > 0; turns--) {
      const flow = fast.events.shift()
      const tcb = fast.tcb(flow)
      const flags = words[tcb + TCB_FLAGS]
      if ((flags & FLAG_EVENT_LISTED) === 0) continue
      words[tcb + TCB_FLAGS] = flags & ~FLAG_EVENT_LISTED
      const context = fast.halves[tcb * 2 + TCB_CONTEXT_U16]
      if (context === CONTEXT_NONE) continue
      if (this.writeState(flow, tcb, flags)) written++
      else fast.listEvent(flow, tcb)
    }
    if (written > 0) fast.count(counters.APP_EVENTS, written)
    return written
  }

  /** Writes the state of one flow. Returns false if its ring is full; true also if nobody is there to read it. */
  writeEvent(flow: number, tcb: number): boolean {
    return this.writeState(flow, tcb, this.fast.words[tcb + TCB_FLAGS])
  }

  private writeState(flow: number, tcb: number, flags: number): boolean {
    const { fast } = this
    const words = fast.words
    const app = fast.halves[tcb * 2 + TCB_APP_U16]
    const contextId = fast.halves[tcb * 2 + TCB_CONTEXT_U16]
    const context = contextId === CONTEXT_NONE ? null : this.table[app * CONTEXTS_MAX + contextId]
    if (context === null) return true
    const entry = context.events.reserve()
    if (entry < 0) return false
    const rxClosed = (flags & FLAG_FIN_RECEIVED) !== 0
    const txClosed = (flags & FLAG_FIN_ACKED) !== 0
    const una = words[tcb + TCB_SND_UNA]
    const out = context.events.words
    out[entry + EVENT_FLOW] = flow
    out[entry + EVENT_GEN] = fast.halves[tcb * 2 + TCB_GEN_U16] | fast.turns[flow]
    out[entry + EVENT_FLAGS] =
      (rxClosed ? EVENT_RX_CLOSED : 0) | (txClosed ? EVENT_TX_CLOSED : 0) | (fast.bytes[tcb * 4 + TCB_RX_LOG2_U8] << EVENT_RX_LOG2_SHIFT)
    out[entry + EVENT_RCV_END] = rxClosed ? (words[tcb + TCB_RCV_NXT] - 1) | 0 : words[tcb + TCB_RCV_NXT]
    out[entry + EVENT_SND_UNA] = txClosed ? (una - 1) | 0 : una
    out[entry + EVENT_TIME_US] = fast.now32
    out[entry + EVENT_RX_BASE] = words[tcb + TCB_RX_BASE]
    out[entry + EVENT_RX_BUFFER] = words[tcb + TCB_BUFFER]
    context.events.push()
    fast.reportedUna[flow] = una
    return true
  }

  /** Makes events and freed bump entries visible and wakes the contexts that sleep. */
  publish(): void {
    if (this.fast.trace.wants(TRACE_EVENT)) this.traceAll()
    for (let i = 0; i < this.active.length; i++) {
      const context = this.active[i]
      if (context.events.publish() && context.doorbell.ring()) this.fast.count(counters.APP_WAKEUPS, 1)
    }
  }

  private traceAll(): void {
    for (const context of this.active) if (context.events.unpublished > 0) traceEvents(this.fast, context)
  }

  // ---- application to worker ----

  /** Reads the bumps of all contexts. Returns how many. */
  readBumps(): number {
    let read = 0
    for (let i = 0; i < this.active.length; i++) read += this.readContext(this.active[i])
    return read
  }

  /**
   * Reads the bumps that wait in context `id` of application `app`, all of them: a flow of it is to go to another worker, or context. It stops
   * where `most` or more are read. Returns how many.
   */
  readAll(app: number, id: number, most = READ_ALL_BUMPS): number {
    const context = id === CONTEXT_NONE ? null : this.table[app * CONTEXTS_MAX + id]
    let all = 0
    while (context !== null && all < most && !context.bumps.isEmpty()) {
      const read = this.readContext(context)
      if (read === 0) break
      all += read
    }
    return all
  }

  private readContext(context: AppContext): number {
    const ring = context.bumps
    let read = 0
    for (; read < BUMPS_PER_PASS; read++) {
      const entry = ring.peek()
      if (entry < 0) break
      if (!this.bump(context, ring.words, entry)) this.fast.count(counters.APP_BAD_BUMPS, 1)
      if (this.isEarly) {
        this.isEarly = false
        break
      }
      ring.next()
    }
    if (read > 0) {
      if (this.fast.trace.wants(TRACE_BUMP)) traceBumps(this.fast, context, read)
      ring.release()
      this.fast.count(counters.APP_BUMPS, read)
    }
    return read
  }

  /** Whether any context has bumps: the second look before sleeping. */
  hasBumps(): boolean {
    for (let i = 0; i < this.active.length; i++) if (!this.active[i].bumps.isEmpty()) return true
    return false
  }

  /**
   * Applies one bump. Returns false, having changed nothing, if it is not a possible one. A bump for a flow that has ended
   * meanwhile is late, not wrong.
   */
  private bump(context: AppContext, ring: Int32Array, entry: number): boolean {
    const { fast } = this
    const words = fast.words
    const flow = ring[entry + BUMP_FLOW]
    if (flow < 0 || flow >= fast.state.shape.flows) return false
    const tcb = fast.tcb(flow)
    if (fast.bytes[tcb * 4 + TCB_STATE_U8] !== fast.owned) return this.bumpUnowned(context, tcb, ring[entry + BUMP_GEN])
    if (fast.halves[tcb * 2 + TCB_GEN_U16] !== (ring[entry + BUMP_GEN] & 0xffff)) return true
    if (fast.halves[tcb * 2 + TCB_APP_U16] !== context.app) return false
    const flags = words[tcb + TCB_FLAGS]
    if ((flags & FLAG_REMOVING) !== 0) return true
    const read = ring[entry + BUMP_RCV_READ]
    const end = ring[entry + BUMP_SND_END]
    const given = (read - words[tcb + TCB_RCV_READ]) | 0
    const inOrder = (words[tcb + TCB_RCV_NXT] - ((flags & FLAG_FIN_RECEIVED) !== 0 ? 1 : 0)) | 0
    if (given < 0 || ((inOrder - read) | 0) < 0) return false
    const written = (end - words[tcb + TCB_SND_END]) | 0
    if (written < 0 || (written > 0 && (flags & FLAG_FIN_QUEUED) !== 0)) return false
    const buffer = ring[entry + BUMP_TX_BUFFER]
    const moves = buffer !== words[tcb + TCB_TX_BUFFER]
    const txLog2 = moves ? grantedTransmitLog2(fast, flow, buffer) : fast.bytes[tcb * 4 + TCB_TX_LOG2_U8]
    if (txLog2 < 0 || ((end - words[tcb + TCB_SND_UNA]) | 0) > 1 << txLog2) return false
    if (!this.rebaseTransmit(tcb, ring[entry + BUMP_TX_BASE])) return false
    if (moves) moveTransmit(fast, flow, tcb)
    const bits = ring[entry + BUMP_FLAGS]
    if (given > 0) this.giveBack(flow, tcb, read)
    if (written > 0) words[tcb + TCB_SND_END] = end
    this.wantSpace(flow, tcb, ring[entry + BUMP_WANTED])
    if ((bits & BUMP_URGENT) !== 0) markUrgent(fast, flow, tcb, bits, end)
    if ((bits & BUMP_RX_SHUT) !== 0) shutReceive(fast, flow, tcb)
    if ((bits & BUMP_FIN) !== 0) this.queueFin(flow, tcb)
    else if (written > 0) fast.listTx(flow, tcb)
    return true
  }

  /**
   * The application hears of a flow before we do, so its first bump may be here before TO_FAST_FLOW_ADD: then it stays in the ring, or what it
   * says would be lost. Any other bump for a flow that is not ours is late.
   */
  private bumpUnowned(context: AppContext, tcb: number, gen: number): boolean {
    const { fast } = this
    this.isEarly = fast.bytes[tcb * 4 + TCB_STATE_U8] === fast.handed && fast.halves[tcb * 2 + TCB_APP_U16] === context.app &&
      fast.halves[tcb * 2 + TCB_GEN_U16] === (gen & 0xffff)
    return true
  }

  /** The application waits for `wanted` free bytes; if they are there and it does not know, it is told at once. */
  private wantSpace(flow: number, tcb: number, wanted: number): void {
    const { fast } = this
    fast.wantedFree[flow] = wanted
    if (wanted === 0) return
    lookAtTransmitRound(fast, flow, tcb)
    if (fast.reportedUna[flow] !== fast.words[tcb + TCB_SND_UNA] && spaceIsThere(fast, flow, tcb)) fast.listEvent(flow, tcb)
  }

  /**
   * The application has read up to `read`. The peer is told when the window has grown by two segments or a quarter of
   * the buffer, whichever is less (receiver's silly-window avoidance, RFC 9293, 3.8.6.2.2).
   */
  private giveBack(flow: number, tcb: number, read: number): void {
    const { fast } = this
    const words = fast.words
    words[tcb + TCB_RCV_READ] = read
    if (fast.rxMoving[flow] !== 0) moveReceive(fast, flow, tcb)
    this.rebaseReceive(flow, tcb, read)
    lookAtReceiveRound(fast, flow, tcb)
    const size = 1 << fast.bytes[tcb * 4 + TCB_RX_LOG2_U8]
    if ((words[tcb + TCB_FLAGS] & FLAG_FIN_RECEIVED) !== 0) return
    const grown = (read + size - words[tcb + TCB_RCV_ADV]) | 0
    const advertised = (words[tcb + TCB_RCV_ADV] - words[tcb + TCB_RCV_NXT]) | 0
    const step = Math.min(size >> 2, 2 * fast.halves[tcb * 2 + TCB_MSS_U16])
    if (grown >= size >> 2 || (grown >= step && advertised < size >> 1)) fast.listAck(flow, tcb)
  }

  /** Brings the receive stream back to the front of its buffer if nothing in the buffer is needed any more. */
  private rebaseReceive(flow: number, tcb: number, read: number): void {
    const { fast } = this
    const words = fast.words
    if (read !== words[tcb + TCB_RCV_NXT] || words[tcb + TCB_OOO_START] !== words[tcb + TCB_OOO_END]) return
    // Unsigned: a stream that was never empty may have walked round for longer than 2 GiB.
    const walked = (read - words[tcb + TCB_RX_BASE]) >>> 0
    if (walked < REBASE_BYTES) return
    noteUse(fast, flow, tcb, walked)
    words[tcb + TCB_RX_BASE] = read
  }

  /** The application has brought its transmit stream back to the front. Returns false if it must not. */
  private rebaseTransmit(tcb: number, base: number): boolean {
    const words = this.fast.words
    if (base === words[tcb + TCB_TX_BASE]) return true
    const end = words[tcb + TCB_SND_END]
    if (base !== end || words[tcb + TCB_SND_UNA] !== end) return false
    words[tcb + TCB_TX_BASE] = base
    return true
  }

  /** Queues our FIN behind what has been written (RFC 9293, 3.10.4), once. */
  queueFin(flow: number, tcb: number): void {
    const { fast } = this
    if ((fast.words[tcb + TCB_FLAGS] & FLAG_FIN_QUEUED) !== 0) return
    fast.words[tcb + TCB_FLAGS] |= FLAG_FIN_QUEUED
    fast.tellSlow(flow, tcb, WHAT_FIN_QUEUED)
    fast.listTx(flow, tcb)
  }
}
