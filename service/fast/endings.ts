/** What a worker has still to end and to answer, in the order in which it came. */

export const END_FLOW = 0
export const END_APP = 1
export const END_CONTEXT = 2

/** Words of an entry: kind, id (of the flow or application), part (generation or context). */
const ENTRY_WORDS = 3

export interface Ender {
  /** Ends one. Returns false if it has to wait. */
  end(kind: number, id: number, part: number): boolean
}

/** Numbers in an array that only grows: the end of a flow leaves no garbage. */
export class Endings {
  private readonly words: number[] = []
  private count = 0

  get isEmpty(): boolean {
    return this.count === 0
  }

  add(kind: number, id: number, part: number): void {
    const at = this.count++ * ENTRY_WORDS
    this.words[at] = kind
    this.words[at + 1] = id
    this.words[at + 2] = part
  }

  /** Has `ender` end them; what has to wait stays. Returns how many have ended. */
  run(ender: Ender): number {
    const { words, count } = this
    this.count = 0
    for (let i = 0; i < count; i++) {
      const at = i * ENTRY_WORDS
      if (!ender.end(words[at], words[at + 1], words[at + 2])) this.add(words[at], words[at + 1], words[at + 2])
    }
    return count - this.count
  }
}
