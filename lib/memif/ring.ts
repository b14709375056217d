/**
 * Single-producer, single-consumer ring of fixed entries in shared memory.
 *
 *   header, two cache lines            entries, a power of two of them
 *   +------------------+------------------+-----+-----+-----+-----+-----+-----+
 *   | tail  (producer) | head  (consumer) |     |  e  |  e  |  e  |     |     |
 *   +------------------+------------------+-----+-----+-----+-----+-----+-----+
 *                                               ^ head             ^ tail
 *
 * Head and tail count entries and wrap at 2^32; an entry's place is its count modulo the capacity.
 * Each side keeps a cached copy of the other's counter and looks again only when it has to.
 * Entries are written with plain stores and become visible with `publish`, one Atomics.store a
 * batch; they are read with plain loads after an Atomics.load of the tail, and are the producer's
 * again after `release`. Either side may be hostile: counters that cannot be are taken for a full
 * ring (producer) or an empty one that is marked `corrupt` (consumer).
 */

/** Words of the header. */
export const RING_HEADER_WORDS = 32
const TAIL_WORD = 0
const HEAD_WORD = 16

/** Where a ring stands in a region: what both sides must agree on. */
export interface RingPlace {
  /** Word index of the header in the region; a multiple of 16. */
  readonly firstWord: number
  /** Entries; a power of two. */
  readonly capacity: number
  /** Words in an entry; a power of two. */
  readonly entryWords: number
}

/** Bytes that a ring takes, header included. */
export function ringBytes(capacity: number, entryWords: number): number {
  return (RING_HEADER_WORDS + capacity * entryWords) * 4
}

/** Entries that wait in a ring, seen from outside; -1 if its counters cannot be. */
export function countRing(words: Int32Array, { firstWord, capacity }: RingPlace): number {
  // The head first: it only comes nearer to a tail that is read later.
  const head = Atomics.load(words, firstWord + HEAD_WORD)
  const waiting = (Atomics.load(words, firstWord + TAIL_WORD) - head) | 0
  return waiting >= 0 && waiting <= 2 * capacity ? Math.min(waiting, capacity) : -1
}

/** Makes a ring as new: empty, its counters zero. Nobody may be attached to it. */
export function clearRing(words: Int32Array, { firstWord }: RingPlace): void {
  Atomics.store(words, firstWord + TAIL_WORD, 0)
  Atomics.store(words, firstWord + HEAD_WORD, 0)
}

function checkPlace(words: Int32Array, place: RingPlace): void {
  const { firstWord, capacity, entryWords } = place
  const powers = (capacity & (capacity - 1)) === 0 && (entryWords & (entryWords - 1)) === 0
  if (!powers || capacity < 1 || entryWords < 1 || firstWord % 16 !== 0) {
    throw new RangeError(`ring at word ${firstWord}: ${capacity} entries of ${entryWords} words; want powers of two at a cache line`)
  }
  if (firstWord + RING_HEADER_WORDS + capacity * entryWords > words.length) {
    throw new RangeError(`ring at word ${firstWord} with ${capacity} entries does not fit a region of ${words.length} words`)
  }
}

/** The writing side of a ring. */
export class RingProducer {
  /** The region; write an entry's words at the index that `reserve` returned. */
  readonly words: Int32Array
  private readonly tailIndex: number
  private readonly headIndex: number
  private readonly entries: number
  private readonly capacity: number
  private readonly mask: number
  private readonly shift: number
  private tail: number
  private published: number
  private head: number

  /** Attaches to a ring at `place`, going on where an earlier producer stopped. Throws RangeError if it does not fit. */
  constructor(words: Int32Array, place: RingPlace) {
    checkPlace(words, place)
    this.words = words
    this.tailIndex = place.firstWord + TAIL_WORD
    this.headIndex = place.firstWord + HEAD_WORD
    this.entries = place.firstWord + RING_HEADER_WORDS
    this.capacity = place.capacity
    this.mask = place.capacity - 1
    this.shift = Math.log2(place.entryWords)
    this.tail = Atomics.load(words, this.tailIndex)
    this.published = this.tail
    this.head = Atomics.load(words, this.headIndex)
  }

  /**
   * Word index of the next entry to fill, or -1 if the ring is full or has no more than `spare` entries free, which are for messages
   * that matter more. Does not take it: `push` does.
   */
  reserve(spare = 0): number {
    if (this.isFull(spare)) {
      this.head = Atomics.load(this.words, this.headIndex)
      if (this.isFull(spare)) return -1
    }
    return this.entries + ((this.tail & this.mask) << this.shift)
  }

  /** Entries that the reader has not given back, looked up afresh. About 8 ns. */
  countWaiting(): number {
    this.head = Atomics.load(this.words, this.headIndex)
    return this.usedEntries()
  }

  private usedEntries(): number {
    return (this.tail - this.head) | 0
  }

  private isFull(spare: number): boolean {
    const used = this.usedEntries()
    return used < 0 || used >= this.capacity - spare
  }

  /** Takes the entry that `reserve` returned; visible after the next `publish`. */
  push(): void {
    this.tail = (this.tail + 1) | 0
  }

  /** Entries pushed since there is the ring, modulo 2^32. */
  get pushed(): number {
    return this.tail
  }

  /** Entries pushed and not yet published. */
  get unpublished(): number {
    return (this.tail - this.published) | 0
  }

  /** Word index of the entry pushed `back` pushes ago: 1 for the last one. */
  pushedAt(back: number): number {
    return this.entries + (((this.tail - back) & this.mask) << this.shift)
  }

  /** Makes all pushed entries visible. Returns whether there were any. About 8 ns, so call it once a batch. */
  publish(): boolean {
    if (this.tail === this.published) return false
    Atomics.store(this.words, this.tailIndex, this.tail)
    this.published = this.tail
    return true
  }
}

/** The reading side of a ring. */
export class RingConsumer {
  /** The region; read an entry's words from the index that `peek` returned. */
  readonly words: Int32Array
  /** Set for good once the producer's counter was impossible: it is broken or hostile. */
  corrupt = false
  private readonly tailIndex: number
  private readonly headIndex: number
  private readonly entries: number
  private readonly capacity: number
  private readonly mask: number
  private readonly shift: number
  private head: number
  private released: number
  private tail: number

  /** Attaches to a ring at `place`, going on where an earlier consumer stopped. Throws RangeError if it does not fit. */
  constructor(words: Int32Array, place: RingPlace) {
    checkPlace(words, place)
    this.words = words
    this.tailIndex = place.firstWord + TAIL_WORD
    this.headIndex = place.firstWord + HEAD_WORD
    this.entries = place.firstWord + RING_HEADER_WORDS
    this.capacity = place.capacity
    this.mask = place.capacity - 1
    this.shift = Math.log2(place.entryWords)
    this.head = Atomics.load(words, this.headIndex)
    this.released = this.head
    this.tail = this.head
  }

  /**
   * Word index of the oldest entry, or -1 if there is none. An empty ring costs one plain load
   * (0.7 ns): a plain load may see the tail late but never wrong, and a changed tail is confirmed
   * with Atomics, which orders the reads of the entries behind it.
   */
  peek(): number {
    if (this.head === this.tail) {
      if (this.words[this.tailIndex] === this.tail) return -1
      this.look()
      if (this.head === this.tail) return -1
    }
    return this.entries + ((this.head & this.mask) << this.shift)
  }

  /** Word index of the entry `count` behind the oldest, or -1 if there is none; takes nothing. By an Atomics.load. */
  peekAhead(count: number): number {
    this.look()
    const at = (this.head + count) | 0
    return ((this.tail - at) | 0) > 0 ? this.entries + ((at & this.mask) << this.shift) : -1
  }

  /** Whether the ring is empty, by an Atomics.load: for the second look before sleeping. */
  isEmpty(): boolean {
    this.look()
    return this.head === this.tail
  }

  private look(): void {
    const tail = Atomics.load(this.words, this.tailIndex)
    const filled = (tail - this.head) | 0
    if (filled < 0 || filled > this.capacity) {
      this.corrupt = true
      return
    }
    this.tail = tail
  }

  /** Goes on to the next entry; the words of this one stay readable until `release`. */
  next(): void {
    this.head = (this.head + 1) | 0
  }

  /** Word index of the entry passed `back` calls of `next` ago: 1 for the last one; the reader's until `release`. */
  passedAt(back: number): number {
    return this.entries + (((this.head - back) & this.mask) << this.shift)
  }

  /** Gives all entries passed with `next` back to the producer. Returns whether there were any. */
  release(): boolean {
    if (this.head === this.released) return false
    Atomics.store(this.words, this.headIndex, this.head)
    this.released = this.head
    return true
  }
}
