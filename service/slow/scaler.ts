/**
 * Uses as many workers as the load needs (scalepolicy.ts), or as many as somebody has said (`tas scale`), and has groups move between them where
 * loads are uneven (balance.ts). It looks at the workers' busy time every LOOK_US while there is something to see: a worker that is busy for long
 * wakes the slow path for it.
 */
import { workerCounter, workerCounterBase } from '../../lib/memif/index.js'
import type { Balancer } from './balance.js'
import { ScalePolicy } from './scalepolicy.js'
import type { Stats } from './stats.js'
import type { Steering } from './steering.js'

/** Time between two looks under load, and while more than one worker is used for little. */
export const LOOK_US = 2_000
const QUIET_LOOK_US = 100_000
/** Time constant of the load that is shown. */
const SHOWN_US = 500_000
/** With a worker this busy the next look is soon. */
const BUSY_SHARE = 0.3

const BUSY_US = workerCounter('busyUs')
const FLOWS = workerCounter('flows')

/** What `tas scale` shows of a worker. */
export interface WorkerScale {
  /** Groups of flows that it is to have, and flows that it has. */
  readonly groups: number
  readonly flows: number
  /** Share of its time that it was busy lately, 0 to 1 in thousandths. */
  readonly load: number
}

export interface ScaleState {
  /** The number follows the load. */
  readonly isAuto: boolean
  readonly active: number
  readonly workers: readonly WorkerScale[]
}

export class Scaler {
  private readonly counters: Float64Array
  private readonly steering: Steering
  private readonly balancer: Balancer
  private readonly stats: Stats
  private readonly workers: number
  private readonly policy: ScalePolicy
  private readonly shares: Float64Array
  private readonly busyUs: Float64Array
  private readonly shown: Float64Array
  private isAuto: boolean
  private lookedUs: number
  private nextUs = Infinity

  /** `counters` is the whole counters region. */
  constructor(
    counters: Float64Array, steering: Steering, balancer: Balancer, stats: Stats, workers: number, isAuto: boolean, nowUs: number,
  ) {
    this.counters = counters
    this.steering = steering
    this.balancer = balancer
    this.stats = stats
    this.workers = workers
    this.isAuto = isAuto
    this.policy = new ScalePolicy(workers)
    this.shares = new Float64Array(workers)
    this.busyUs = new Float64Array(workers)
    this.shown = new Float64Array(workers)
    this.lookedUs = nowUs
    this.count()
  }

  /** When to look again if nothing else happens; Infinity: when a worker calls. */
  get deadlineUs(): number {
    return this.isAuto && this.workers > 1 ? this.nextUs : Infinity
  }

  /** Looks, if it is time for it. To be called with every poll of the slow path. */
  poll(nowUs: number): void {
    if (this.workers === 1 || nowUs - this.lookedUs < LOOK_US) return
    const busiest = this.measure(nowUs)
    if (this.isAuto) {
      const wanted = this.policy.look(nowUs, this.shares, this.steering.active)
      if (wanted !== this.steering.active) this.use(wanted)
    }
    this.balancer.look(nowUs, this.shown, this.steering.active)
    this.nextUs = busiest >= BUSY_SHARE ? nowUs + LOOK_US : this.steering.active > 1 ? nowUs + QUIET_LOOK_US : Infinity
  }

  /** Uses `count` workers from now on, whatever the load; 0 leaves it to the load again. */
  set(count: number, nowUs: number): void {
    this.isAuto = count === 0
    this.policy.reset(nowUs)
    if (count > 0) this.use(count)
    else this.nextUs = nowUs + LOOK_US
  }

  /** What `tas scale` shows. */
  state(nowUs: number): ScaleState {
    if (nowUs - this.lookedUs >= LOOK_US) this.measure(nowUs)
    const groups = this.steering.groups()
    const workers = Array.from({ length: this.workers }, (_, worker) => ({
      groups: groups[worker] ?? 0,
      flows: this.counters[workerCounterBase(worker) + FLOWS],
      load: Math.min(1, Math.round(this.shown[worker] * 1000) / 1000),
    }))
    return { isAuto: this.isAuto, active: this.steering.active, workers }
  }

  private use(count: number): void {
    this.steering.use(count)
    this.balancer.reset()
    this.count()
  }

  private count(): void {
    this.stats.add('activeWorkers', this.steering.active - this.stats.get('activeWorkers'))
  }

  /** Shares of the time since the last look; returns the largest. */
  private measure(nowUs: number): number {
    const passedUs = nowUs - this.lookedUs
    this.lookedUs = nowUs
    const weight = 1 - Math.exp(-passedUs / SHOWN_US)
    let most = 0
    for (let worker = 0; worker < this.workers; worker++) {
      const busyUs = this.counters[workerCounterBase(worker) + BUSY_US]
      this.shares[worker] = (busyUs - this.busyUs[worker]) / passedUs
      this.busyUs[worker] = busyUs
      this.shown[worker] += (this.shares[worker] - this.shown[worker]) * weight
      most = Math.max(most, this.shares[worker])
    }
    return most
  }
}
