/**
 * Timers as a heap over deadlines: set, cancel and expiry cost O(log n). Timers with the same deadline fire in the order in which they were
 * set, so a simulation replays exactly.
 *
 *                0                 each node has WIDTH children, which lie side by side. A walk through tens of thousands of timers
 *      1       2       3    4      touches none that it passes: all it needs stands in arrays of numbers
 *   5 6 7 8  9 ...
 *
 *   by place:  deadline, order, number of the timer          by number:  place, timer
 */

const WIDTH_LOG2 = 2
const WIDTH = 1 << WIDTH_LOG2
const CAPACITY_MIN = 64

/** One timer; set it through Timers. */
export class Timer {
  /** Absolute time in microseconds. */
  deadlineUs = 0
  /** Its number while it is set, -1 otherwise. */
  number = -1
  readonly fire: () => void

  constructor(fire: () => void) {
    this.fire = fire
  }

  get isSet(): boolean {
    return this.number >= 0
  }
}

export class Timers {
  /** Timers that are set. */
  size = 0
  /** For each place of the heap: deadline, the number of the call that set it, and the timer's number. */
  private deadlines = new Float64Array(CAPACITY_MIN)
  private orders = new Float64Array(CAPACITY_MIN)
  private numbers = new Int32Array(CAPACITY_MIN)
  /** For each number: its place and its timer, null while it is free. */
  private places = new Int32Array(CAPACITY_MIN)
  private readonly timers: (Timer | null)[] = []
  private readonly free: number[] = []
  private order = 0

  /** Sets `timer` to fire at `deadlineUs`, whether or not it was set before. */
  set(timer: Timer, deadlineUs: number): void {
    timer.deadlineUs = deadlineUs
    if (timer.number < 0) this.enter(timer)
    this.settle(timer.number, this.places[timer.number], deadlineUs, this.order++)
  }

  /** Takes `timer` out if there is one and it is set. */
  cancel(timer: Timer | null | undefined): void {
    if (!timer?.isSet) return
    const { number } = timer
    timer.number = -1
    this.timers[number] = null
    this.free.push(number)
    const last = --this.size
    if (this.numbers[last] !== number) this.settle(this.numbers[last], this.places[number], this.deadlines[last], this.orders[last])
  }

  /** Fires at most `limit` timers that are due. Returns how many. */
  run(nowUs: number, limit: number): number {
    let fired = 0
    while (fired < limit && this.size > 0 && this.deadlines[0] <= nowUs) {
      const timer = this.timers[this.numbers[0]] as Timer // whose number is in the heap
      this.cancel(timer)
      timer.fire()
      fired++
    }
    return fired
  }

  /** The earliest deadline, Infinity if no timer is set. */
  nextDeadlineUs(): number {
    return this.size > 0 ? this.deadlines[0] : Infinity
  }

  /** Gives `timer` a number, and the place behind all others. */
  private enter(timer: Timer): void {
    const number = this.free.pop() ?? this.timers.length
    if (number === this.places.length) this.grow()
    this.timers[number] = timer
    timer.number = number
    this.places[number] = this.size++
  }

  private grow(): void {
    const { deadlines, numbers, orders, places } = this
    const capacity = 2 * places.length
    this.deadlines = new Float64Array(capacity)
    this.orders = new Float64Array(capacity)
    this.numbers = new Int32Array(capacity)
    this.places = new Int32Array(capacity)
    this.deadlines.set(deadlines)
    this.orders.set(orders)
    this.numbers.set(numbers)
    this.places.set(places)
  }

  /** `place` is free, and timer `number` goes there, or to where those before and behind it leave a place. */
  private settle(number: number, place: number, deadlineUs: number, order: number): void {
    let at = this.rise(place, deadlineUs, order)
    if (at === place) at = this.sink(place, deadlineUs, order)
    this.numbers[at] = number
    this.deadlines[at] = deadlineUs
    this.orders[at] = order
    this.places[number] = at
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
    const end = Math.min(begin + WIDTH, this.size)
    if (begin >= end) return -1
    let first = begin
    for (let child = begin + 1; child < end; child++) {
      if (deadlines[child] < deadlines[first] || (deadlines[child] === deadlines[first] && orders[child] < orders[first])) first = child
    }
    return first
  }

  private move(from: number, to: number): void {
    const number = this.numbers[from]
    this.numbers[to] = number
    this.deadlines[to] = this.deadlines[from]
    this.orders[to] = this.orders[from]
    this.places[number] = to
  }
}
