/** Frames, and the memory that they lie in. */

/** A frame on its way: the first `len` bytes of `bytes`, from the Ethernet header on. */
export interface Frame {
  readonly bytes: Uint8Array
  len: number
}

/** Where the link gets memory for copies. */
export interface FrameSource<F extends Frame> {
  /** A copy, or null if there is no room. */
  copy(frame: F): F | null
}

/** Frames on V8's heap, as many as there are. */
export const HEAP_FRAMES: FrameSource<Frame> = {
  copy: ({ bytes, len }) => ({ bytes: bytes.slice(0, len), len }),
}

/** A frame in a slot of a pool. */
export interface PoolFrame extends Frame {
  readonly slot: number
}

/** Slots of one memory, given out last in, first out, so that what is warm is used again. */
export class FramePool implements FrameSource<PoolFrame> {
  readonly memory: Uint8Array
  readonly slotBytes: number
  private readonly frames: Array<PoolFrame | undefined>
  private readonly free: Int32Array
  private available: number

  /** `slotBytes` is a multiple of 64. The memory is taken from the machine as it is used. */
  constructor(slots: number, slotBytes: number) {
    if (!Number.isInteger(slots) || slots < 1) throw new RangeError(`${slots} slots: at least 1`)
    if (!Number.isInteger(slotBytes) || slotBytes < 64 || slotBytes % 64 !== 0) throw new RangeError(`slots of ${slotBytes} bytes: a multiple of 64`)
    this.memory = new Uint8Array(new ArrayBuffer(slots * slotBytes))
    this.slotBytes = slotBytes
    this.frames = new Array<PoolFrame | undefined>(slots).fill(undefined)
    this.free = Int32Array.from({ length: slots }, (_, i) => slots - 1 - i)
    this.available = slots
  }

  /** Slots that are free. */
  get room(): number {
    return this.available
  }

  /** Writes numbers of free slots into `into`, without taking them. Returns how many. */
  peek(into: Int32Array): number {
    const count = Math.min(into.length, this.available)
    for (let i = 0; i < count; i++) into[i] = this.free[this.available - 1 - i]
    return count
  }

  /** Takes the slot that `peek` showed first, then the second ... The frame has `len` bytes. Null if none is free. */
  take(len: number): PoolFrame | null {
    if (this.available === 0) return null
    const slot = this.free[--this.available]
    const frame = (this.frames[slot] ??= this.makeFrame(slot))
    frame.len = len
    return frame
  }

  private makeFrame(slot: number): PoolFrame {
    const start = slot * this.slotBytes
    return { bytes: this.memory.subarray(start, start + this.slotBytes), len: 0, slot }
  }

  copy(frame: Frame): PoolFrame | null {
    const copy = this.take(frame.len)
    copy?.bytes.set(frame.bytes.subarray(0, frame.len))
    return copy
  }

  /** Gives a slot back; its frame must not be used any more. */
  release(frame: PoolFrame): void {
    this.free[this.available++] = frame.slot
  }
}
