/**
 * A timing wheel (Varghese and Lauck, SOSP 1987; for pacing as in Carousel, Saeed et al., SIGCOMM 2017, 4.2): which flow may send next, and
 * when. Time is the low 32 bits of microseconds and may wrap. Everything takes the same few steps however many flows wait.
 *
 *   near:  32,768 slots of 1 us, the epoch that the clock is in      far:  2,048 slots of 32,768 us, an epoch each
 *          |0|1|2| ... |now| ... |32767|                                   | epoch + 1 | epoch + 2 | ...
 *
 * When the clock enters an epoch, the flows of its far slot are spread over the near slots: a flow moves at most once. Carousel has a single
 * ring, whose last slot holds all that is later and is sorted anew each time it comes round; here the next departure is always known, and the
 * worker sleeps until it. The flows of a slot form a ring in both directions, so that each can be taken out, first in, first out.
 *
 * Finding the next departure, taking a flow out and putting it in again costs about 60 ns, with 64 flows as with 10,000.
 */
import { SlotSet } from './slotset.js'

const NEAR_LOG2 = 15
const NEAR_SLOTS = 1 << NEAR_LOG2
const NEAR_MASK = NEAR_SLOTS - 1
const FAR_SLOTS = 2_048
const FAR_MASK = FAR_SLOTS - 1
/** Epochs are counted in the bits of the clock above the near slot's. */
const EPOCH_BITS = 32 - NEAR_LOG2
const EPOCH_MASK = (1 << EPOCH_BITS) - 1

/** A flow is due at most this long after it is put in: 67 seconds. */
export const PACE_HORIZON_US = (FAR_SLOTS - 1) * NEAR_SLOTS

/** Words of a flow's row: neighbours in its slot's ring, place plus one or 0, when it is due. */
const ROW_LOG2 = 2
const NEXT = 0
const PREV = 1
const PLACE = 2
const DUE = 3

export class PaceWheel {
  /** Flows that wait. */
  size = 0
  private epoch = 0
  private readonly rows: Int32Array
  /** For each place, near slots first: the flow that has waited longest plus one, or 0. */
  private readonly heads = new Int32Array(NEAR_SLOTS + FAR_SLOTS)
  private readonly near = new SlotSet()
  private readonly far = new SlotSet()
  /** For each far slot: when its first flow is due. */
  private readonly farDue = new Int32Array(FAR_SLOTS)

  /** For flows 0 to `flows` - 1. */
  constructor(flows: number) {
    this.rows = new Int32Array(flows << ROW_LOG2)
  }

  has(flow: number): boolean {
    return this.rows[(flow << ROW_LOG2) + PLACE] !== 0
  }

  /** When a flow that waits is due, low 32 bits of microseconds. */
  dueOf(flow: number): number {
    return this.rows[(flow << ROW_LOG2) + DUE]
  }

  /** Lets a flow wait until `due32`, at most PACE_HORIZON_US from `now32`; one that waits already, until then instead. */
  put(flow: number, due32: number, now32: number): void {
    this.remove(flow)
    if (this.size === 0) this.epoch = now32 >>> NEAR_LOG2
    else if (now32 >>> NEAR_LOG2 !== this.epoch) this.enterEpoch(now32 >>> NEAR_LOG2)
    this.rows[(flow << ROW_LOG2) + DUE] = due32
    this.place(flow, due32)
    this.size++
  }

  /** Takes a flow out, if it waits. */
  remove(flow: number): void {
    if (this.rows[(flow << ROW_LOG2) + PLACE] === 0) return
    this.unlink(flow)
    this.size--
  }

  /** Takes out the flow that has been due longest, or returns -1 if none is due at `now32`. */
  takeDue(now32: number): number {
    if (this.size === 0) return -1
    if (now32 >>> NEAR_LOG2 !== this.epoch) this.enterEpoch(now32 >>> NEAR_LOG2)
    const slot = this.near.first()
    if (slot < 0 || slot > (now32 & NEAR_MASK)) return -1
    const flow = this.heads[slot] - 1
    this.unlink(flow)
    this.size--
    return flow
  }

  /**
   * Microseconds until the next departure: 0 if one is due, -1 if nothing waits. Exact, unless the first flow of a far slot has been taken out:
   * then it may be too short, once.
   */
  waitUs(now32: number): number {
    if (this.size === 0) return -1
    const slot = this.near.first()
    const next = slot >= 0 ? (this.epoch << NEAR_LOG2) | slot : this.farDue[this.firstFar()]
    const wait = (next - now32) | 0
    // What lies further ahead than anything can wait is what a clock shows that nobody has looked at for half an hour.
    return wait < 0 || wait > PACE_HORIZON_US ? 0 : wait
  }

  /** The far slot whose epoch comes first; only if there is one. */
  private firstFar(): number {
    const ahead = this.far.next((this.epoch + 1) & FAR_MASK)
    return ahead >= 0 ? ahead : this.far.first()
  }

  /** The clock is in another epoch: whatever waits near is due, and far slots come near. */
  private enterEpoch(epoch: number): void {
    const before = this.epoch
    const passed = (epoch - before) & EPOCH_MASK
    this.epoch = epoch
    for (let slot = this.near.next(1); slot >= 0; slot = this.near.next(1)) this.emptyInto(slot, true)
    const ahead = Math.min(passed, FAR_SLOTS)
    for (let slot = this.farWithin(before, ahead); slot >= 0; slot = this.farWithin(before, ahead)) {
      // An epoch before the present one is over, and so are all of them after a very long time.
      this.emptyInto(NEAR_SLOTS + slot, passed >= FAR_SLOTS || slot !== (epoch & FAR_MASK))
    }
  }

  /** The first far slot of the `ahead` epochs behind `epoch` that is not empty, or -1. */
  private farWithin(epoch: number, ahead: number): number {
    const start = (epoch + 1) & FAR_MASK
    const onwards = this.far.next(start)
    const slot = onwards >= 0 ? onwards : this.far.first()
    return slot >= 0 && ((slot - start) & FAR_MASK) < ahead ? slot : -1
  }

  /** All flows of a place go where they belong now, in order; those that are due to slot 0. */
  private emptyInto(place: number, isDue: boolean): void {
    for (let first = this.heads[place]; first !== 0; first = this.heads[place]) {
      const flow = first - 1
      this.unlink(flow)
      if (isDue) this.link(flow, 0)
      else this.place(flow, this.rows[(flow << ROW_LOG2) + DUE])
    }
  }

  private place(flow: number, due32: number): void {
    const ahead = (((due32 >>> NEAR_LOG2) - this.epoch) << NEAR_LOG2) >> NEAR_LOG2
    if (ahead === 0) this.link(flow, due32 & NEAR_MASK)
    else if (ahead < 0) this.link(flow, 0)
    else this.placeFar(flow, due32, (due32 >>> NEAR_LOG2) & FAR_MASK)
  }

  private placeFar(flow: number, due32: number, slot: number): void {
    if (this.heads[NEAR_SLOTS + slot] === 0 || ((due32 - this.farDue[slot]) | 0) < 0) this.farDue[slot] = due32
    this.link(flow, NEAR_SLOTS + slot)
  }

  private link(flow: number, place: number): void {
    const { rows, heads } = this
    const row = flow << ROW_LOG2
    rows[row + PLACE] = place + 1
    const head = heads[place] - 1
    if (head < 0) {
      rows[row + NEXT] = flow
      rows[row + PREV] = flow
      heads[place] = flow + 1
      if (place < NEAR_SLOTS) this.near.add(place)
      else this.far.add(place - NEAR_SLOTS)
      return
    }
    const first = head << ROW_LOG2
    const last = rows[first + PREV]
    rows[row + NEXT] = head
    rows[row + PREV] = last
    rows[(last << ROW_LOG2) + NEXT] = flow
    rows[first + PREV] = flow
  }

  private unlink(flow: number): void {
    const { rows, heads } = this
    const row = flow << ROW_LOG2
    const place = rows[row + PLACE] - 1
    rows[row + PLACE] = 0
    const next = rows[row + NEXT]
    if (next === flow) {
      heads[place] = 0
      if (place < NEAR_SLOTS) this.near.delete(place)
      else this.far.delete(place - NEAR_SLOTS)
      return
    }
    const prev = rows[row + PREV]
    rows[(prev << ROW_LOG2) + NEXT] = next
    rows[(next << ROW_LOG2) + PREV] = prev
    if (heads[place] === flow + 1) heads[place] = next + 1
  }
}
