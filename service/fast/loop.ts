/** The loop of a worker process: pass after pass; when there is nothing to do, spin a little, then block. */
import { SleepMark, type HistogramWriter } from '../../lib/memif/index.js'
import { Clock, nowUs, setTimerSlackNs, waitReadable, yieldCpu, type EventFd, type SpinPolicy } from '../../native/index.js'
import type { ControlSocketSource } from './appsource.js'
import * as counters from './counterindex.js'
import type { Placement } from './placement.js'
import { earlierWait, type Worker } from './worker.js'

/** Shortest time between two looks at what others count for us: the kernel's drops, V8's pauses. */
const LOOK_INTERVAL_MS = 1_000
/** Passes before the loop looks at anything else. */
const BUSY_PASSES = 32
/** A worker that is busy for half of such a time wakes the slow path, which may want to use another worker. */
const CALL_INTERVAL_US = 2_000
/** How soon a worker looks again when a full ring or port holds it up. */
const STALLED_RETRY_US = 1_000
/**
 * How much later than asked the kernel may end a wait, to save wake-ups: 50,000 by default, with which a wait of 100 us ended 71 us late (median
 * on a virtual machine), against 19 us with 1. A worker waits with a time-out only if something is to leave then, so there is nothing to save.
 * 0 would ask for the default.
 */
const TIMER_SLACK_NS = 1

export interface LoopParts {
  readonly worker: Worker
  readonly policy: SpinPolicy
  readonly mark: SleepMark
  readonly wake: EventFd
  readonly source: ControlSocketSource
  readonly portFd: number
  readonly controlFd: number
  /** False for --fp-no-ints: never block. */
  readonly mayBlock: boolean
  /** There are other workers, and the slow path decides by load how many are used. */
  readonly callsForHelp: boolean
  /** Where the worker runs; null: that has been decided. */
  readonly placement: Placement | null
  /** Microseconds of each pass that found something to do. */
  readonly passes: HistogramWriter
  /** Counts the pauses for garbage collection since the last call. */
  readonly collectPauses: () => void
}

/** Runs until the slow path orders the end or is gone. */
export function runLoop(parts: LoopParts): void {
  const { worker, policy, source, placement } = parts
  const fds = Int32Array.of(parts.wake.fd, parts.portFd, parts.controlFd)
  const clock = new Clock()
  setTimerSlackNs(TIMER_SLACK_NS)
  const help = parts.callsForHelp ? new HelpCall(worker) : null
  let lookedAtMs = 0
  while (!worker.stopped && !source.ended) {
    const worked = busy(parts, clock)
    help?.look(clock.us32)
    placement?.look(clock.ms32)
    if (((clock.ms32 - lookedAtMs) | 0) >= LOOK_INTERVAL_MS) {
      worker.countDrops()
      parts.collectPauses()
      lookedAtMs = clock.ms32
    }
    if (worked || worker.stopped || spin(parts, clock) || !parts.mayBlock) continue
    worker.flushDelayedAcks()
    if (block(parts, fds, clock)) policy.end(nowUs(), false)
    else policy.endUnanswered()
  }
}

/** Tells the slow path of a worker that is busy for long: it may itself have nothing to do. */
class HelpCall {
  private readonly worker: Worker
  private fromUs = 0
  private fromBusyUs = 0

  constructor(worker: Worker) {
    this.worker = worker
  }

  /** To be called between passes, now and then; `us32` is the time. */
  look(us32: number): void {
    const passedUs = (us32 - this.fromUs) | 0
    if (passedUs >= 0 && passedUs < CALL_INTERVAL_US) return
    const busyUs = this.worker.counted(counters.BUSY_US)
    if (busyUs - this.fromBusyUs >= CALL_INTERVAL_US / 2) this.worker.callSlow()
    this.fromUs = us32
    this.fromBusyUs = busyUs
  }
}

/** Passes while there is something to do, at most BUSY_PASSES. Returns whether there was anything. */
function busy(parts: LoopParts, clock: Clock): boolean {
  clock.tick()
  let passes = 0
  while (passes < BUSY_PASSES && busyPass(parts, clock) && !parts.worker.stopped) passes++
  return passes > 0
}

/** A pass at the time that the clock shows. Returns whether there was something to do; then the clock has gone on, and the time counts as busy. */
function busyPass({ worker, passes }: LoopParts, clock: Clock): boolean {
  const start = clock.us32
  if (worker.pass(start, clock.ms32) === 0) return false
  clock.tick()
  const tookUs = (clock.us32 - start) | 0
  // In each pass: others look at it every two milliseconds.
  worker.count(counters.BUSY_US, tookUs)
  passes.record(tookUs)
  return true
}

/** Spins until there is something to do (true) or spinning pays no longer (false). */
function spin(parts: LoopParts, clock: Clock): boolean {
  const { worker, policy } = parts
  if (!policy.begin(nowUs(), worker.departureWaitUs(clock.us32))) return false
  let turns = 0
  let going = true
  while (going) {
    const tookUs = yieldCpu()
    clock.tick()
    turns++
    if (busyPass(parts, clock)) {
      policy.end(nowUs(), true)
      worker.count(counters.SPINS, turns)
      return true
    }
    going = policy.again(nowUs(), tookUs, worker.departureWaitUs(clock.us32))
  }
  worker.count(counters.SPINS, turns)
  return false
}

/** Publishes "sleeping", looks once more, blocks. See lib/memif/doorbell.ts. Returns false if only time has passed. */
function block(parts: LoopParts, fds: Int32Array, clock: Clock): boolean {
  const { worker, mark, wake, source } = parts
  let hasCome = true
  mark.set()
  clock.tick()
  const waitUs = longestWaitUs(worker, clock.us32)
  if (waitUs !== 0 && !worker.hasWork()) {
    worker.count(counters.SLEEPS, 1)
    const ready = waitReadable(fds, fds.length, waitUs)
    if ((ready & 1) !== 0) wake.drain()
    if ((ready & 4) !== 0) source.pump()
    hasCome = ready !== 0
    worker.count(counters.WAKEUPS, 1)
  }
  mark.clear()
  return hasCome
}

/** Until a paced segment or an acknowledgment is due, or what is held up may go on; -1 if there is none of them. */
function longestWaitUs(worker: Worker, us32: number): number {
  const waitUs = worker.dueWaitUs(us32)
  return worker.stalled ? earlierWait(waitUs, STALLED_RETRY_US) : waitUs
}
