/** The loop of a worker process: pass after pass; when there is nothing to do, spin a little, then block. */
import { SleepMark } from '../../lib/memif/index.js'
import { nowUs, waitReadable, yieldCpu, type EventFd, type SpinPolicy } from '../../native/index.js'
import type { ControlSocketSource } from './appsource.js'
import * as counters from './counterindex.js'
import type { Worker } from './worker.js'

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
  for (;;) {
    let now = nowUs()
    if (worker.pass(now) > 0) {
      if (worker.stopped) return
      continue
    }
    if (worker.stopped) return
    const spun = spin(worker, policy, now)
    if (spun || !parts.mayBlock) continue
    worker.flushDelayedAcks()
    block(parts, fds)
    now = nowUs()
    policy.end(now, false)
    if (source.ended) return
  }
}

/** Spins until there is something to do (true) or spinning pays no longer (false). */
function spin(worker: Worker, policy: SpinPolicy, startUs: number): boolean {
  if (!policy.begin(startUs)) return false
  let turns = 0
  let going = true
  while (going) {
    const tookUs = yieldCpu()
    const now = nowUs()
    turns++
    if (worker.pass(now) > 0) {
      policy.end(now, true)
      worker.count(counters.SPINS, turns)
      return true
    }
    going = policy.again(now, tookUs)
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
