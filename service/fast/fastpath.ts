/**
 * What all parts of one worker share: views of the state region, the port, time, counters and the lists of flows that
 * something is to be done for. One object with fixed fields, so that every access is monomorphic.
 */
import {
  EXTRA_WORDS,
  FLAG_ACK_DELAYED,
  FLAG_ACK_LISTED,
  FLAG_EVENT_LISTED,
  FLAG_PACE_LISTED,
  FLAG_SLOW_LISTED,
  FLAG_TX_LISTED,
  FLOW_HANDED,
  FLOW_OWNED,
  flowState,
  log2Ceil,
  STATE_LOCAL_ADDRESSES,
  STATE_LOCAL_COUNT,
  TCB_FLAGS,
  TCB_RCV_READ,
  TCB_RX_LOG2_U8,
  TCB_STATE_U8,
  TCB_WORDS,
  TraceWriter,
  workerCounterBase,
  type StateView,
  type WorkerPlaces,
} from '../../lib/memif/index.js'
import type { LoopPort } from '../../native/loopport.js'
import {
  COPY_BUFFER,
  COPY_BUFFER_LEN,
  COPY_DESC_WORDS,
  COPY_FRAME,
  COPY_FROM,
  COPY_LEN,
  COPY_POS,
  COPY_REGION,
  type Port,
  type RegionTable,
} from '../../native/port.js'
import { CopyJournal } from './copyjournal.js'
import { delayAck, DelayedAcks } from './delayedack.js'
import { Emitter } from './emit.js'
import { FlowFifo } from './fifo.js'
import { FlowTable } from './flowtable.js'
import { Pacing } from './pacing.js'
import { Reassembly } from './reassembly.js'
import { BufferUse } from './rightsize.js'
import { SackBlocks } from './sackblocks.js'
import { Loopback } from './loopback.js'

/** What a worker is made of. */
export interface FastPathParts {
  readonly state: StateView
  readonly worker: number
  readonly port: Port
  /** For connections between applications of this worker; beside `port`. */
  readonly loop: LoopPort
  readonly regions: RegionTable
  /** The counters region. */
  readonly counters: Float64Array
  /** The worker's ring of the trace region; nothing is traced without. */
  readonly trace?: TraceWriter
}

export class FastPath {
  readonly state: StateView
  readonly places: WorkerPlaces
  readonly worker: number
  readonly port: Port
  readonly loop: LoopPort
  readonly regions: RegionTable
  readonly words: Int32Array
  private readonly copyDesc: Int32Array
  private readonly tcbWord: number
  private readonly extrasWord: number
  readonly halves: Uint16Array
  readonly bytes: Uint8Array
  readonly counters: Float64Array
  /** Index of this worker's block of counters. */
  readonly counterBase: number
  readonly flows: FlowTable
  readonly loopback: Loopback
  readonly emitter: Emitter
  readonly journal: CopyJournal
  readonly reassembly: Reassembly
  readonly sackBlocks: SackBlocks
  readonly pacing: Pacing
  readonly trace: TraceWriter

  /** State bytes (TCB_STATE_U8) of flows that are ours, and that are on their way to us or were ours. */
  readonly owned: number
  readonly handed: number

  /** Microsecond clock of this pass, low 32 bits. */
  now32 = 0
  /** Timestamp clock, milliseconds (RFC 7323, 5.4), low 32 bits; the slow path uses the same. */
  tsNow = 0

  /** Copy descriptors of this pass. */
  copies = 0
  /** First header slot not yet taken by the port, and the slot behind the last one filled. */
  txFirst = 0
  txEnd = 0

  readonly txReady: FlowFifo
  readonly acks: FlowFifo
  readonly delayedAcks: DelayedAcks
  readonly events: FlowFifo
  readonly slowEvents: FlowFifo

  /** For each flow: acknowledgments to send now. */
  readonly ackCount: Uint8Array
  /** For each flow: further acknowledgments that go out at once after a loss (emit.ts). */
  readonly quickAcks: Uint8Array
  /** For each flow: RCV.NXT when we last sent an acknowledgment. */
  readonly lastAck: Int32Array
  /** For each flow: when a segment without data that is not acceptable was last answered, low 32 bits of microseconds. */
  readonly answered32: Int32Array
  /** For each flow: SND.UNA that the application was last told. */
  readonly reportedUna: Int32Array
  /** For each flow: free bytes of the transmit buffer that the application waits for, or 0. */
  readonly wantedFree: Int32Array
  /** For each flow: WHAT_* bits for the slow path. */
  readonly slowWhat: Uint16Array
  /** For each flow: whether its receive buffer is being exchanged (buffermove.ts). */
  readonly rxMoving: Uint8Array
  /** For each flow: how often it has changed its worker, in the upper half: as events carry it (EVENT_TURN_SHIFT). */
  readonly turns: Int32Array
  /** Flows whose exchange was ordered in this pass. */
  readonly rxOrdered: number[] = []
  /** Flows whose old transmit buffer header slots may still name. */
  readonly txMoved: number[] = []
  readonly bufferUse: BufferUse

  constructor(parts: FastPathParts) {
    const { state, worker } = parts
    this.state = state
    this.places = state.places.workers[worker]
    this.worker = worker
    this.owned = flowState(FLOW_OWNED, worker)
    this.handed = flowState(FLOW_HANDED, worker)
    this.port = parts.port
    this.loop = parts.loop
    this.regions = parts.regions
    this.words = state.words
    this.copyDesc = parts.port.copyDesc
    this.tcbWord = state.tcbWord
    this.extrasWord = state.places.extrasWord
    this.halves = state.halves
    this.bytes = state.bytes
    this.counters = parts.counters
    this.counterBase = workerCounterBase(worker)
    this.flows = new FlowTable(state, this.places)
    this.loopback = new Loopback(this)
    this.journal = new CopyJournal(state.words, this.places.journalWord)
    const flows = state.shape.flows
    this.reassembly = new Reassembly(state.words, flows)
    this.sackBlocks = new SackBlocks(this.reassembly, flows)
    this.pacing = new Pacing(flows)
    this.trace = parts.trace ?? TraceWriter.off()
    this.emitter = new Emitter(this)
    const capacity = 2 ** (log2Ceil(flows) + 1)
    this.txReady = new FlowFifo(capacity)
    this.acks = new FlowFifo(capacity)
    this.delayedAcks = new DelayedAcks(flows, capacity)
    this.events = new FlowFifo(capacity)
    this.slowEvents = new FlowFifo(capacity)
    this.ackCount = new Uint8Array(flows)
    this.quickAcks = new Uint8Array(flows)
    this.lastAck = new Int32Array(flows)
    this.answered32 = new Int32Array(flows)
    this.reportedUna = new Int32Array(flows)
    this.wantedFree = new Int32Array(flows)
    this.slowWhat = new Uint16Array(flows)
    this.rxMoving = new Uint8Array(flows)
    this.turns = new Int32Array(flows)
    this.bufferUse = new BufferUse(flows)
  }

  setTime(us32: number, ms32: number): void {
    this.now32 = us32
    this.tsNow = ms32
  }

  /** Word index of a flow's TCB. */
  tcb(flow: number): number {
    return this.tcbWord + flow * TCB_WORDS
  }

  /** Word index of a flow's row in the table of extras, which counts while FLAG_EXTRA is set. */
  extras(flow: number): number {
    return this.extrasWord + flow * EXTRA_WORDS
  }

  /** Sequence number behind the last byte that the receive buffer has room for. */
  rcvWindowEnd(tcb: number): number {
    return (this.words[tcb + TCB_RCV_READ] + (1 << this.bytes[tcb * 4 + TCB_RX_LOG2_U8])) | 0
  }

  /**
   * Has the port copy `len` bytes, from offset `from` of frame `frame` (-1: of the state region), into the buffer of `size` bytes that
   * starts at `buffer` (BUFFER_UNIT_BYTES) of `region`, at position `pos` of it.
   */
  copy(frame: number, from: number, region: number, buffer: number, size: number, pos: number, len: number): void {
    const desc = this.copyDesc
    const at = this.copies * COPY_DESC_WORDS
    desc[at + COPY_FRAME] = frame
    desc[at + COPY_FROM] = from
    desc[at + COPY_REGION] = region
    desc[at + COPY_BUFFER] = buffer
    desc[at + COPY_BUFFER_LEN] = size
    desc[at + COPY_POS] = pos
    desc[at + COPY_LEN] = len
    this.copies++
  }

  /** Whether the flow whose TCB begins at word `tcb` is this worker's. */
  owns(tcb: number): boolean {
    return this.bytes[tcb * 4 + TCB_STATE_U8] === this.owned
  }

  /** Takes flows that are not ours any more out of all lists: another worker may set the bits by which a list knows its flows. */
  forgetOthers(): void {
    for (const list of [this.txReady, this.acks, this.events, this.slowEvents, ...this.delayedAcks.answering, this.delayedAcks.silent]) {
      for (let turns = list.length; turns > 0; turns--) {
        const flow = list.shift()
        if (this.owns(this.tcb(flow))) list.push(flow)
      }
    }
    this.keepOwn(this.rxOrdered)
    this.keepOwn(this.txMoved)
  }

  private keepOwn(flows: number[]): void {
    const own = flows.filter((flow) => this.owns(this.tcb(flow)))
    flows.splice(0, flows.length, ...own)
  }

  /** Adds to one of this worker's counters; `counter` is an index from workerCounter(). */
  count(counter: number, amount: number): void {
    this.counters[this.counterBase + counter] += amount
  }

  /** Sets one of this worker's counters that shows a state. */
  gauge(counter: number, value: number): void {
    this.counters[this.counterBase + counter] = value
  }

  /** Index of a local address (raw word), or -1. */
  localIndex(address: number): number {
    const words = this.words
    const count = words[STATE_LOCAL_COUNT]
    for (let i = 0; i < count; i++) if (words[STATE_LOCAL_ADDRESSES + i] === address) return i
    return -1
  }

  /** The flow has something to send, or may have. One that waits for its time does not get it sooner. */
  listTx(flow: number, tcb: number): void {
    if ((this.words[tcb + TCB_FLAGS] & FLAG_PACE_LISTED) === 0) this.enter(this.txReady, FLAG_TX_LISTED, flow, tcb)
  }

  /** An acknowledgment is to be sent at the end of this pass: one, whatever the number of segments it answers. */
  listAck(flow: number, tcb: number): void {
    if (this.ackCount[flow] === 0) this.ackCount[flow] = 1
    this.enter(this.acks, FLAG_ACK_LISTED, flow, tcb)
  }

  /** One more acknowledgment in this pass, for a segment behind a gap; `most` of them. */
  listDuplicateAck(flow: number, tcb: number, most: number): void {
    if (this.ackCount[flow] < most) this.ackCount[flow]++
    this.enter(this.acks, FLAG_ACK_LISTED, flow, tcb)
  }

  /** At least `count` acknowledgments, which say different things, are to be sent at the end of this pass. */
  listAcks(flow: number, tcb: number, count: number): void {
    if (this.ackCount[flow] < count) this.ackCount[flow] = count
    this.enter(this.acks, FLAG_ACK_LISTED, flow, tcb)
  }

  /** Enters a flow in a list unless `flag` says that it is there. */
  private enter(list: FlowFifo, flag: number, flow: number, tcb: number): void {
    const flags = this.words[tcb + TCB_FLAGS]
    if ((flags & flag) === 0 && list.push(flow)) this.words[tcb + TCB_FLAGS] = flags | flag
  }

  /** The application is to be told the flow's state. */
  listEvent(flow: number, tcb: number): void {
    this.enter(this.events, FLAG_EVENT_LISTED, flow, tcb)
  }

  /**
   * Data has arrived in order: the application is to be told, and an acknowledgment may wait (delayedack.ts). Both in
   * one, because every read of the flags behind a write of them costs time.
   */
  listArrival(flow: number, tcb: number): void {
    const before = this.words[tcb + TCB_FLAGS]
    let flags = before
    if ((flags & FLAG_EVENT_LISTED) === 0 && this.events.push(flow)) flags |= FLAG_EVENT_LISTED
    if ((flags & (FLAG_ACK_DELAYED | FLAG_ACK_LISTED)) === 0 && delayAck(this, flow, tcb)) flags |= FLAG_ACK_DELAYED
    this.delayedAcks.arrived32[flow] = this.now32
    if (flags !== before) this.words[tcb + TCB_FLAGS] = flags
  }

  /** The slow path is to be told `what` (WHAT_* bits) of the flow. */
  tellSlow(flow: number, tcb: number, what: number): void {
    this.slowWhat[flow] |= what
    this.enter(this.slowEvents, FLAG_SLOW_LISTED, flow, tcb)
  }
}
