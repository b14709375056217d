/**
 * An output port: a queue with a marking threshold before a transmitter of fixed rate, then a wire. When a frame leaves is known when it comes, so
 * that a frame costs one event: its arrival at the other end.
 *
 * Lean beside LinkModel (tools/linkem), which loses, copies and reorders as well: a simulated cluster has thousands of these.
 */
import type { Timer } from '../../service/slow/timers.js'
import { markCe } from '../../tools/linkem/ippacket.js'
import type { Actor, Timeline } from './timeline.js'

/** Where frames go: a switch or a host. */
export interface Receiver {
  receive(frame: Uint8Array, nowUs: number): void
}

export interface PortOptions {
  readonly rateKbps: number
  /** Of the wire behind it. */
  readonly delayUs: number
  /** Frames that may wait, the one in transmission not counted. */
  readonly queuePackets: number
  /** A frame that finds more than this many waiting is marked if it is ECN-capable (K of DCTCP, SIGCOMM 2010, 3.1); Infinity: none. */
  readonly markPackets: number
}

/** Preamble, start delimiter, FCS and gap: what a frame takes on the wire beside its bytes. */
export const WIRE_OVERHEAD_BYTES = 24
/** Least frame without FCS. */
const FRAME_MIN_BYTES = 60
const INITIAL = 64
/** What a host's own queue holds: a driver would stop the stack there, so nothing is lost. */
const HOST_QUEUE_PACKETS = 1_000_000

/** Port of a host: rate and wire as the switch's, no loss, no marks. */
export function hostPort({ rateKbps, delayUs }: PortOptions): PortOptions {
  return { rateKbps, delayUs, queuePackets: HOST_QUEUE_PACKETS, markPackets: Infinity }
}

/** When `lenBytes` of frame have left a transmitter of `rateKbps`, microseconds after the first bit. */
export function transmissionUs(lenBytes: number, rateKbps: number): number {
  return ((Math.max(lenBytes, FRAME_MIN_BYTES) + WIRE_OVERHEAD_BYTES) * 8000) / rateKbps
}

export class OutputPort implements Actor {
  readonly options: PortOptions
  sentPackets = 0
  sentBytes = 0
  marked = 0
  dropped = 0
  queueMax = 0
  private readonly timeline: Timeline
  private readonly turn: Timer
  private readonly to: Receiver
  /** A ring of frames that are queued or on the wire, with the times at which transmission begins and the last bit arrives. */
  private frames = new Array<Uint8Array | undefined>(INITIAL).fill(undefined)
  private startsUs = new Float64Array(INITIAL)
  private arrivesUs = new Float64Array(INITIAL)
  /** Positions, not indexes: next to arrive, next to start, end. */
  private head = 0
  private waiting = 0
  private tail = 0
  private freeAtUs = 0

  constructor(timeline: Timeline, options: PortOptions, to: Receiver) {
    this.timeline = timeline
    this.options = options
    this.to = to
    this.turn = timeline.add(this)
  }

  /** Frames that wait at `nowUs`, which must not go back. */
  queued(nowUs: number): number {
    const mask = this.frames.length - 1
    while (this.waiting < this.tail && this.startsUs[this.waiting & mask] <= nowUs) this.waiting++
    return this.tail - this.waiting
  }

  /** How long a frame that comes at `nowUs` would wait, microseconds. */
  waitUs(nowUs: number): number {
    return Math.max(0, this.freeAtUs - nowUs)
  }

  /** Takes a frame, which may be changed: dropped if the queue is full, marked if it is long. */
  offer(frame: Uint8Array, nowUs: number): void {
    const { options } = this
    const queued = this.queued(nowUs)
    if (queued >= options.queuePackets && this.freeAtUs > nowUs) {
      this.dropped++
      return
    }
    if (queued > options.markPackets && markCe(frame, frame.length)) this.marked++
    if (queued > this.queueMax) this.queueMax = queued
    this.enqueue(frame, nowUs)
  }

  private enqueue(frame: Uint8Array, nowUs: number): void {
    if (this.tail - this.head === this.frames.length) this.grow()
    const { rateKbps, delayUs } = this.options
    const at = this.tail & (this.frames.length - 1)
    const startUs = Math.max(nowUs, this.freeAtUs)
    this.freeAtUs = startUs + transmissionUs(frame.length, rateKbps)
    this.frames[at] = frame
    this.startsUs[at] = startUs
    this.arrivesUs[at] = this.freeAtUs + delayUs
    this.sentPackets++
    this.sentBytes += frame.length
    if (this.tail++ === this.head) this.timeline.set(this.turn, this.arrivesUs[at])
  }

  /** The first frame has arrived. */
  act(nowUs: number): void {
    const mask = this.frames.length - 1
    const at = this.head & mask
    const frame = this.frames[at]
    this.frames[at] = undefined
    this.head++
    if (this.waiting < this.head) this.waiting = this.head
    if (this.head < this.tail) this.timeline.set(this.turn, this.arrivesUs[this.head & mask])
    if (frame !== undefined) this.to.receive(frame, nowUs)
  }

  private grow(): void {
    const size = this.frames.length
    const frames = new Array<Uint8Array | undefined>(size * 2).fill(undefined)
    const startsUs = new Float64Array(size * 2)
    const arrivesUs = new Float64Array(size * 2)
    for (let at = this.head; at < this.tail; at++) {
      frames[at & (2 * size - 1)] = this.frames[at & (size - 1)]
      startsUs[at & (2 * size - 1)] = this.startsUs[at & (size - 1)]
      arrivesUs[at & (2 * size - 1)] = this.arrivesUs[at & (size - 1)]
    }
    this.frames = frames
    this.startsUs = startsUs
    this.arrivesUs = arrivesUs
  }
}
