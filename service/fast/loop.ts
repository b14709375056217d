/** The loop of a worker process: pass after pass; when there is nothing to do, spin a little, then block. */
import { SleepMark } from '../../lib/memif/index.js'
import { Clock, nowUs, waitReadable, yieldCpu, type EventFd, type SpinPolicy } from '../../native/index.js'
import type { ControlSocketSource } from './appsource.js'
import * as counters from './counterindex.js'
import type { Worker } from './worker.js'

/** Shortest time between two looks at the kernel's drop counter. */
const DROPS_INTERVAL_MS = 1_000
/** Passes before the loop looks at anything else. */
const BUSY_PASSES = 256
/** How soon a worker looks again when a full ring or port holds it up. */
const STALLED_RETRY_US = 1_000

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
}

/** Runs until the slow path orders the end or is gone. */
export function runLoop(parts: LoopParts): void {
  const { worker, policy, source } = parts
  const fds = Int32Array.of(parts.wake.fd, parts.portFd, parts.controlFd)
  const clock = new Clock()
  let dropsAtMs = 0
  while (!worker.stopped && !source.ended) {
    const worked = busy(worker, clock)
    if (((clock.ms32 - dropsAtMs) | 0) >= DROPS_INTERVAL_MS) {
      worker.countDrops()
      dropsAtMs = clock.ms32
    }
    if (worked || worker.stopped || spin(worker, policy, clock) || !parts.mayBlock) continue
    worker.flushDelayedAcks()
    block(parts, fds)
    policy.end(nowUs(), false)
  }
}

/** Passes while there is something to do, at most BUSY_PASSES. Returns whether there was anything. */
function busy(worker: Worker, clock: Clock): boolean {
  clock.tick()
  const start = clock.us32
  let passes = 0
  while (passes < BUSY_PASSES && worker.pass(clock.us32, clock.ms32) > 0 && !worker.stopped) {
    passes++
    clock.tick()
  }
  if (passes > 0) worker.count(counters.BUSY_US, (clock.us32 - start) | 0)
  return passes > 0
}

/** Spins until there is something to do (true) or spinning pays no longer (false). */
function spin(worker: Worker, policy: SpinPolicy, clock: Clock): boolean {
  if (!policy.begin(nowUs())) return false
  let turns = 0
  let going = true
  while (going) {
    const tookUs = yieldCpu()
    clock.tick()
    turns++
    if (worker.pass(clock.us32, clock.ms32) > 0) {
      policy.end(nowUs(), true)
      worker.count(counters.SPINS, turns)
      return true
    }
    going = policy.again(nowUs(), tookUs)
  }
  worker.count(counters.SPINS, turns)
  return false
}

/** Publishes "sleeping", looks once more, blocks. See lib/memif/doorbell.ts. */
function block(parts: LoopParts, fds: Int32Array): void {
  const { worker, mark, wake, source } = parts
  mark.set()
  if (!worker.hasWork()) {
    worker.count(counters.SLEEPS, 1)
    const ready = waitReadable(fds, fds.length, worker.stalled ? STALLED_RETRY_US : -1)
    if ((ready & 1) !== 0) wake.drain()
    if ((ready & 4) !== 0) source.pump()
    worker.count(counters.WAKEUPS, 1)
  }
  mark.clear()
}
