/**
 * The trace region: what slow path and workers do, for `tas trace`. One ring for each process, of entries of one size; the oldest are
 * overwritten. Tools map the region read-only; which kinds are wanted the service says in the header, and nothing is written of others.
 *
 *   header page: identity | wanted kinds | tail of ring 0, 1, ...        ring 0: slow path    ring 1 + w: worker w
 *
 * An entry is written in place and then published by the tail. The entry at the tail is being written, so of `entries` places that many less one can
 * be read; a reader looks at the tail again when it has copied an entry, and takes it for lost if that place came up meanwhile.
 */
import { CACHE_LINE_WORDS, LAYOUT_VERSION, PAGE_BYTES, REGION_MAGIC, WORKERS_MAX } from './layout.js'
import { SleepMark } from './doorbell.js'
import { STATE_LOCAL_ADDRESSES, type StateView } from './stateregion.js'
import { TCB_LOCAL_IP_U8, TCB_PORTS, TCB_REMOTE_IP, TCB_WORDS } from './tcb.js'

/** Kinds of entries; bit n of the wanted kinds is kind n. */
export const TRACE_KINDS = ['rx', 'tx', 'message', 'flow', 'event', 'bump', 'loss', 'timer', 'rate', 'sleep'] as const
export type TraceKind = (typeof TRACE_KINDS)[number]
/** A frame that came: TRACE_FRAME_*; `what` 1 if it has not left this host. */
export const TRACE_RX = 0
/** A frame that was sent. */
export const TRACE_TX = 1
/** A message between slow path and worker: `what` its type (slowfast.ts), values: worker, words 4 and 5 of the message. */
export const TRACE_MESSAGE = 2
/** A connection: `what` TRACE_FLOW_*. */
export const TRACE_FLOW = 3
/** The worker tells an application: flags, end of received bytes, SND.UNA, application and context (appfast.ts). */
export const TRACE_EVENT = 4
/** An application tells the worker: flags, bytes read up to, bytes written up to, application and context. Not checked yet. */
export const TRACE_BUMP = 5
/** Loss and repair: `what` TRACE_LOSS_*; values: SND.UNA, timeouts in a row. */
export const TRACE_LOSS = 6
/** A timer has expired: `what` is an index into TRACE_TIMERS. */
export const TRACE_TIMER = 7
/** Window or rate were decided: cwnd and ssthresh in bytes, rate in kbit/s, SRTT in microseconds. */
export const TRACE_RATE = 8
/** The process goes to sleep (`what` 1) or goes on (0). */
export const TRACE_SLEEP = 9

/** Another state: from, to (TCP_STATES). */
export const TRACE_FLOW_STATE = 0
/** Handed to a worker: which. */
export const TRACE_FLOW_ADDED = 1
/** The worker has let go. */
export const TRACE_FLOW_REMOVED = 2

export const TRACE_LOSS_TIMEOUT = 0
export const TRACE_LOSS_RECOVERY = 1
export const TRACE_LOSS_PROBE = 2
export const TRACE_LOSS_UNDONE = 3
export const TRACE_LOSS_PERSIST = 4
/** The worker is told to send a range again: its first sequence number and its length in place of the usual values. */
export const TRACE_LOSS_RESENT = 5

export const TRACE_TIMERS = ['handshake', 'retransmission', 'keepalive', 'linger', 'time-wait', 'reorder', 'congestion'] as const
export type TraceTimer = (typeof TRACE_TIMERS)[number]

/** Entries of each ring; a power of two. */
export const TRACE_ENTRIES = 1 << 15
/** Words of an entry. */
export const TRACE_ENTRY_WORDS = 32
/** Words of every entry: time (low 32 bits of the microsecond clock), kind and what (kind + what << 8). */
export const TRACE_TIME_US = 0
export const TRACE_KIND = 1
/** Of a frame: its length on the wire, and how many bytes of it are kept from TRACE_FRAME_BYTES on. */
export const TRACE_FRAME_LEN = 2
export const TRACE_FRAME_KEPT = 3
export const TRACE_FRAME_BYTES = 8
/** Of all others: flow index or -1, generation, the connection (network byte order, as in the TCB), then four values. */
export const TRACE_FLOW_INDEX = 2
export const TRACE_GEN = 3
export const TRACE_REMOTE_IP = 4
export const TRACE_PORTS = 5
export const TRACE_LOCAL_IP = 6
export const TRACE_VALUES = 8

/** Most bytes kept of a frame: the longest headers of Ethernet, IPv4 without options and TCP. */
export const TRACE_FRAME_MAX = (TRACE_ENTRY_WORDS - TRACE_FRAME_BYTES) * 4

const MAGIC = 0
const VERSION = 1
const RINGS = 2
/** Word of the wanted kinds, on a cache line of its own. */
const WANTED = CACHE_LINE_WORDS
const TAILS = 2 * CACHE_LINE_WORDS
const FIRST_ENTRY = PAGE_BYTES / 4

const ETHERNET_BYTES = 14

/** Word of a ring's tail. */
function tailWord(ring: number): number {
  return TAILS + ring * CACHE_LINE_WORDS
}

/** Word of the entry with number `count` of a ring. */
function entryWord(ring: number, count: number): number {
  return FIRST_ENTRY + (ring * TRACE_ENTRIES + (count & (TRACE_ENTRIES - 1))) * TRACE_ENTRY_WORDS
}

/** Bytes of the region for `workers` workers. Memory is taken only while something is traced. */
export function traceRegionBytes(workers: number): number {
  return (FIRST_ENTRY + (1 + workers) * TRACE_ENTRIES * TRACE_ENTRY_WORDS) * 4
}

/** Where entries begin in the region: from there on it may be given back when nothing is traced. */
export const TRACE_ENTRIES_OFFSET = PAGE_BYTES

/** Writes the header of a fresh region: nothing is wanted. */
export function writeTraceHeader(words: Int32Array, workers: number): void {
  if (workers < 1 || workers > WORKERS_MAX) throw new RangeError(`trace region: ${workers} workers`)
  words[MAGIC] = REGION_MAGIC
  words[VERSION] = LAYOUT_VERSION
  words[RINGS] = 1 + workers
}

/** Says which kinds are written from now on, a bit for each; 0: none. A process that sleeps sees it when it wakes. */
export function setWantedKinds(words: Int32Array, kinds: number): void {
  Atomics.store(words, WANTED, kinds)
}

/** The bytes worth keeping of a frame of `len`: of TCP headers alone, or the first of anything else. */
export function tracedBytes(bytes: Uint8Array, at: number, len: number): number {
  const most = Math.min(len, TRACE_FRAME_MAX)
  const ip = at + ETHERNET_BYTES
  const isTcp = len >= ETHERNET_BYTES + 40 && bytes[at + 12] === 8 && bytes[at + 13] === 0 && bytes[ip] >>> 4 === 4 && bytes[ip + 9] === 6
  if (!isTcp) return most
  const tcp = ip + (bytes[ip] & 15) * 4
  return Math.min(most, ETHERNET_BYTES + (bytes[ip] & 15) * 4 + (bytes[tcp + 12] >>> 4) * 4)
}

/**
 * The writing end of one ring. A caller asks `wants` first, which is one load and one test, then calls `stamp` once for what happens at one
 * time, then writes entries. Garbage-free.
 */
export class TraceWriter {
  private readonly words: Int32Array
  private readonly bytes: Uint8Array
  private readonly ring: number
  private readonly clock32: () => number
  private tail: number
  private now32 = 0

  /**
   * Attaches to ring `ring` of a region, going on where an earlier writer stopped. `clock32` reads the monotonic clock, low 32 bits of
   * microseconds.
   */
  constructor(region: ArrayBufferLike, ring: number, clock32: () => number) {
    this.words = new Int32Array(region)
    this.bytes = new Uint8Array(region)
    this.ring = ring
    this.clock32 = clock32
    this.tail = this.words[tailWord(ring)]
  }

  /** One that is never wanted to write, where there is no region. */
  static off(): TraceWriter {
    return new TraceWriter(new ArrayBuffer(PAGE_BYTES), 0, () => 0)
  }

  /** Whether entries of this kind (TRACE_RX, ...) are to be written. */
  wants(kind: number): boolean {
    return (this.words[WANTED] & (1 << kind)) !== 0
  }

  /** What is written from here on happens now. */
  stamp(): void {
    this.now32 = this.clock32() | 0
  }

  /** A frame whose first `len` bytes stand at `at`, `wireBytes` long. */
  frame(kind: number, what: number, bytes: Uint8Array, at: number, len: number, wireBytes: number): void {
    const entry = this.begin(kind, what)
    const kept = tracedBytes(bytes, at, len)
    this.words[entry + TRACE_FRAME_LEN] = wireBytes
    this.words[entry + TRACE_FRAME_KEPT] = kept
    const to = (entry + TRACE_FRAME_BYTES) * 4
    for (let i = 0; i < kept; i++) this.bytes[to + i] = bytes[at + i]
    this.publish()
  }

  /** Something about a flow, whose connection is taken from its TCB; -1 for none. */
  flow(kind: number, what: number, state: StateView, flow: number, gen: number, a: number, b: number, c: number, d: number): void {
    const hasTcb = flow >= 0 && flow < state.shape.flows
    const tcb = state.tcbWord + flow * TCB_WORDS
    const remoteIp = hasTcb ? state.words[tcb + TCB_REMOTE_IP] : 0
    const ports = hasTcb ? state.words[tcb + TCB_PORTS] : 0
    const localIp = hasTcb ? state.words[STATE_LOCAL_ADDRESSES + state.bytes[tcb * 4 + TCB_LOCAL_IP_U8]] : 0
    this.connection(kind, what, flow, gen, remoteIp, ports, localIp, a, b, c, d)
  }

  /** Something about a connection: addresses and ports as in the TCB (ports: peer's, local). */
  connection(
    kind: number, what: number, flow: number, gen: number, remoteIp: number, ports: number, localIp: number, a: number, b: number, c: number,
    d: number,
  ): void {
    const entry = this.begin(kind, what)
    const { words } = this
    words[entry + TRACE_FLOW_INDEX] = flow
    words[entry + TRACE_GEN] = gen
    words[entry + TRACE_REMOTE_IP] = remoteIp
    words[entry + TRACE_PORTS] = ports
    words[entry + TRACE_LOCAL_IP] = localIp
    words[entry + TRACE_VALUES] = a
    words[entry + TRACE_VALUES + 1] = b
    words[entry + TRACE_VALUES + 2] = c
    words[entry + TRACE_VALUES + 3] = d
    this.publish()
  }

  private begin(kind: number, what: number): number {
    const entry = entryWord(this.ring, this.tail)
    this.words[entry + TRACE_TIME_US] = this.now32
    this.words[entry + TRACE_KIND] = kind | (what << 8)
    return entry
  }

  private publish(): void {
    this.tail = (this.tail + 1) | 0
    Atomics.store(this.words, tailWord(this.ring), this.tail)
  }
}

/** The process goes to sleep, or goes on. */
export function traceSleep(trace: TraceWriter, isAsleep: boolean): void {
  if (!trace.wants(TRACE_SLEEP)) return
  trace.stamp()
  trace.connection(TRACE_SLEEP, isAsleep ? 1 : 0, -1, 0, 0, 0, 0, 0, 0, 0, 0)
}

/** A sleeping mark that is traced. */
export class TracedSleepMark extends SleepMark {
  private readonly trace: TraceWriter
  private isSet = false

  constructor(words: Int32Array, word: number, trace: TraceWriter) {
    super(words, word)
    this.trace = trace
  }

  override set(): void {
    this.note(true)
    super.set()
  }

  override clear(): void {
    super.clear()
    if (this.isSet) this.note(false)
  }

  private note(isAsleep: boolean): void {
    this.isSet = isAsleep
    traceSleep(this.trace, isAsleep)
  }
}

/** The reading end of all rings, from the moment it is made. The region may be mapped read-only. */
export class TraceReader {
  private readonly words: Int32Array
  private readonly next: number[]
  /** Entries that were overwritten before they were read. */
  lost = 0

  /** Throws Error if it is no trace region of this layout version. */
  constructor(region: ArrayBufferLike) {
    this.words = new Int32Array(region)
    const rings = this.words[RINGS]
    if (this.words[MAGIC] !== REGION_MAGIC || this.words[VERSION] !== LAYOUT_VERSION || traceRegionBytes(rings - 1) > region.byteLength) {
      throw new Error(`not a trace region of layout version ${LAYOUT_VERSION}; use the service's own tas`)
    }
    this.next = Array.from({ length: rings }, (_, ring) => Atomics.load(this.words, tailWord(ring)))
  }

  /** Rings: the slow path's, then those of the workers. */
  get rings(): number {
    return this.next.length
  }

  /** Hands out what ring `ring` has now, oldest first: a copy of each entry, good for the call. */
  read(ring: number, take: (entry: Int32Array) => void): void {
    const copy = new Int32Array(TRACE_ENTRY_WORDS)
    for (const tail = Atomics.load(this.words, tailWord(ring)); this.next[ring] !== tail; this.next[ring] = (this.next[ring] + 1) | 0) {
      this.skipOverwritten(ring)
      if (((tail - this.next[ring]) | 0) <= 0) return
      const from = entryWord(ring, this.next[ring])
      for (let word = 0; word < TRACE_ENTRY_WORDS; word++) copy[word] = this.words[from + word]
      if (this.isOverwritten(ring)) this.lost++
      else take(copy)
    }
  }

  /** The entry at hand, or the one being written in its place. */
  private isOverwritten(ring: number): boolean {
    return ((Atomics.load(this.words, tailWord(ring)) - this.next[ring]) | 0) >= TRACE_ENTRIES
  }

  private skipOverwritten(ring: number): void {
    const behind = (Atomics.load(this.words, tailWord(ring)) - this.next[ring]) | 0
    if (behind < TRACE_ENTRIES) return
    const skipped = behind - TRACE_ENTRIES + 1
    this.lost += skipped
    this.next[ring] = (this.next[ring] + skipped) | 0
  }
}
