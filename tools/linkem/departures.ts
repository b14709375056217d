/** Packets under way, the next to arrive first: a binary heap. Packets that were put in later come out later at equal times. */
import type { Frame } from './frames.js'

const INITIAL = 64

export class Departures<F extends Frame> {
  private atUs = new Float64Array(INITIAL)
  private order = new Float64Array(INITIAL)
  private readonly frames: F[] = []
  private pushed = 0

  get size(): number {
    return this.frames.length
  }

  /** When the next packet arrives; Infinity if there is none. */
  get nextUs(): number {
    return this.frames.length === 0 ? Infinity : this.atUs[0]
  }

  /** Packets in their order cost one comparison. */
  push(frame: F, atUs: number): void {
    let at = this.frames.length
    if (at === this.atUs.length) this.grow()
    this.frames.push(frame)
    const order = this.pushed++
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (this.atUs[parent] <= atUs) break
      this.move(parent, at)
      at = parent
    }
    this.place(at, frame, atUs, order)
  }

  /** Takes the next packet out. */
  pop(): F | undefined {
    const first = this.frames[0]
    const frame = this.frames.pop()
    const size = this.frames.length
    if (frame === undefined || size === 0) return first
    const atUs = this.atUs[size]
    const order = this.order[size]
    let at = 0
    for (let child = 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && this.isBefore(child + 1, this.atUs[child], this.order[child])) child++
      if (!this.isBefore(child, atUs, order)) break
      this.move(child, at)
      at = child
    }
    this.place(at, frame, atUs, order)
    return first
  }

  private isBefore(at: number, atUs: number, order: number): boolean {
    return this.atUs[at] < atUs || (this.atUs[at] === atUs && this.order[at] < order)
  }

  private move(from: number, to: number): void {
    this.frames[to] = this.frames[from]
    this.atUs[to] = this.atUs[from]
    this.order[to] = this.order[from]
  }

  private place(at: number, frame: F, atUs: number, order: number): void {
    this.frames[at] = frame
    this.atUs[at] = atUs
    this.order[at] = order
  }

  private grow(): void {
    const atUs = new Float64Array(this.atUs.length * 2)
    const order = new Float64Array(this.order.length * 2)
    atUs.set(this.atUs)
    order.set(this.order)
    this.atUs = atUs
    this.order = order
  }
}
