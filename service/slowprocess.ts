/**
 * Runs the slow path in Node's event loop: polls it while it has work, then sleeps by the protocol of
 * lib/memif/doorbell.ts until an eventfd, a timer or a socket wakes it. Idle, it uses no CPU.
 *
 *   wake -> clear mark -> poll, bounded -> still busy? go on at the next turn of the event loop
 *                                       -> nothing: spin a little if it has been worth it lately
 *                                       -> still nothing: set mark, look once more, arm the timer, sleep
 */
import type { SleepMark } from '../lib/memif/index.js'
import type { SpinPolicy } from '../native/index.js'

/** What is run: SlowPath of service/slow. */
export interface Pollable {
  /** One bounded step at `nowUs`. Returns how much was done. */
  poll(nowUs: number): number
  /** Whether a ring or queue holds something. */
  hasWork(): boolean
  /** When `poll` must run next even if nothing happens, in microseconds; Infinity for never. */
  nextDeadlineUs(): number
}

/** A timer that is armed anew for every sleep. */
export interface DeadlineTimer {
  /** Fires once after `deltaUs` microseconds. */
  arm(deltaUs: number): void
  disarm(): void
}

/** What the loop needs of its surroundings. */
export interface SlowProcessEnv {
  readonly slow: Pollable
  readonly mark: Pick<SleepMark, 'set' | 'clear'>
  readonly timer: DeadlineTimer
  /** A turn took so many microseconds. */
  readonly busy: (us: number) => void
  readonly nowUs: () => number
  readonly spin: SpinPolicy
  /** Offers the CPU. Returns how long that took, microseconds. */
  readonly yieldCpu: () => number
  /** Runs `turn` once input and output had their turn (setImmediate). */
  readonly soon: (turn: () => void) => void
  /** Called with whatever `poll` throws; the loop stands still then. */
  readonly failed: (error: unknown) => void
}

/** Most polls in one turn of the event loop: control sockets and signals get theirs in between. */
const POLLS_PER_TURN = 64
/** A turn that went on because there was work again and again ends after so long. */
const TURN_US = 1_000

/** The loop. Nothing happens before `start`. */
export class SlowProcess {
  private readonly env: SlowProcessEnv
  private readonly turn = (): void => this.run()
  private scheduled = false
  private isAsleep = false
  private stopped = true

  constructor(env: SlowProcessEnv) {
    this.env = env
  }

  /** Begins to poll. */
  start(): void {
    this.stopped = false
    this.wake()
  }

  /** Stops for good; a turn that is scheduled does nothing. */
  stop(): void {
    this.stopped = true
    this.env.timer.disarm()
  }

  /** The timer has expired: polls now. What comes at a time that is known is not worth spinning for. From the event loop only. */
  expire(): void {
    this.env.spin.endUnanswered()
    this.isAsleep = false
    this.ring()
  }

  /** Somebody has rung: polls now. From the event loop only. */
  ring(): void {
    if (this.scheduled || this.stopped) return
    this.wakeUp()
    this.run()
  }

  /** Something may have happened: polls soon. May be called at any time. */
  wake(): void {
    if (this.scheduled || this.stopped) return
    this.wakeUp()
    this.scheduled = true
    this.env.soon(this.turn)
  }

  private wakeUp(): void {
    this.env.mark.clear()
    if (this.isAsleep) this.env.spin.end(this.env.nowUs(), false)
    this.isAsleep = false
  }

  private run(): void {
    this.scheduled = false
    if (this.stopped) return
    const { nowUs, busy } = this.env
    const startUs = nowUs()
    try {
      if (this.workUntilIdle(startUs)) this.sleep()
      else this.wake()
      busy(nowUs() - startUs)
    } catch (error) {
      this.stop()
      this.env.failed(error)
    }
  }

  /** Returns false if others in the event loop are to have their turn first. */
  private workUntilIdle(startUs: number): boolean {
    while (this.pollUntilIdle()) {
      if (!this.spinUntilWork()) return true
      if (this.env.nowUs() - startUs > TURN_US) return false
    }
    return false
  }

  /** Returns false if there was still work when the turn was over. */
  private pollUntilIdle(): boolean {
    for (let polls = 0; polls < POLLS_PER_TURN; polls++) {
      if (this.env.slow.poll(this.env.nowUs()) === 0) return true
    }
    return false
  }

  /** A connection that is opened or closed needs the slow path several times within a hundred microseconds, and each sleep takes 40. */
  private spinUntilWork(): boolean {
    const { slow, spin, nowUs, yieldCpu } = this.env
    if (!spin.begin(nowUs())) return false
    for (;;) {
      const tookUs = yieldCpu()
      const us = nowUs()
      if (slow.hasWork() || slow.nextDeadlineUs() <= us) {
        spin.end(us, true)
        return true
      }
      if (!spin.again(us, tookUs)) return false
    }
  }

  private sleep(): void {
    const { slow, mark, timer, nowUs } = this.env
    this.isAsleep = true
    mark.set()
    if (slow.hasWork()) {
      this.wake()
      return
    }
    const deadlineUs = slow.nextDeadlineUs()
    if (deadlineUs === Number.POSITIVE_INFINITY) timer.disarm()
    else timer.arm(Math.max(1, Math.ceil(deadlineUs - nowUs())))
  }
}
