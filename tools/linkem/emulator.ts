/**
 * Joins two ports by two directions of a link. A step takes in what has come, hands out what is due, and says what it did; when to step is
 * somebody else's business (realtime.ts), so time is handed in.
 *
 *   port a --receive--> [model ab] --send--> port b
 *   port a <---send---- [model ba] <--receive-- port b
 */
import type { WirePort } from '../../native/index.js'
import type { DirectionCounters, DirectionOptions } from './direction.js'
import { FramePool, type PoolFrame } from './frames.js'
import { fragmentationNeeded } from './icmp.js'
import { FATE_DROPPED_MTU, FATE_GONE, fateText, LinkModel } from './model.js'
import { PCAPNG_INBOUND, PCAPNG_OUTBOUND, type PcapngWriter } from '../pcapng/writer.js'
import { randomFor } from './random.js'

export interface EmulatorOptions {
  /** Ports of both sides; their memory is the pool's. */
  readonly a: WirePort
  readonly b: WirePort
  readonly pool: FramePool
  readonly ab: DirectionOptions
  readonly ba: DirectionOptions
  readonly seed: number
  /** Sees every packet on either side: interface 0 is a, 1 is b. */
  readonly capture?: PcapngWriter | null
  /** Added to the times of a step for the capture: microseconds since 1970. */
  readonly captureEpochUs?: number
}

/** Counters of one direction: those of the model, and what the ports could not pass on. */
export interface EmulatorCounters extends DirectionCounters {
  /** ICMP messages sent back about packets beyond the MTU. */
  icmp: number
  /** Came while the kernel's queue for the emulator was full, or its memory. */
  overrun: number
  /** Came with an offload header that makes no sense. */
  malformed: number
  /** Came, longer than a slot. */
  tooLong: number
  /** Were to go out by an interface that was down or has too small an MTU. */
  sendLost: number
}

/** One direction: from one port to the other. */
class Direction {
  readonly model: LinkModel<PoolFrame>
  icmp = 0
  private readonly from: WirePort
  private readonly to: WirePort
  private readonly fromIndex: number
  private readonly pool: FramePool
  private readonly capture: PcapngWriter | null
  private readonly epochUs: number
  private readonly taken: PoolFrame[] = []
  /** Named in to.txSlots, to be sent before anything else. */
  private readonly sending: PoolFrame[] = []
  /** ICMP messages that go back to `from`. */
  private readonly answers: PoolFrame[] = []

  constructor(options: EmulatorOptions, fromIndex: 0 | 1) {
    this.fromIndex = fromIndex
    this.from = fromIndex === 0 ? options.a : options.b
    this.to = fromIndex === 0 ? options.b : options.a
    this.pool = options.pool
    this.capture = options.capture ?? null
    this.epochUs = options.captureEpochUs ?? 0
    this.model = new LinkModel<PoolFrame>(fromIndex === 0 ? options.ab : options.ba, randomFor(options.seed, fromIndex), options.pool)
  }

  /** Takes in what has come. Returns how many packets. */
  receive(): number {
    const { from, pool } = this
    const max = Math.min(pool.peek(from.rxSlots), from.burst)
    const count = max === 0 ? 0 : from.receive(max)
    // All slots are taken before anything else asks the pool for one: the port has filled those that it was shown.
    for (let i = 0; i < count; i++) {
      const frame = pool.take(from.rxLens[i])
      if (frame !== null) this.taken.push(frame)
    }
    for (let i = 0; i < this.taken.length; i++) this.offer(this.taken[i], from.rxStampsUs[i])
    this.taken.length = 0
    this.sendAnswers()
    return count
  }

  private offer(frame: PoolFrame, stampUs: number): void {
    const { capture, model } = this
    capture?.beginPacket(this.fromIndex, stampUs + this.epochUs, frame.bytes, frame.len)
    const fate = model.offer(frame, stampUs)
    capture?.endPacket(PCAPNG_INBOUND, fateText(fate))
    if ((fate & FATE_GONE) === 0) return
    if ((fate & FATE_DROPPED_MTU) !== 0 && model.options.icmp) this.answer(frame, stampUs)
    this.pool.release(frame)
  }

  /** The router at the near end of the link says why: the message does not cross the link. */
  private answer(frame: PoolFrame, stampUs: number): void {
    const bytes = fragmentationNeeded(frame.bytes, frame.len, this.model.options.mtu)
    if (bytes === null || this.answers.length >= this.from.burst) return
    const message = this.pool.take(bytes.length)
    if (message === null) return
    message.bytes.set(bytes)
    this.answers.push(message)
    this.capture?.beginPacket(this.fromIndex, stampUs + this.epochUs, bytes, bytes.length)
    this.capture?.endPacket(PCAPNG_OUTBOUND, '')
  }

  /** Messages that the port does not take are lost: ICMP promises nothing. */
  private sendAnswers(): void {
    if (this.answers.length === 0) return
    this.icmp += sendFrames(this.from, this.answers)
    for (const message of this.answers) this.pool.release(message)
    this.answers.length = 0
  }

  /** Hands out what is due. Returns how many packets left. */
  send(nowUs: number): number {
    const { model, sending, to } = this
    let left = 0
    for (;;) {
      while (sending.length < to.burst) {
        const frame = model.take(nowUs)
        if (frame === null) break
        sending.push(frame)
      }
      if (sending.length === 0) return left
      const sent = sendFrames(to, sending)
      this.sent(sent, nowUs)
      left += sent
      if (sending.length > 0) return left
    }
  }

  private sent(count: number, nowUs: number): void {
    for (let i = 0; i < count; i++) {
      const frame = this.sending[i]
      this.capture?.beginPacket(1 - this.fromIndex, nowUs + this.epochUs, frame.bytes, frame.len)
      this.capture?.endPacket(PCAPNG_OUTBOUND, '')
      this.pool.release(frame)
    }
    this.sending.splice(0, count)
  }

  /** The port would not take what is due. */
  get isHeldUp(): boolean {
    return this.sending.length > 0
  }

  get counters(): EmulatorCounters {
    const { overrun, malformed, tooLong } = this.from.faults
    return { ...this.model.counters, icmp: this.icmp, overrun, malformed, tooLong, sendLost: this.to.faults.sendLost }
  }
}

function sendFrames(port: WirePort, frames: readonly PoolFrame[]): number {
  for (let i = 0; i < frames.length; i++) {
    port.txSlots[i] = frames[i].slot
    port.txLens[i] = frames[i].len
  }
  return port.send(frames.length)
}

/** How long to wait when a port would not take a packet that is due. */
const RETRY_US = 100

export class Emulator {
  private readonly ab: Direction
  private readonly ba: Direction
  private readonly pool: FramePool
  private readonly capture: PcapngWriter | null

  constructor(options: EmulatorOptions) {
    this.ab = new Direction(options, 0)
    this.ba = new Direction(options, 1)
    this.pool = options.pool
    this.capture = options.capture ?? null
  }

  /** Takes in a burst from each side and sends what is due. Returns how many packets moved. */
  step(nowUs: number): number {
    const moved = this.ab.receive() + this.ba.receive()
    return moved + this.ab.send(nowUs) + this.ba.send(nowUs)
  }

  /** When there is something to do though nothing comes in; Infinity if never. */
  nextDeadlineUs(nowUs: number): number {
    if (this.ab.isHeldUp || this.ba.isHeldUp) return nowUs + RETRY_US
    return Math.min(this.ab.model.nextDepartureUs(), this.ba.model.nextDepartureUs())
  }

  /** Until when packets that come in by side `side` (0: a, 1: b) can wait to be taken in: none of them is due before. */
  quietUntilUs(side: 0 | 1, nowUs: number): number {
    return (side === 0 ? this.ab : this.ba).model.earliestDepartureUs(nowUs)
  }

  /** Whether a packet that comes finds memory. */
  get hasRoom(): boolean {
    return this.pool.room > 0
  }

  /** Writes out what was captured. */
  flush(): void {
    this.capture?.flush()
  }

  /** From now on; packets under way keep what they have met. */
  setOptions(ab: DirectionOptions, ba: DirectionOptions): void {
    this.ab.model.options = ab
    this.ba.model.options = ba
  }

  counters(): { ab: EmulatorCounters; ba: EmulatorCounters } {
    return { ab: this.ab.counters, ba: this.ba.counters }
  }
}
