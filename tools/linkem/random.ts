/** A seeded random number generator (mulberry32): the same seed gives the same numbers on every machine. */
export class SeededRandom {
  private state: number

  constructor(seed: number) {
    this.state = seed | 0
  }

  /** 0 to 2^32 - 1. */
  u32(): number {
    this.state = (this.state + 0x6d2b79f5) | 0
    let t = Math.imul(this.state ^ (this.state >>> 15), this.state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }

  /** 0 to less than 1. */
  fraction(): number {
    return this.u32() / 2 ** 32
  }

  /** 0 to `below` - 1. */
  below(below: number): number {
    return Math.floor(this.fraction() * below)
  }

  /** True with probability `p`. */
  chance(p: number): boolean {
    return this.fraction() < p
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.u32() & 0xff)
  }
}

/** A generator of its own for part number `part` of something that has one seed: what one part draws does not move another's numbers. */
export function randomFor(seed: number, part: number): SeededRandom {
  const random = new SeededRandom(seed)
  for (let i = 0; i < part; i++) random.u32()
  return new SeededRandom(random.u32())
}
