/**
 * The worker's end of the rings to and from the slow path: packets and flow events up, commands down.
 */
import {
  BUFFER_UNIT_BYTES,
  Doorbell,
  FLAG_SLOW_LISTED,
  PacketRingConsumer,
  PacketRingProducer,
  SF_ACK_BLOCKS,
  SF_ACK_DUPLICATES,
  SF_ACK_EDGES,
  SF_ACK_SEQ,
  SF_ACK_TSECR,
  SF_APP,
  SF_CONTEXT,
  SF_FLOW,
  SF_GEN,
  SF_LEN,
  SF_PACKET_FLAGS,
  SF_PACKET_GSO,
  SF_PACKET_LEN,
  SF_PACKET_POS,
  SF_SEQ,
  SF_TYPE,
  SF_WHAT,
  TCB_FLAGS,
  TCB_GEN_U16,
  TO_SLOW_ACK,
  TO_SLOW_FLOW,
  TO_SLOW_MTU_PROBE,
  TO_SLOW_PACKET,
  workerOfFrame,
} from '../../lib/memif/index.js'
import { RX_LOOPBACK } from '../../native/port.js'
import { Admission } from './admission.js'
import * as counters from './counterindex.js'
import type { FastPath } from './fastpath.js'
import type { Segment } from './segment.js'

/** Number of the state region in copy descriptors. */
const STATE_REGION = 0

/**
 * Shares of the ring and its packet area, as powers of two: strangers' packets leave a half free, packets and acknowledgments of
 * flows an eighth. The rest is for flow events and answers, which are never dropped, so that a flood never makes them wait.
 */
const STRANGERS_LEAVE_LOG2 = 1
const FLOWS_LEAVE_LOG2 = 3
/** With more entries than this waiting the slow path does not keep up: strangers get no new tokens. */
const LAG_ENTRIES = 512

export class SlowLink {
  readonly commands: PacketRingConsumer
  readonly admission: Admission
  private readonly entries: number
  /** The frame at hand is for a flow that another worker has, or is to have: while groups move, or because a TAP device steers by itself. */
  private isStray = false
  private readonly fast: FastPath
  private readonly up: PacketRingProducer
  private readonly doorbell: Doorbell

  constructor(fast: FastPath, doorbell: Doorbell) {
    this.fast = fast
    this.admission = new Admission(fast.state.shape.flows)
    this.entries = fast.places.toSlow.ring.capacity
    this.up = new PacketRingProducer(fast.words, fast.places.toSlow)
    this.commands = new PacketRingConsumer(fast.words, fast.places.toFast)
    this.doorbell = doorbell
  }

  /**
   * Passes a frame up. `frame` is its index in the port's burst; `flow` the flow it belongs to, or -1. A packet that came down
   * from the slow path (`frame` -1) goes up only if its flow is known: otherwise it would travel for ever.
   */
  packet(frame: number, eth: number, len: number, rxFlags: number, gso: number, flow: number): void {
    const { fast, up } = this
    if (frame < 0 && flow < 0) {
      fast.count(counters.DROP_NOT_OURS, 1)
      return
    }
    if (!this.mayPass(eth, len, rxFlags, flow)) {
      fast.count(counters.DROP_FLOOD, 1)
      return
    }
    const leaveLog2 = flow < 0 && !this.isStray ? STRANGERS_LEAVE_LOG2 : FLOWS_LEAVE_LOG2
    const entry = this.begin(TO_SLOW_PACKET, flow, flow < 0 ? 0 : this.genOf(fast.tcb(flow)), this.entries >> leaveLog2)
    const pos = entry < 0 ? -1 : up.reservePacket(len, up.areaBytes >> leaveLog2)
    if (pos < 0) {
      fast.count(counters.DROP_SLOW_FULL, 1)
      return
    }
    const words = fast.words
    words[entry + SF_PACKET_POS] = pos
    words[entry + SF_PACKET_LEN] = len
    words[entry + SF_PACKET_FLAGS] = rxFlags
    words[entry + SF_PACKET_GSO] = gso
    fast.copy(frame, frame < 0 ? eth : 0, STATE_REGION, up.areaOffset / BUFFER_UNIT_BYTES, up.areaBytes, pos, len)
    up.pushPacket(entry, len)
    fast.count(counters.TO_SLOW_PACKETS, 1)
  }

  private mayPass(eth: number, len: number, rxFlags: number, flow: number): boolean {
    const { fast, admission } = this
    this.isStray = false
    if (flow >= 0) return admission.admitsFlow(flow, fast.tsNow)
    // Our own, and not in the port's memory.
    if ((rxFlags & RX_LOOPBACK) !== 0) return true
    if (admission.isStale(fast.tsNow)) admission.refill(fast.tsNow, this.up.countWaiting() <= LAG_ENTRIES)
    if (fast.state.shape.workers > 1 && workerOfFrame(fast.bytes, fast.port.frames, eth, len) !== fast.worker) {
      this.isStray = admission.admitsStray(fast.port.frames, eth, len)
      if (this.isStray) return true
    }
    return admission.admitsStranger(fast.port.frames, eth, len, fast.tsNow)
  }

  /** Writes the listed flows' events; those that find no room stay listed. Returns how many were written. */
  writeFlowEvents(): number {
    const { fast, up } = this
    const words = fast.words
    let written = 0
    while (fast.slowEvents.length > 0) {
      const flow = fast.slowEvents.first()
      const tcb = fast.tcb(flow)
      if ((words[tcb + TCB_FLAGS] & FLAG_SLOW_LISTED) !== 0 && fast.slowWhat[flow] !== 0) {
        const entry = this.begin(TO_SLOW_FLOW, flow, this.genOf(tcb), 0)
        if (entry < 0) return written
        words[entry + SF_WHAT] = fast.slowWhat[flow]
        up.pushMessage(entry)
        written++
      }
      fast.slowEvents.shift()
      fast.slowWhat[flow] = 0
      words[tcb + TCB_FLAGS] &= ~FLAG_SLOW_LISTED
    }
    return written
  }

  /**
   * Passes an acknowledgment on to loss recovery; `duplicates` is how many duplicates it is. Without room it is dropped: what later
   * ones say includes it.
   */
  ack(flow: number, tcb: number, segment: Segment, duplicates: number): void {
    const { fast, up } = this
    const entry = this.begin(TO_SLOW_ACK, flow, this.genOf(tcb), this.entries >> FLOWS_LEAVE_LOG2)
    if (entry < 0) {
      fast.count(counters.DROP_SLOW_FULL, 1)
      return
    }
    const words = fast.words
    words[entry + SF_ACK_SEQ] = segment.ack
    words[entry + SF_ACK_DUPLICATES] = duplicates
    words[entry + SF_ACK_BLOCKS] = segment.sackBlocks
    for (let i = 0; i < segment.sackBlocks * 2; i++) words[entry + SF_ACK_EDGES + i] = segment.sackEdges[i]
    words[entry + SF_ACK_TSECR] = segment.hasTimestamps ? segment.tsEcr : 0
    up.pushMessage(entry)
  }

  /** Whether there is room for an answer. */
  get hasRoom(): boolean {
    return this.up.reserve(0) >= 0
  }

  /** Answers an order to probe the path's MTU with the range that was sent; `len` 0: none. Only while there is room. */
  probed(flow: number, tcb: number, seq: number, len: number): void {
    const entry = this.begin(TO_SLOW_MTU_PROBE, flow, this.genOf(tcb), 0)
    this.fast.words[entry + SF_SEQ] = seq
    this.fast.words[entry + SF_LEN] = len
    this.up.pushMessage(entry)
  }

  /**
   * Answers an order about flow `flow` of generation `gen`, with `app` its turn (SF_TURN) if it is to leave; or about application `app`, or its
   * context `context`. Returns false if there is no room now.
   */
  answer(type: number, flow: number, gen: number, app: number, context = 0): boolean {
    const entry = this.begin(type, flow, gen, 0)
    if (entry < 0) return false
    this.fast.words[entry + SF_APP] = app
    this.fast.words[entry + SF_CONTEXT] = context
    this.up.pushMessage(entry)
    return true
  }

  /** The next entry with the words that all messages begin with; -1 if no more than `spare` are free. */
  private begin(type: number, flow: number, gen: number, spare: number): number {
    const entry = this.up.reserve(spare)
    if (entry < 0) return -1
    const { words } = this.fast
    words[entry + SF_TYPE] = type
    words[entry + SF_FLOW] = flow
    words[entry + SF_GEN] = gen
    return entry
  }

  private genOf(tcb: number): number {
    return this.fast.halves[tcb * 2 + TCB_GEN_U16]
  }

  /** Wakes the slow path if it sleeps. */
  call(): void {
    if (this.doorbell.ring()) this.fast.count(counters.SLOW_WAKEUPS, 1)
  }

  /** Makes everything written visible and wakes the slow path if it sleeps. */
  publish(): void {
    if (this.up.publish()) this.call()
  }
}
