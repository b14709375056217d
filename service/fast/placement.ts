/** Puts a worker where its policy wants it: on the CPU of its application, which it follows, or on any that it was given. */
import * as counters from './counterindex.js'
import { PlacementPolicy } from './placementpolicy.js'

/** How often it is looked for whose worker this is, milliseconds. */
const CHOICE_INTERVAL_MS = 100
/** How often threads that want to run are counted, milliseconds, and what part of their average a count is. */
const COUNT_INTERVAL_MS = 10
const COUNT_PART = 1 / 16
const UNBOUND = -1

/** What is asked of the worker. */
export interface Placed {
  /** All that it has done, in packets and what bytes count as packets; only grows. */
  readonly progress: number
  /** All of its time in passes that found something to do, microseconds. */
  readonly busyUs: number
  /** Looks anew which application most of the work since the last look was for. */
  chooseApplication(): void
  /** The CPU that this application says it is on. It may say anything. */
  readonly applicationCpu: number
  /** Adds to one of the worker's counters (counterindex.ts). */
  count(counter: number, amount: number): void
}

/** What is asked of the system. */
export interface PlacementSystem {
  /** Binds the process to these CPUs. Throws if that is not permitted. */
  bind(cpus: readonly number[]): void
  /** How many threads run or want to. */
  countRunnable(): number
}

export class Placement {
  private readonly placed: Placed
  private readonly allowed: readonly number[]
  private readonly system: PlacementSystem
  private readonly policy: PlacementPolicy
  private lookedMs: number
  private choseMs: number
  private countedMs: number
  /** On average. */
  private runnable = 0
  private cpu = UNBOUND
  private isOff = false
  private countedTrials = 0

  /** `allowed` are the CPUs that the process was given. */
  constructor(placed: Placed, allowed: readonly number[], system: PlacementSystem, nowMs: number) {
    this.placed = placed
    this.allowed = allowed
    this.system = system
    this.policy = new PlacementPolicy(nowMs)
    this.lookedMs = this.choseMs = this.countedMs = nowMs
  }

  /** To be called often; does something once a millisecond (`ms32`: low 32 bits of the monotonic clock). */
  look(ms32: number): void {
    if (ms32 === this.lookedMs || this.isOff) return
    this.lookedMs = ms32
    const { placed } = this
    if (((ms32 - this.choseMs) | 0) >= CHOICE_INTERVAL_MS) {
      this.choseMs = ms32
      placed.chooseApplication()
    }
    if (((ms32 - this.countedMs) | 0) >= COUNT_INTERVAL_MS) {
      this.countedMs = ms32
      this.runnable += (this.system.countRunnable() - this.runnable) * COUNT_PART
    }
    const cpu = this.isWantedBeside(ms32) ? placed.applicationCpu : UNBOUND
    const to = this.allowed.includes(cpu) ? cpu : UNBOUND
    if (to !== this.cpu) this.moveTo(to)
  }

  private isWantedBeside(ms32: number): boolean {
    const { placed, policy } = this
    const isWanted = policy.look(ms32, placed.progress, placed.busyUs, this.runnable > this.allowed.length)
    if (policy.trials > this.countedTrials) {
      placed.count(counters.CPU_TRIALS, policy.trials - this.countedTrials)
      this.countedTrials = policy.trials
    }
    return isWanted
  }

  private moveTo(cpu: number): void {
    try {
      this.system.bind(cpu === UNBOUND ? this.allowed : [cpu])
      this.cpu = cpu
      if (cpu !== UNBOUND) this.placed.count(counters.CPU_MOVES, 1)
    } catch {
      // The CPUs that we were given have changed, or it is forbidden: whoever did that decides from now on.
      this.isOff = true
    }
  }
}
