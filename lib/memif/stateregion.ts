/**
 * The state region: what slow path and workers share and applications never see.
 *
 *   header page | neighbour table | TCB table | moves (moves.ts) | extras (extras.ts) |
 *   for each worker: flow table, to-slow ring, to-fast ring, own words
 */
import {
  CACHE_LINE_WORDS,
  LAYOUT_VERSION,
  LOCAL_ADDRESSES_MAX,
  log2Ceil,
  PAGE_BYTES,
  REGION_MAGIC,
  roundUp,
} from './layout.js'
import { EXTRA_WORDS } from './extras.js'
import { MOVE_WORDS } from './moves.js'
import { packetRingBytes, placePacketRing, type PacketRingPlace } from './packetring.js'
import { TCB_BYTES } from './tcb.js'

/** Neighbours that can be known at once; the ARP cache is bounded by it. */
export const NEIGHBORS_MAX = 4096
/** Words of an entry in the neighbour table: MAC bytes 0 to 5, then two bytes spare. */
export const NEIGHBOR_WORDS = 2

/** Words of a flow table entry: hash, flow index plus one (0 marks an empty place). */
export const FLOW_ENTRY_WORDS = 2

/** Copies that a worker's journal holds: more than a port's largest burst and what may come on top. */
export const JOURNAL_ENTRIES = 2048
/** First entry behind the count; an entry is two words (service/fast/copyjournal.ts). */
export const JOURNAL_FIRST_WORD = 16

/** What both sides must agree on to find everything. */
export interface StateRegionShape {
  readonly workers: number
  /** TCBs; a power of two. */
  readonly flows: number
  /** Entries of the ring to the slow path (--nic-rx-len); a power of two. */
  readonly toSlowEntries: number
  /** Entries of the ring to each worker (--nic-tx-len); a power of two. */
  readonly toFastEntries: number
  /** Bytes of each packet area; a power of two. */
  readonly packetAreaBytes: number
}

/** Words of the header page: identity, then what workers need to know at all times. */
export const STATE_MAGIC = 0
export const STATE_VERSION = 1
export const STATE_WORKERS = 2
export const STATE_FLOWS = 3
export const STATE_TO_SLOW_ENTRIES = 4
export const STATE_TO_FAST_ENTRIES = 5
export const STATE_PACKET_AREA_BYTES = 6
/** Number of local addresses. */
export const STATE_LOCAL_COUNT = 7
/** Time to live of what is sent, 1 to 255. */
export const STATE_TTL = 15
/** First of LOCAL_ADDRESSES_MAX words: local addresses in network byte order, as loaded raw from packets. */
export const STATE_LOCAL_ADDRESSES = 16
/** Two words: our MAC address, bytes 0 to 5. */
export const STATE_MAC = 16 + LOCAL_ADDRESSES_MAX

/** First of FLOW_GROUPS bytes (not words): the worker of each group of flows (flowgroups.ts). The slow path's to write. */
export const STATE_GROUPS_U8 = 512

/** Time to live unless another is configured (RFC 1122, 3.2.1.7; the value IANA recommends). */
export const DEFAULT_TTL = 64

/** Where one worker's parts stand. */
export interface WorkerPlaces {
  /** Word index of the flow table. */
  readonly flowTableWord: number
  /** Entries of the flow table: twice the TCBs, so that probing stays short. */
  readonly flowTableEntries: number
  readonly toSlow: PacketRingPlace
  readonly toFast: PacketRingPlace
  /** 16 words of the worker's own that must outlive it (ring position of its port, say). */
  readonly ownWord: number
  /** Word index of the journal of copies that are under way. */
  readonly journalWord: number
}

/** Where everything stands in the state region. */
export interface StatePlaces {
  readonly neighborsWord: number
  /** Byte offset of TCB 0; TCB `flow` is at `tcbOffset + flow * TCB_BYTES`. */
  readonly tcbOffset: number
  /** Word index of row 0 of the moves; row `flow` is at `movesWord + flow * MOVE_WORDS`. */
  readonly movesWord: number
  /** Word index of row 0 of the extras; row `flow` is at `extrasWord + flow * EXTRA_WORDS`. */
  readonly extrasWord: number
  readonly workers: readonly WorkerPlaces[]
  readonly totalBytes: number
}

/** Lays the state region out. Throws RangeError for sizes that are no powers of two. */
export function placeState(shape: StateRegionShape): StatePlaces {
  for (const size of [shape.flows, shape.toSlowEntries, shape.toFastEntries, shape.packetAreaBytes]) {
    if (size < 1 || 2 ** log2Ceil(size) !== size) throw new RangeError(`state region: ${size} is not a power of two`)
  }
  const neighborsOffset = PAGE_BYTES
  const tcbOffset = roundUp(neighborsOffset + NEIGHBORS_MAX * NEIGHBOR_WORDS * 4, PAGE_BYTES)
  const movesOffset = tcbOffset + shape.flows * TCB_BYTES
  const extrasOffset = movesOffset + shape.flows * MOVE_WORDS * 4
  let at = extrasOffset + shape.flows * EXTRA_WORDS * 4
  const workers: WorkerPlaces[] = []
  for (let worker = 0; worker < shape.workers; worker++) {
    const flowTableEntries = shape.flows * 2
    const flowTableWord = at / 4
    at += flowTableEntries * FLOW_ENTRY_WORDS * 4
    const toSlow = placePacketRing(at, shape.toSlowEntries, shape.packetAreaBytes)
    at = roundUp(at + packetRingBytes(shape.toSlowEntries, shape.packetAreaBytes), PAGE_BYTES)
    const toFast = placePacketRing(at, shape.toFastEntries, shape.packetAreaBytes)
    at = roundUp(at + packetRingBytes(shape.toFastEntries, shape.packetAreaBytes), PAGE_BYTES)
    const ownWord = at / 4
    const journalWord = ownWord + CACHE_LINE_WORDS
    workers.push({ flowTableWord, flowTableEntries, toSlow, toFast, ownWord, journalWord })
    at = roundUp((journalWord + JOURNAL_FIRST_WORD + JOURNAL_ENTRIES * 2) * 4, PAGE_BYTES)
  }
  return { neighborsWord: neighborsOffset / 4, tcbOffset, movesWord: movesOffset / 4, extrasWord: extrasOffset / 4, workers, totalBytes: at }
}

/** Writes the header of a fresh state region. */
export function writeStateHeader(words: Int32Array, shape: StateRegionShape): void {
  words[STATE_MAGIC] = REGION_MAGIC
  words[STATE_VERSION] = LAYOUT_VERSION
  words[STATE_WORKERS] = shape.workers
  words[STATE_FLOWS] = shape.flows
  words[STATE_TO_SLOW_ENTRIES] = shape.toSlowEntries
  words[STATE_TO_FAST_ENTRIES] = shape.toFastEntries
  words[STATE_PACKET_AREA_BYTES] = shape.packetAreaBytes
  words[STATE_TTL] = DEFAULT_TTL
}

/** Reads the shape of a state region. Throws Error if it is not one of this layout version. */
export function readStateHeader(words: Int32Array): StateRegionShape {
  if (words[STATE_MAGIC] !== REGION_MAGIC || words[STATE_VERSION] !== LAYOUT_VERSION) {
    throw new Error(`not a state region of layout version ${LAYOUT_VERSION}`)
  }
  return {
    workers: words[STATE_WORKERS],
    flows: words[STATE_FLOWS],
    toSlowEntries: words[STATE_TO_SLOW_ENTRIES],
    toFastEntries: words[STATE_TO_FAST_ENTRIES],
    packetAreaBytes: words[STATE_PACKET_AREA_BYTES],
  }
}

/** Views of the state region, made once. All see the same bytes. */
export class StateView {
  readonly buffer: ArrayBufferLike
  readonly words: Int32Array
  readonly halves: Uint16Array
  readonly bytes: Uint8Array
  readonly shape: StateRegionShape
  readonly places: StatePlaces
  /** Word index of TCB 0: flow f's words start at `tcbWord + f * TCB_WORDS`. */
  readonly tcbWord: number

  /** Attaches to a region whose header is written. Throws Error if it is not a state region. */
  constructor(buffer: ArrayBufferLike) {
    this.buffer = buffer
    this.words = new Int32Array(buffer)
    this.halves = new Uint16Array(buffer)
    this.bytes = new Uint8Array(buffer)
    this.shape = readStateHeader(this.words)
    this.places = placeState(this.shape)
    this.tcbWord = this.places.tcbOffset / 4
    if (this.places.totalBytes > buffer.byteLength) throw new Error('state region is shorter than its header says')
  }
}
