/**
 * A transmitter of fixed rate with a queue before it, as arithmetic: when a packet's last bit leaves is known when the packet comes.
 *
 *   waiting:  head -> [ starts at, bytes ] ... <- tail      a ring; what has started is taken out when somebody looks
 */
const INITIAL = 64

export class Transmitter {
  /** Packets and bytes that waited at the time of the last `advance`, the one in transmission not counted. */
  packets = 0
  bytes = 0
  private freeAtUs = -Infinity
  private startsUs = new Float64Array(INITIAL)
  private lens = new Float64Array(INITIAL)
  private head = 0

  /** Moves to `nowUs`: what has begun to be sent waits no longer. Each packet is taken out once. */
  advance(nowUs: number): void {
    const mask = this.lens.length - 1
    while (this.packets > 0 && this.startsUs[this.head] <= nowUs) {
      this.bytes -= this.lens[this.head]
      this.head = (this.head + 1) & mask
      this.packets--
    }
  }

  /** When everything that was added has left. */
  get idleAtUs(): number {
    return this.freeAtUs
  }

  /** A packet of `lenBytes` that takes `tookUs` to send comes at `nowUs`, to which `advance` has moved. Returns when it has left. */
  add(nowUs: number, lenBytes: number, tookUs: number): number {
    const startUs = Math.max(nowUs, this.freeAtUs)
    this.freeAtUs = startUs + tookUs
    if (startUs > nowUs) {
      if (this.packets === this.lens.length) this.grow()
      const tail = (this.head + this.packets++) & (this.lens.length - 1)
      this.startsUs[tail] = startUs
      this.lens[tail] = lenBytes
      this.bytes += lenBytes
    }
    return this.freeAtUs
  }

  private grow(): void {
    const size = this.lens.length
    const startsUs = new Float64Array(size * 2)
    const lens = new Float64Array(size * 2)
    for (let i = 0; i < size; i++) {
      startsUs[i] = this.startsUs[(this.head + i) & (size - 1)]
      lens[i] = this.lens[(this.head + i) & (size - 1)]
    }
    this.startsUs = startsUs
    this.lens = lens
    this.head = 0
  }
}
