/**
 * Data behind gaps: for each flow a sorted list of up to INTERVALS_MAX disjoint intervals of sequence numbers that have
 * arrived and are in the receive buffer.
 *
 *   RCV.NXT ...... [0: oooStart, oooEnd) ...... [1) ...... [2) ...... window ends
 *          missing                      missing
 *
 * The lowest stands in the TCB too. A worker that takes over finds that one; the others it has forgotten, as RFC 2018, 8
 * permits a receiver: their bytes come again. The same holds for a FIN that came too early.
 *
 * Each flow has a place of its own, so nobody can take another's however many gaps he makes. A place is some 400 bytes
 * beside buffers of at least 128 KiB, and memory of the machine only once the flow has had a gap.
 */
import { TCB_OOO_END, TCB_OOO_START } from '../../lib/memif/index.js'

/** Intervals of one flow: the one in the TCB and 32 further ones. */
export const INTERVALS_MAX = 33

/** Words of an interval: its edges, and the number of the arrival that last changed it. */
export const INTERVAL_START = 0
export const INTERVAL_END = 1
export const INTERVAL_ARRIVAL = 2
export const INTERVAL_WORDS = 3
/** Words of a flow's place. */
export const PLACE_WORDS = INTERVALS_MAX * INTERVAL_WORDS

export class Reassembly {
  /** Places of all flows, PLACE_WORDS each. */
  readonly list: Int32Array
  /** For each flow: intervals held. */
  readonly counts: Uint8Array
  /** Number of the last arrival behind a gap, over all flows; wraps. */
  arrival = 0
  /** For each flow: bytes [from, to) that came once more and are still to be reported; none if equal (RFC 2883). */
  readonly twiceFrom: Int32Array
  readonly twiceTo: Int32Array
  private readonly state: Int32Array
  /** For each flow: sequence number of a FIN that came before the data in front of it, if `finEarly` is 1. */
  private readonly finSeq: Int32Array
  private readonly finEarly: Uint8Array

  /** `state` are the words of the state region, `flows` the number of its TCBs. */
  constructor(state: Int32Array, flows: number) {
    this.state = state
    this.list = new Int32Array(flows * PLACE_WORDS)
    this.counts = new Uint8Array(flows)
    this.twiceFrom = new Int32Array(flows)
    this.twiceTo = new Int32Array(flows)
    this.finSeq = new Int32Array(flows)
    this.finEarly = new Uint8Array(flows)
  }

  /** Begins with what the TCB says: a flow that is new, or another worker's before. */
  reset(flow: number, tcb: number): void {
    const start = this.state[tcb + TCB_OOO_START]
    const end = this.state[tcb + TCB_OOO_END]
    this.forget(flow, tcb)
    if (start === end) return
    this.insert(flow, 0, start, end)
    this.mirror(flow, tcb)
  }

  /** Lets go of everything: nothing behind a FIN is data (RFC 9293, 3.10.7.4, seventh). */
  forget(flow: number, tcb: number): void {
    this.counts[flow] = 0
    this.finEarly[flow] = 0
    this.forgetTwice(flow)
    this.mirror(flow, tcb)
  }

  /** Whether a gap is open or a duplicate still to be reported. */
  isWaiting(flow: number): boolean {
    return this.counts[flow] !== 0 || this.finEarly[flow] !== 0 || this.twiceFrom[flow] !== this.twiceTo[flow]
  }

  /** Holds [start, end), which begins behind RCV.NXT and ends within the window. Returns false if the list is full and it touches none. */
  hold(flow: number, tcb: number, start: number, end: number): boolean {
    const { list } = this
    const place = flow * PLACE_WORDS
    const count = this.counts[flow]
    let first = 0
    while (first < count && ((list[place + first * INTERVAL_WORDS + INTERVAL_END] - start) | 0) < 0) first++
    let behind = first
    while (behind < count && ((list[place + behind * INTERVAL_WORDS + INTERVAL_START] - end) | 0) <= 0) behind++
    if (first === behind) {
      if (count === INTERVALS_MAX) return false
      this.insert(flow, first, start, end)
    } else {
      this.noteOverlap(flow, first, behind, start, end)
      this.join(flow, first, behind, start, end)
    }
    this.mirror(flow, tcb)
    return true
  }

  /** Makes room at `index` and enters an interval there. */
  private insert(flow: number, index: number, start: number, end: number): void {
    const { list } = this
    const place = flow * PLACE_WORDS
    const at = place + index * INTERVAL_WORDS
    for (let word = place + this.counts[flow] * INTERVAL_WORDS - 1; word >= at; word--) list[word + INTERVAL_WORDS] = list[word]
    this.counts[flow]++
    this.arrival = (this.arrival + 1) | 0
    list[at + INTERVAL_START] = start
    list[at + INTERVAL_END] = end
    list[at + INTERVAL_ARRIVAL] = this.arrival
  }

  /** Makes one of intervals `first` to `behind` - 1, all of which [start, end) touches, and itself. */
  private join(flow: number, first: number, behind: number, start: number, end: number): void {
    const { list } = this
    const at = flow * PLACE_WORDS + first * INTERVAL_WORDS
    const lastEnd = list[flow * PLACE_WORDS + (behind - 1) * INTERVAL_WORDS + INTERVAL_END]
    if (((start - list[at + INTERVAL_START]) | 0) < 0) list[at + INTERVAL_START] = start
    list[at + INTERVAL_END] = ((end - lastEnd) | 0) > 0 ? end : lastEnd
    this.arrival = (this.arrival + 1) | 0
    list[at + INTERVAL_ARRIVAL] = this.arrival
    this.remove(flow, first + 1, behind)
  }

  /** Takes intervals `from` to `to` - 1 out. */
  private remove(flow: number, from: number, to: number): void {
    const { list } = this
    const place = flow * PLACE_WORDS
    const gone = (to - from) * INTERVAL_WORDS
    if (gone === 0) return
    const end = place + this.counts[flow] * INTERVAL_WORDS
    for (let word = place + to * INTERVAL_WORDS; word < end; word++) list[word - gone] = list[word]
    this.counts[flow] -= to - from
  }

  /** RCV.NXT has come to `next` by data in order: what that reaches is in order too. Returns RCV.NXT behind it. */
  advance(flow: number, tcb: number, next: number): number {
    const { list } = this
    const place = flow * PLACE_WORDS
    const count = this.counts[flow]
    let reached = 0
    let end = next
    for (; reached < count; reached++) {
      const at = place + reached * INTERVAL_WORDS
      if (((list[at + INTERVAL_START] - end) | 0) > 0) break
      if (((list[at + INTERVAL_END] - end) | 0) > 0) end = list[at + INTERVAL_END]
    }
    if (reached === 0) return next
    this.noteOverlap(flow, 0, reached, (list[place + INTERVAL_START] - 1) | 0, next)
    this.remove(flow, 0, reached)
    this.mirror(flow, tcb)
    return end
  }

  /** [from, to) has arrived once more. One stretch is remembered: it grows if this adjoins it, or else is this. */
  noteTwice(flow: number, from: number, to: number): void {
    const noted = this.twiceFrom[flow]
    const notedTo = this.twiceTo[flow]
    const adjoins = noted !== notedTo && ((from - notedTo) | 0) <= 0 && ((to - noted) | 0) >= 0
    this.twiceFrom[flow] = adjoins && ((noted - from) | 0) < 0 ? noted : from
    this.twiceTo[flow] = adjoins && ((notedTo - to) | 0) > 0 ? notedTo : to
  }

  /** What came once more has been reported, or nobody wants to know. */
  forgetTwice(flow: number): void {
    this.twiceFrom[flow] = 0
    this.twiceTo[flow] = 0
  }

  /** Notes the first stretch that [start, end) has in common with intervals `first` to `behind` - 1 (RFC 2883, 4.2.3). */
  private noteOverlap(flow: number, first: number, behind: number, start: number, end: number): void {
    const { list } = this
    for (let index = first; index < behind; index++) {
      const at = flow * PLACE_WORDS + index * INTERVAL_WORDS
      const from = ((list[at + INTERVAL_START] - start) | 0) > 0 ? list[at + INTERVAL_START] : start
      const to = ((list[at + INTERVAL_END] - end) | 0) < 0 ? list[at + INTERVAL_END] : end
      if (((to - from) | 0) <= 0) continue
      this.noteTwice(flow, from, to)
      return
    }
  }

  /** A FIN stands at `seq`, behind data that is missing. Only the first that is said so counts. */
  noteFin(flow: number, seq: number): void {
    if (this.finEarly[flow] !== 0) return
    this.finEarly[flow] = 1
    this.finSeq[flow] = seq
  }

  /** Whether the FIN that came early is next, RCV.NXT being `next`. One that data has passed by was none. */
  takeFin(flow: number, next: number): boolean {
    if (this.finEarly[flow] === 0) return false
    const missing = (this.finSeq[flow] - next) | 0
    if (missing > 0) return false
    this.finEarly[flow] = 0
    return missing === 0
  }

  private mirror(flow: number, tcb: number): void {
    const held = this.counts[flow] !== 0
    const at = flow * PLACE_WORDS
    this.state[tcb + TCB_OOO_START] = held ? this.list[at + INTERVAL_START] : 0
    this.state[tcb + TCB_OOO_END] = held ? this.list[at + INTERVAL_END] : 0
  }
}
