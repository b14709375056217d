/**
 * Timers as a heap over deadlines: set, cancel and expiry cost O(log n). Timers with the same deadline fire in the order in which they were
 * set, so a simulation replays exactly.
 *
 *                0                 each node has WIDTH children, which lie side by side: what is compared stands in two arrays of
 *      1       2       3    4      numbers, so that a walk through tens of thousands of timers does not touch each one it passes
 *   5 6 7 8  9 ...
 */

const WIDTH_LOG2 = 2
const WIDTH = 1 << WIDTH_LOG2
const CAPACITY_MIN = 64

/** One timer; set it through Timers. */
export class Timer {
  /** Absolute time in microseconds. */
  deadlineUs = 0
  /** Place in the heap, -1 while not set. */
  place = -1
  readonly fire: () => void

  constructor(fire: () => void) {
    this.fire = fire
  }

  get isSet(): boolean {
    return this.place >= 0
  }
}

export class Timers {
  private readonly heap: Timer[] = []
  /** For each place: deadline, and the number of the call that set it. */
  private deadlines = new Float64Array(CAPACITY_MIN)
  private orders = new Float64Array(CAPACITY_MIN)
  private order = 0

  /** Sets `timer` to fire at `deadlineUs`, whether or not it was set before. */
  set(timer: Timer, deadlineUs: number): void {
    timer.deadlineUs = deadlineUs
    if (timer.place < 0) {
      timer.place = this.heap.length
      if (timer.place === this.deadlines.length) this.grow()
      this.heap.push(timer)
    }
    this.settle(timer, timer.place, deadlineUs, this.order++)
  }

  /** Takes `timer` out if there is one and it is set. */
  cancel(timer: Timer | null | undefined): void {
    if (!timer?.isSet) return
    const place = timer.place
    timer.place = -1
    const last = this.heap.pop() as Timer // the heap holds at least `timer`
    if (last === timer) return
    const from = this.heap.length
    this.settle(last, place, this.deadlines[from], this.orders[from])
  }

  /** Fires at most `limit` timers that are due. Returns how many. */
  run(nowUs: number, limit: number): number {
    let fired = 0
    while (fired < limit && this.heap.length > 0 && this.deadlines[0] <= nowUs) {
      const timer = this.heap[0]
      this.cancel(timer)
      timer.fire()
      fired++
    }
    return fired
  }

  /** The earliest deadline, Infinity if no timer is set. */
  nextDeadlineUs(): number {
    return this.heap.length > 0 ? this.deadlines[0] : Infinity
  }

  /** Timers that are set. */
  get size(): number {
    return this.heap.length
  }

  private grow(): void {
    const { deadlines, orders } = this
    this.deadlines = new Float64Array(2 * deadlines.length)
    this.orders = new Float64Array(2 * orders.length)
    this.deadlines.set(deadlines)
    this.orders.set(orders)
  }

  /** `place` is free, and `timer` goes there, or to where those before and behind it leave a place. */
  private settle(timer: Timer, place: number, deadlineUs: number, order: number): void {
    let at = this.rise(place, deadlineUs, order)
    if (at === place) at = this.sink(place, deadlineUs, order)
    this.heap[at] = timer
    this.deadlines[at] = deadlineUs
    this.orders[at] = order
    timer.place = at
  }

  private rise(place: number, deadlineUs: number, order: number): number {
    let at = place
    while (at > 0) {
      const parent = (at - 1) >> WIDTH_LOG2
      if (this.deadlines[parent] < deadlineUs || (this.deadlines[parent] === deadlineUs && this.orders[parent] < order)) break
      this.move(parent, at)
      at = parent
    }
    return at
  }

  private sink(place: number, deadlineUs: number, order: number): number {
    let at = place
    for (;;) {
      const child = this.firstOfChildren(at)
      if (child < 0) return at
      if (deadlineUs < this.deadlines[child] || (deadlineUs === this.deadlines[child] && order < this.orders[child])) return at
      this.move(child, at)
      at = child
    }
  }

  /** The child of `at` that is due first, -1 if it has none. */
  private firstOfChildren(at: number): number {
    const { deadlines, orders } = this
    const begin = at * WIDTH + 1
    const end = Math.min(begin + WIDTH, this.heap.length)
    if (begin >= end) return -1
    let first = begin
    for (let child = begin + 1; child < end; child++) {
      if (deadlines[child] < deadlines[first] || (deadlines[child] === deadlines[first] && orders[child] < orders[first])) first = child
    }
    return first
  }

  private move(from: number, to: number): void {
    const timer = this.heap[from]
    this.heap[to] = timer
    this.deadlines[to] = this.deadlines[from]
    this.orders[to] = this.orders[from]
    timer.place = to
  }
}
