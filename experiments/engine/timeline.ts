/** Virtual time: everything that acts says when it is due next, and acts in that order; of those due at the same time the one that said so first. */
import { Timer, Timers } from '../../service/slow/timers.js'

/** Something that acts at times of its own choosing. */
export interface Actor {
  /** Does what is due at `nowUs`, microseconds with fractions. Says by `Timeline.set` when it is due next. */
  act(nowUs: number): void
}

export class Timeline {
  nowUs: number
  /** Times that something has acted. */
  acts = 0
  private readonly timers = new Timers()

  constructor(startUs: number) {
    this.nowUs = startUs
  }

  /** The place of an actor in the timeline, which is not due yet. */
  add(actor: Actor): Timer {
    return new Timer(() => actor.act(this.nowUs))
  }

  /** `turn` is due at `dueUs`, and not before now; Infinity: not at all. */
  set(turn: Timer, dueUs: number): void {
    if (dueUs === Infinity) this.timers.cancel(turn)
    else this.timers.set(turn, Math.max(dueUs, this.nowUs))
  }

  /** Brings `turn` forward to `dueUs` unless it is due before. */
  hasten(turn: Timer, dueUs: number): void {
    if (!turn.isSet || dueUs < turn.deadlineUs) this.set(turn, dueUs)
  }

  /** Lets everybody act until `untilUs`, or until nobody is due any more. Afterwards it is `untilUs`. */
  run(untilUs: number): void {
    for (let dueUs = this.timers.nextDeadlineUs(); dueUs <= untilUs; dueUs = this.timers.nextDeadlineUs()) {
      this.nowUs = dueUs
      this.acts += this.timers.run(dueUs, 1)
    }
    this.nowUs = untilUs
  }
}
