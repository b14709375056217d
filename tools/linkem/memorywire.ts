/** A port in memory, for tests: what is put in comes out of `receive`, and what is sent is shown to a function. */
import { WireArrays, type WireFaults, type WirePort } from '../../native/index.js'
import type { FramePool } from './frames.js'

const BURST = 64

interface Arrival {
  readonly frame: Uint8Array
  readonly stampUs: number
}

export class MemoryWire extends WireArrays implements WirePort {
  readonly fd = -1
  readonly faults: WireFaults = { overrun: 0, malformed: 0, tooLong: 0, sendLost: 0 }
  /** Frames that `send` still takes; then its queue is full. */
  sendRoom = Infinity
  private readonly pool: FramePool
  private readonly onSend: (frame: Uint8Array) => void
  private readonly arrivals: Arrival[] = []

  /** `onSend` gets a copy of every frame. */
  constructor(pool: FramePool, onSend: (frame: Uint8Array) => void) {
    super(BURST)
    this.pool = pool
    this.onSend = onSend
  }

  private slot(slot: number): Uint8Array {
    const { memory, slotBytes } = this.pool
    return memory.subarray(slot * slotBytes, (slot + 1) * slotBytes)
  }

  /** A frame comes in at `stampUs`. */
  inject(frame: Uint8Array, stampUs: number): void {
    if (frame.length > this.pool.slotBytes) this.faults.tooLong++
    else this.arrivals.push({ frame: frame.slice(), stampUs })
  }

  receive(max: number): number {
    const arrived = this.arrivals.splice(0, max)
    arrived.forEach(({ frame, stampUs }, i) => {
      this.slot(this.rxSlots[i]).set(frame)
      this.rxLens[i] = frame.length
      this.rxStampsUs[i] = stampUs
    })
    return arrived.length
  }

  send(count: number): number {
    const taken = Math.min(count, this.sendRoom)
    this.sendRoom -= taken
    for (let i = 0; i < taken; i++) this.onSend(this.slot(this.txSlots[i]).slice(0, this.txLens[i]))
    return taken
  }

  close(): void {
    this.arrivals.length = 0
  }
}
