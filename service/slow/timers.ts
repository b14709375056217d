/**
 * Timers as a binary heap over deadlines: set, cancel and expiry cost O(log n). Timers with the same
 * deadline fire in the order in which they were set, so a simulation replays exactly.
 */

/** One timer; set it through Timers. */
export class Timer {
  /** Absolute time in microseconds. */
  deadlineUs = 0
  /** Place in the heap, -1 while not set. */
  place = -1
  order = 0
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
  private order = 0

  /** Sets `timer` to fire at `deadlineUs`, whether or not it was set before. */
  set(timer: Timer, deadlineUs: number): void {
    timer.deadlineUs = deadlineUs
    timer.order = this.order++
    if (timer.place < 0) {
      timer.place = this.heap.length
      this.heap.push(timer)
    }
    this.settle(timer)
  }

  /** Takes `timer` out if there is one and it is set. */
  cancel(timer: Timer | null | undefined): void {
    if (!timer?.isSet) return
    const place = timer.place
    timer.place = -1
    const last = this.heap.pop() as Timer // the heap holds at least `timer`
    if (last === timer) return
    this.heap[place] = last
    last.place = place
    this.settle(last)
  }

  /** Fires at most `limit` timers that are due. Returns how many. */
  run(nowUs: number, limit: number): number {
    let fired = 0
    while (fired < limit && this.heap.length > 0 && this.heap[0].deadlineUs <= nowUs) {
      const timer = this.heap[0]
      this.cancel(timer)
      timer.fire()
      fired++
    }
    return fired
  }

  /** The earliest deadline, Infinity if no timer is set. */
  nextDeadlineUs(): number {
    return this.heap.length > 0 ? this.heap[0].deadlineUs : Infinity
  }

  /** Timers that are set. */
  get size(): number {
    return this.heap.length
  }

  private settle(timer: Timer): void {
    this.rise(timer)
    this.sink(timer)
  }

  private rise(timer: Timer): void {
    while (timer.place > 0) {
      const parent = this.heap[(timer.place - 1) >> 1]
      if (isBefore(parent, timer)) return
      this.swap(parent, timer)
    }
  }

  private sink(timer: Timer): void {
    for (;;) {
      const left = timer.place * 2 + 1
      if (left >= this.heap.length) return
      const right = left + 1
      const isRightFirst = right < this.heap.length && isBefore(this.heap[right], this.heap[left])
      const child = this.heap[isRightFirst ? right : left]
      if (isBefore(timer, child)) return
      this.swap(timer, child)
    }
  }

  private swap(a: Timer, b: Timer): void {
    const place = a.place
    this.heap[b.place] = a
    a.place = b.place
    this.heap[place] = b
    b.place = place
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.deadlineUs < b.deadlineUs || (a.deadlineUs === b.deadlineUs && a.order < b.order)
}
