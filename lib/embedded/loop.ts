/**
 * Runs the stack from Node's event loop while attached contexts sleep there. Awake contexts poll, which runs it too; so this has nothing
 * to do until the last of them rests:
 *
 *   all rest -> acknowledgments out -> mark set -> look once more -> timer armed -> sleep
 *   frame, deadline, ring            -> mark cleared -> advance, bounded -> a context woken? its turn comes next
 *                                                                        -> otherwise sleep again
 */
import { FdWatcher, LoopTurns, TimerFd } from '../../native/index.js'
import type { Stack } from './stack.js'

/** Most rounds in one turn of the event loop: everything else gets its turn in between. */
const ROUNDS_PER_TURN = 64

/** What is attached: EmbeddedContext. */
export interface Resting {
  readonly isResting: boolean
}

/** Watches the port and a timer; both only while contexts are attached. */
export class LoopDriver {
  private readonly stack: Stack
  private readonly portFd: number
  /** Attached contexts, and whether each keeps the process alive. */
  private readonly attached = new Map<Resting, boolean>()
  private port: FdWatcher | null = null
  private timer: TimerFd | null = null
  private timerWatcher: FdWatcher | null = null
  /** Of those that follow at once. */
  private turns: LoopTurns | null = null
  private isArmed = false
  private isAsleep = false

  /** `portFd` polls readable when a frame waits. */
  constructor(stack: Stack, portFd: number) {
    this.stack = stack
    this.portFd = portFd
    stack.onRing = () => this.touch()
  }

  /** `context` is attached, and awake. */
  add(context: Resting): void {
    this.attached.set(context, true)
    if (this.port === null) this.open()
    this.applyReferences()
  }

  /** `context` is attached no more. */
  remove(context: Resting): void {
    if (!this.attached.delete(context)) return
    if (this.attached.size === 0) this.close()
    else {
      this.applyReferences()
      this.rested()
    }
  }

  /** Whether `context` keeps the process alive. */
  setReferenced(context: Resting, isReferenced: boolean): void {
    if (!this.attached.has(context)) return
    this.attached.set(context, isReferenced)
    this.applyReferences()
  }

  /** A context sleeps from now on. */
  rested(): void {
    if (this.areAllResting()) this.sleep()
  }

  /** Something has happened that may be more than what was slept for. */
  touch(): void {
    if (!this.isAsleep) return
    this.wakeUp()
    this.turns?.start()
  }

  private open(): void {
    this.timer = new TimerFd()
    this.timerWatcher = new FdWatcher(this.timer.fd, () => this.expired())
    this.timerWatcher.unref()
    this.turns = new LoopTurns(() => this.runTurn())
    this.port = new FdWatcher(this.portFd, () => this.runTurn())
  }

  /** Nothing is watched any more. */
  close(): void {
    this.wakeUp()
    this.attached.clear()
    this.turns?.close()
    this.port?.close()
    this.timerWatcher?.close()
    this.timer?.close()
    this.turns = this.port = this.timerWatcher = this.timer = null
    this.isArmed = false
  }

  private get isReferenced(): boolean {
    for (const isReferenced of this.attached.values()) if (isReferenced) return true
    return false
  }

  private applyReferences(): void {
    const { isReferenced } = this
    for (const handle of [this.port, this.turns]) {
      if (isReferenced) handle?.ref()
      else handle?.unref()
    }
  }

  private areAllResting(): boolean {
    for (const context of this.attached.keys()) if (!context.isResting) return false
    return this.attached.size > 0
  }

  private expired(): void {
    this.timer?.drain()
    this.isArmed = false
    this.runTurn()
  }

  private runTurn(): void {
    this.turns?.stop()
    this.wakeUp()
    let rounds = 0
    while (rounds < ROUNDS_PER_TURN && this.stack.advance() > 0) rounds++
    if (rounds === ROUNDS_PER_TURN) this.turns?.start()
    else this.rested()
  }

  private wakeUp(): void {
    if (!this.isAsleep) return
    this.isAsleep = false
    this.stack.workerMark.clear()
  }

  private sleep(): void {
    const { stack } = this
    stack.flushDelayedAcks()
    if (!this.isAsleep) stack.workerMark.set()
    this.isAsleep = true
    if (stack.hasWork() || stack.isDepartureNear()) {
      this.touch()
      return
    }
    const waitUs = stack.waitUs()
    if (waitUs >= 0) this.timer?.arm(waitUs)
    else if (this.isArmed) this.timer?.disarm()
    this.isArmed = waitUs >= 0
  }
}
