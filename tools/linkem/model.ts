/**
 * One direction of an emulated link: a state machine over time that is handed in, without timers and without I/O.
 *
 *   offer -> MTU -> queue (drop-tail, ECN mark) -> transmitter (rate) -> wire (loss, corruption, copies, delay, reordering) -> take
 *
 * Everything that happens to a packet is decided when it is offered, from the seed: the same packets at the same times meet the same fate.
 * A lost packet has taken its place in queue and rate, as one that is lost on a real wire.
 */
import { Departures } from './departures.js'
import { type DirectionCounters, type DirectionOptions, emptyCounters, type GilbertElliott, type QueueLength } from './direction.js'
import type { Frame, FrameSource } from './frames.js'
import { corruptBit, markCe, networkOffset } from './ippacket.js'
import type { SeededRandom } from './random.js'
import { Transmitter } from './transmitter.js'

/** What becomes of a packet: bits that `offer` returns. */
export const FATE_DROPPED_MTU = 1 << 0
export const FATE_DROPPED_QUEUE = 1 << 1
export const FATE_LOST = 1 << 2
export const FATE_LOST_BURST = 1 << 3
export const FATE_MARKED = 1 << 4
export const FATE_CORRUPTED = 1 << 5
export const FATE_DUPLICATED = 1 << 6
export const FATE_HELD_BACK = 1 << 7
/** Any of these: the packet does not arrive, and the frame is the caller's again. */
export const FATE_GONE = FATE_DROPPED_MTU | FATE_DROPPED_QUEUE | FATE_LOST | FATE_LOST_BURST

const FATE_TEXTS: ReadonlyArray<readonly [number, string]> = [
  [FATE_DROPPED_MTU, 'dropped: longer than the MTU'], [FATE_DROPPED_QUEUE, 'dropped: queue full'], [FATE_LOST, 'lost'],
  [FATE_LOST_BURST, 'lost in a burst'], [FATE_MARKED, 'marked CE'], [FATE_CORRUPTED, 'corrupted'], [FATE_DUPLICATED, 'duplicated'],
  [FATE_HELD_BACK, 'held back'],
]

/** A fate in words; empty for a packet that nothing happened to. */
export function fateText(fate: number): string {
  return FATE_TEXTS.filter(([bit]) => (fate & bit) !== 0).map(([, text]) => text).join(', ')
}

function reaches(transmitter: Transmitter, length: QueueLength): boolean {
  return transmitter.packets >= length.packets || transmitter.bytes >= length.bytes
}

export class LinkModel<F extends Frame = Frame> {
  /** May be changed at any time: packets that are under way keep what they have met. */
  options: DirectionOptions
  readonly counters: DirectionCounters = emptyCounters()
  private readonly random: SeededRandom
  private readonly copies: FrameSource<F>
  private readonly transmitter = new Transmitter()
  private readonly departures = new Departures<F>()
  private nowUs = -Infinity
  private isBad = false
  /** No packet that keeps its order arrives before this. */
  private lastArrivalUs = -Infinity

  constructor(options: DirectionOptions, random: SeededRandom, copies: FrameSource<F>) {
    this.options = options
    this.random = random
    this.copies = copies
  }

  /**
   * A packet comes in at `nowUs` (earlier than the one before: taken for the same time). Returns its fate, FATE_* bits. Unless that
   * has a bit of FATE_GONE the frame belongs to the link, which may change it, until `take` hands it out.
   */
  offer(frame: F, nowUs: number): number {
    const { counters, options } = this
    if (nowUs > this.nowUs) this.nowUs = nowUs
    counters.packets++
    counters.bytes += frame.len
    if (options.mtu !== Infinity && frame.len - networkOffset(frame.bytes, frame.len) > options.mtu) {
      counters.droppedMtu++
      return FATE_DROPPED_MTU
    }
    let fate = this.enqueue(frame)
    if ((fate & FATE_GONE) !== 0) return fate
    const sentUs = this.transmitter.add(this.nowUs, frame.len, this.transmissionUs(frame.len))
    fate |= this.drawLoss()
    if ((fate & FATE_GONE) !== 0) return fate
    return fate | this.propagate(frame, sentUs)
  }

  /** Looks whether the queue takes the packet, and marks it if the queue is long. */
  private enqueue(frame: Frame): number {
    const { counters, options, transmitter } = this
    transmitter.advance(this.nowUs)
    counters.queuePacketsMax = Math.max(counters.queuePacketsMax, transmitter.packets)
    counters.queueBytesMax = Math.max(counters.queueBytesMax, transmitter.bytes)
    const isFull = transmitter.packets >= options.queue.packets || transmitter.bytes + frame.len > options.queue.bytes
    if (isFull && transmitter.idleAtUs > this.nowUs) {
      counters.droppedQueue++
      return FATE_DROPPED_QUEUE
    }
    if (!reaches(transmitter, options.ecn)) return 0
    const isMarked = markCe(frame.bytes, frame.len)
    if (isMarked) counters.marked++
    else counters.notEcnCapable++
    return isMarked ? FATE_MARKED : 0
  }

  private transmissionUs(lenBytes: number): number {
    const { minFrameBytes, overheadBytes, rateKbps } = this.options
    if (rateKbps === 0) return 0
    return ((Math.max(lenBytes, minFrameBytes) + overheadBytes) * 8000) / rateKbps
  }

  private drawLoss(): number {
    const { counters, options, random } = this
    if (options.burstLoss !== null && this.drawBurstLoss(options.burstLoss)) {
      counters.lostBurst++
      return FATE_LOST_BURST
    }
    if (options.loss > 0 && random.chance(options.loss)) {
      counters.lost++
      return FATE_LOST
    }
    return 0
  }

  /** The chain moves, then the packet meets the state that it has come to. */
  private drawBurstLoss(chain: GilbertElliott): boolean {
    const { random } = this
    if (random.chance(this.isBad ? chain.r : chain.p)) this.isBad = !this.isBad
    return random.chance(this.isBad ? chain.lossBad : chain.lossGood)
  }

  /** The packet has left the transmitter at `sentUs`. */
  private propagate(frame: F, sentUs: number): number {
    const { options, random } = this
    const copy = options.duplicate > 0 && random.chance(options.duplicate) ? this.makeCopy(frame) : null
    const fate = this.launch(frame, sentUs)
    if (copy === null) return fate
    this.launch(copy, sentUs)
    return fate | FATE_DUPLICATED
  }

  private makeCopy(frame: F): F | null {
    const copy = this.copies.copy(frame)
    if (copy === null) this.counters.noMemory++
    else this.counters.duplicated++
    return copy
  }

  private launch(frame: F, sentUs: number): number {
    const { counters, options, random } = this
    let fate = 0
    if (options.corrupt > 0 && random.chance(options.corrupt) && corruptBit(frame.bytes, frame.len, random)) {
      counters.corrupted++
      fate |= FATE_CORRUPTED
    }
    const jitterUs = options.jitterUs > 0 ? (2 * random.fraction() - 1) * options.jitterUs : 0
    const arrivalUs = Math.max(sentUs + options.delayUs + jitterUs, this.lastArrivalUs)
    if (options.reorder > 0 && random.chance(options.reorder)) {
      counters.heldBack++
      this.departures.push(frame, arrivalUs + random.fraction() * options.reorderUs)
      return fate | FATE_HELD_BACK
    }
    this.lastArrivalUs = arrivalUs
    this.departures.push(frame, arrivalUs)
    return fate
  }

  /** When `take` has the next packet; Infinity if none is under way. */
  nextDepartureUs(): number {
    return this.departures.nextUs
  }

  /** No packet that is offered at `nowUs` or later departs before this: until then nobody need look for packets. */
  earliestDepartureUs(nowUs: number): number {
    const { delayUs, jitterUs } = this.options
    return Math.max(nowUs, this.transmitter.idleAtUs) + delayUs - jitterUs
  }

  /** Packets under way: in the queue or on the wire. */
  get inFlight(): number {
    return this.departures.size
  }

  /** The next packet that has arrived by `nowUs`, or null. */
  take(nowUs: number): F | null {
    if (this.departures.nextUs > nowUs) return null
    const frame = this.departures.pop()
    if (frame === undefined) return null
    this.counters.delivered++
    this.counters.deliveredBytes += frame.len
    return frame
  }
}
