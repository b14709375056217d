/** Random numbers that follow from a seed (mulberry32). */
export class Random {
  readonly seed: number
  private state: number

  constructor(seed: number) {
    this.seed = seed
    this.state = seed | 0
  }

  /** 32 random bits. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return (t ^ (t >>> 14)) >>> 0
  }

  /** A whole number from `min` to `max`. */
  between(min: number, max: number): number {
    return min + (this.next() % (max - min + 1))
  }

  bytes(len: number): Buffer {
    const bytes = Buffer.alloc((len + 3) & ~3)
    for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE(this.next(), at)
    return bytes.subarray(0, len)
  }
}
