/** The slow path's block of the counters region. */
import { slowCounter, SLOW_COUNTERS, workerCounter, workerCounterBase, type SlowCounter, type WorkerCounter } from '../../lib/memif/index.js'

/** Adds to counters by name. */
export class Stats {
  private readonly counters: Float64Array
  private readonly places: ReadonlyMap<SlowCounter, number>

  /** `counters` is the whole counters region. */
  constructor(counters: Float64Array) {
    this.counters = counters
    this.places = new Map(SLOW_COUNTERS.map((name) => [name, slowCounter(name)]))
  }

  /** Adds `amount`, which is negative when a gauge falls. */
  add(name: SlowCounter, amount = 1): void {
    this.counters[this.places.get(name) as number] += amount
  }

  /** A counter of worker `worker`, which adds to it. */
  ofWorker(worker: number, name: WorkerCounter): number {
    return this.counters[workerCounterBase(worker) + workerCounter(name)]
  }

  get(name: SlowCounter): number {
    return this.counters[this.places.get(name) as number]
  }
}
