/** Workers' counters in, workers in use out. */
import { describe, expect, it } from 'vitest'
import { COUNTERS_BYTES, FLOW_GROUPS, placeState, slowCounter, StateView, workerCounter, workerCounterBase, writeStateHeader } from '../../lib/memif/index.js'
import { Balancer } from '../../service/slow/balance.js'
import { Scaler } from '../../service/slow/scaler.js'
import { Stats } from '../../service/slow/stats.js'
import { STEERS_BY_STATE, Steering } from '../../service/slow/steering.js'

const WORKERS = 3
const MS = 1_000

/** Polls a scaler when it wants to be polled; `busy` says for each worker which share of its time it is busy. */
class Scene {
  nowUs = 1_000_000
  readonly counters = new Float64Array(COUNTERS_BYTES / 8)
  readonly steering: Steering
  readonly scaler: Scaler
  polls = 0

  constructor(isAuto = true) {
    const shape = { workers: WORKERS, flows: 16, toSlowEntries: 4, toFastEntries: 4, packetAreaBytes: 4096 }
    const memory = new SharedArrayBuffer(placeState(shape).totalBytes)
    writeStateHeader(new Int32Array(memory), shape)
    this.steering = new Steering(new StateView(memory), isAuto ? 1 : WORKERS, STEERS_BY_STATE)
    // Groups 0 to 9 alone have connections, each as busy as the other.
    const groupLoads = { begin: () => undefined, end: () => new Float64Array(FLOW_GROUPS).fill(1, 0, 10) }
    this.scaler = new Scaler(this.counters, this.steering, new Balancer(this.steering, groupLoads), new Stats(this.counters), WORKERS, isAuto, this.nowUs)
  }

  /** A worker that is busy wakes the slow path every two milliseconds. */
  run(forUs: number, busy: (active: number) => readonly number[]): void {
    const endUs = this.nowUs + forUs
    while (this.nowUs < endUs) {
      const shares = busy(this.steering.active)
      const callUs = shares.some((share) => share >= 0.5) ? this.nowUs + 2 * MS : Infinity
      const nextUs = Math.min(endUs, callUs, Math.max(this.scaler.deadlineUs, this.nowUs + 1))
      shares.forEach((share, worker) => {
        this.counters[workerCounterBase(worker) + workerCounter('busyUs')] += share * (nextUs - this.nowUs)
      })
      this.nowUs = nextUs
      this.polls++
      this.scaler.poll(this.nowUs)
    }
  }

  get active(): number {
    expect(this.counters[slowCounter('activeWorkers')]).toBe(this.steering.active)
    return this.steering.active
  }
}

/** A load of `demand` workers that those in use share evenly. */
function spread(demand: number): (active: number) => number[] {
  return (active) => Array.from({ length: WORKERS }, (_, worker) => (worker < active ? Math.min(1, demand / active) : 0))
}

describe('by load', () => {
  it('a busy worker -> more within milliseconds; quiet for seconds -> one again, and no poll after that', () => {
    const scene = new Scene()
    scene.run(20 * MS, spread(2.8))
    expect(scene.active).toBe(2)
    scene.run(500 * MS, spread(2.8))
    expect(scene.active).toBe(3)
    expect(scene.scaler.state(scene.nowUs).workers.map(({ groups }) => groups)).toEqual([43, 43, 42])
    scene.run(10_000 * MS, spread(0))
    expect(scene.active).toBe(1)
    expect(scene.scaler.deadlineUs).toBe(Infinity)
    scene.polls = 0
    scene.run(60_000 * MS, spread(0))
    expect(scene.polls).toBe(1)
  })

  it('little to do -> one worker', () => {
    const scene = new Scene()
    scene.run(5_000 * MS, spread(0.6))
    expect(scene.active).toBe(1)
  })
})

describe('by hand', () => {
  it('a number is set -> it holds under any load, until it is left to the load again', () => {
    const scene = new Scene()
    scene.scaler.set(2, scene.nowUs)
    scene.run(5_000 * MS, spread(3))
    expect([scene.active, scene.scaler.state(scene.nowUs).isAuto]).toEqual([2, false])
    scene.scaler.set(0, scene.nowUs)
    scene.run(1_000 * MS, spread(3))
    expect([scene.active, scene.scaler.state(scene.nowUs).isAuto]).toEqual([3, true])
  })

  it('set while nothing happens, then left to the load -> back to one', () => {
    const scene = new Scene()
    scene.scaler.set(3, scene.nowUs)
    scene.scaler.set(0, scene.nowUs)
    scene.run(10_000 * MS, spread(0))
    expect(scene.active).toBe(1)
  })

  it('--fp-no-autoscale -> all, whatever the load, and nothing to poll for', () => {
    const scene = new Scene(false)
    scene.run(5_000 * MS, spread(0))
    expect([scene.active, scene.scaler.deadlineUs]).toEqual([3, Infinity])
  })
})

it('two workers, one of them with all that is busy -> half of it moves to the other, and stays there', () => {
  const scene = new Scene()
  scene.scaler.set(2, scene.nowUs)
  const table = scene.steering.copyTable().map((_worker, group) => (group < 64 ? 0 : 1))
  scene.steering.change(table)
  const busy = (): number[] => [0, 1].map((worker) => 0.1 * scene.steering.copyTable().subarray(0, 10).filter((each) => each === worker).length)
  scene.run(10_000 * MS, busy)
  expect(busy()).toEqual([0.5, 0.5])
  const after = scene.steering.copyTable()
  scene.run(60_000 * MS, busy)
  expect(scene.steering.copyTable()).toEqual(after)
  expect([...after].filter((worker, group) => worker !== table[group])).toHaveLength(5)
})

it('load as it is shown -> share of the last half second, not above one', () => {
  const scene = new Scene()
  scene.run(3_000 * MS, () => [0.5, 0, 1.5])
  expect(scene.scaler.state(scene.nowUs).workers.map(({ load }) => load)).toEqual([expect.closeTo(0.5, 1), 0, 1])
})
