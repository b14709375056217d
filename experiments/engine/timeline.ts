/**
 * Virtual time: everything that acts says when it is due next, and acts in that order; of those due at the same time the one made first.
 * A binary heap in which each actor knows its place, so that one host or port that changes its mind costs the logarithm of how many wait.
 */

/** Something that acts at times of its own choosing. */
export interface Actor {
  /** Does what is due at `nowUs`, microseconds with fractions. Says by `Timeline.set` when it is due next. */
  act(nowUs: number): void
}

/** Place of an actor in the timeline, made by `Timeline.add`. */
export class Turn {
  /** Infinity: not until something happens. */
  dueUs = Infinity
  /** Index in the heap. */
  at = -1
  readonly actor: Actor
  readonly order: number

  constructor(actor: Actor, order: number) {
    this.actor = actor
    this.order = order
  }
}

function isBefore(a: Turn, b: Turn): boolean {
  return a.dueUs < b.dueUs || (a.dueUs === b.dueUs && a.order < b.order)
}

export class Timeline {
  nowUs: number
  /** Times that something has acted. */
  acts = 0
  private made = 0
  /** Only those that are due at some time. */
  private readonly heap: Turn[] = []

  constructor(startUs: number) {
    this.nowUs = startUs
  }

  add(actor: Actor): Turn {
    return new Turn(actor, this.made++)
  }

  /** `turn` is due at `dueUs`, and not before now; Infinity: not at all. */
  set(turn: Turn, dueUs: number): void {
    const wasDueUs = turn.dueUs
    turn.dueUs = Math.max(dueUs, this.nowUs)
    if (turn.at < 0) {
      if (turn.dueUs === Infinity) return
      turn.at = this.heap.length
      this.heap.push(turn)
      this.rise(turn)
    } else if (turn.dueUs === Infinity) this.remove(turn)
    else if (turn.dueUs < wasDueUs) this.rise(turn)
    else if (turn.dueUs > wasDueUs) this.sink(turn)
  }

  /** Brings `turn` forward to `dueUs` unless it is due before. */
  hasten(turn: Turn, dueUs: number): void {
    if (dueUs < turn.dueUs) this.set(turn, dueUs)
  }

  /** Lets everybody act until `untilUs`, or until nobody is due any more. Afterwards it is `untilUs`. */
  run(untilUs: number): void {
    for (let next = this.heap[0]; next !== undefined && next.dueUs <= untilUs; next = this.heap[0]) {
      this.nowUs = next.dueUs
      this.acts++
      this.remove(next)
      next.dueUs = Infinity
      next.actor.act(this.nowUs)
    }
    this.nowUs = Math.max(this.nowUs, untilUs)
  }

  private remove(turn: Turn): void {
    const { heap } = this
    const last = heap.pop()
    const at = turn.at
    turn.at = -1
    if (last === undefined || last === turn) return
    last.at = at
    heap[at] = last
    this.rise(last)
    this.sink(last)
  }

  private rise(turn: Turn): void {
    const { heap } = this
    let at = turn.at
    while (at > 0) {
      const parent = heap[(at - 1) >> 1]
      if (!isBefore(turn, parent)) break
      heap[at] = parent
      parent.at = at
      at = (at - 1) >> 1
    }
    heap[at] = turn
    turn.at = at
  }

  private sink(turn: Turn): void {
    const { heap } = this
    let at = turn.at
    for (let child = 2 * at + 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child++
      if (!isBefore(heap[child], turn)) break
      heap[at] = heap[child]
      heap[at].at = at
      at = child
    }
    heap[at] = turn
    turn.at = at
  }
}
