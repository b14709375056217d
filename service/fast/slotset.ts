/**
 * A set of small numbers that finds its smallest member in three loads: a bit for each number, a bit for each word of those, a bit for
 * each word of these.
 */

/** Numbers in a set are smaller than this. */
export const SLOT_SET_SIZE = 32 * 32 * 32

export class SlotSet {
  private readonly members = new Int32Array(SLOT_SET_SIZE >> 5)
  /** Bit w: word w of `members` is not 0. */
  private readonly words = new Int32Array(SLOT_SET_SIZE >> 10)
  /** Bit w: word w of `words` is not 0. */
  private top = 0

  add(slot: number): void {
    this.members[slot >> 5] |= 1 << (slot & 31)
    this.words[slot >> 10] |= 1 << ((slot >> 5) & 31)
    this.top |= 1 << (slot >> 10)
  }

  delete(slot: number): void {
    if ((this.members[slot >> 5] &= ~(1 << (slot & 31))) !== 0) return
    if ((this.words[slot >> 10] &= ~(1 << ((slot >> 5) & 31))) !== 0) return
    this.top &= ~(1 << (slot >> 10))
  }

  /** The smallest member, or -1. */
  first(): number {
    return this.top === 0 ? -1 : this.smallestIn(lowest(this.top))
  }

  /** The smallest member that is at least `from` (0 to SLOT_SET_SIZE - 1), or -1. */
  next(from: number): number {
    const member = from >> 5
    const here = this.members[member] & (-1 << (from & 31))
    if (here !== 0) return (member << 5) + lowest(here)
    const word = from >> 10
    // A shift by 32 would be one by 0: two steps.
    const near = this.words[word] & ((-1 << (member & 31)) << 1)
    if (near !== 0) {
      const found = (word << 5) + lowest(near)
      return (found << 5) + lowest(this.members[found])
    }
    const far = this.top & ((-1 << word) << 1)
    return far === 0 ? -1 : this.smallestIn(lowest(far))
  }

  private smallestIn(word: number): number {
    const member = (word << 5) + lowest(this.words[word])
    return (member << 5) + lowest(this.members[member])
  }
}

/** Position of the lowest bit that is set; `bits` is not 0. */
function lowest(bits: number): number {
  return 31 - Math.clz32(bits & -bits)
}
