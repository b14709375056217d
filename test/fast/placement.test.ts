import { describe, expect, it } from 'vitest'
import { placeContext, TCB_CONTEXT_U16, TO_FAST_APP_REMOVE, TO_FAST_CONTEXT_ADD, TO_FAST_CONTEXT_REMOVE, workerCounter } from '../../lib/memif/index.js'
import { Placement, type Placed } from '../../service/fast/placement.js'
import { PlacementPolicy } from '../../service/fast/placementpolicy.js'
import { IRS1, PEER_PORT } from './frames.js'
import { FastHarness } from './harness.js'

/** A load on a worker: what is done each millisecond depends on where it is and on the time. */
class Load {
  nowMs: number
  progress = 0
  busyUs = 0
  busyPart = 0.8
  isCrowded = true
  isBeside = false
  besideMs = 0
  /** Since the beginning, milliseconds. */
  elapsedMs = 0
  readonly policy: PlacementPolicy
  readonly rate: (isBeside: boolean, elapsedMs: number) => number

  constructor(rate: (isBeside: boolean, elapsedMs: number) => number, startMs = 5_000) {
    this.rate = rate
    this.nowMs = startMs
    this.policy = new PlacementPolicy(startMs)
  }

  run(ms: number): this {
    for (let i = 0; i < ms; i++) this.step()
    return this
  }

  step(ms = 1): void {
    this.nowMs = (this.nowMs + ms) | 0
    this.elapsedMs += ms
    this.progress += ms * this.rate(this.isBeside, this.elapsedMs)
    this.busyUs += ms * 1_000 * this.busyPart
    this.isBeside = this.policy.look(this.nowMs, this.progress, this.busyUs, this.isCrowded)
    if (this.isBeside) this.besideMs += ms
  }
}

const better = (isBeside: boolean): number => (isBeside ? 120 : 100)
const worse = (isBeside: boolean): number => (isBeside ? 60 : 100)

describe('place of a worker under load', () => {
  it('the load begins -> beside the application at once', () => {
    const load = new Load(worse).run(101)
    expect([load.isBeside, load.policy.trials]).toEqual([true, 0])
  })

  it('more is done beside the application -> there for good, with trials ever more seldom', () => {
    const load = new Load(better).run(120_000)
    expect(load.isBeside).toBe(true)
    // After 2, 1, 2, 4, 8 s, then each 16 s; half of each is the other way.
    expect(load.policy.trials).toBe(11)
    expect(load.besideMs).toBeGreaterThan(120_000 - 11 * 300 - 200)
  })

  it('a little less is done there -> as the scheduler wants after three trials, which become ever more seldom', () => {
    const load = new Load((isBeside) => (isBeside ? 90 : 100)).run(120_000)
    expect(load.isBeside).toBe(false)
    expect(load.policy.trials).toBe(13)
    expect(load.besideMs).toBeLessThan(2_100 + 3 * 1_300 + 10 * 300)
  })

  it('as much is done there -> there, and trials become seldom more slowly, since that says little', () => {
    const load = new Load(() => 100).run(120_000)
    // After 2, 1, 1, 1, 2, 2, 4, 4, 8, 8 s, then each 16 s.
    expect([load.isBeside, load.policy.trials]).toEqual([true, 14])
  })

  it('one trial of many says the opposite -> stays, and tries again within little more than a second', () => {
    const load = new Load((isBeside, ms) => (ms > 40_000 && ms < 41_000 ? worse : better)(isBeside))
    while (load.elapsedMs < 40_000) load.run(100)
    const { trials } = load.policy
    expect(load.run(20_000).isBeside).toBe(true)
    expect(load.policy.trials).toBeGreaterThan(trials)
  })

  it('a CPU is free -> no trial; once none is -> there', () => {
    const load = new Load(better)
    load.isCrowded = false
    load.run(60_000)
    expect([load.policy.trials, load.besideMs]).toEqual([0, 0])
    load.isCrowded = true
    expect(load.run(2_000).isBeside).toBe(true)
  })

  it('a CPU becomes free -> as the scheduler wants, after a tenth of a second', () => {
    const load = new Load(better).run(1_500)
    expect(load.isBeside).toBe(true)
    load.isCrowded = false
    expect(load.run(100).isBeside).toBe(false)
  })

  it('as much is done elsewhere, by a load that grows steadily -> stays', () => {
    expect(new Load((_, ms) => 100 + ms / 50).run(20_000).isBeside).toBe(true)
  })

  it('what was better becomes worse -> elsewhere after some trials', () => {
    const load = new Load((isBeside, ms) => (ms < 9_000 ? better : worse)(isBeside)).run(9_000)
    expect(load.isBeside).toBe(true)
    load.run(20_000)
    expect(load.isBeside).toBe(false)
  })

  it('hardly anything to do -> no trial', () => {
    const load = new Load(better)
    load.busyPart = 0.05
    load.run(60_000)
    expect([load.policy.trials, load.besideMs]).toEqual([0, 0])
  })

  it('the load ends -> as the scheduler wants within a tenth of a second of the next thing to do', () => {
    const load = new Load(better).run(1_500)
    expect(load.isBeside).toBe(true)
    load.busyPart = 0
    load.step(10_000)
    load.run(100)
    expect(load.isBeside).toBe(false)
  })

  it.each([['beside the application', better, true], ['elsewhere', worse, false]])('the load pauses -> again %s as soon as it goes on, without a trial', (_place, rate, isBeside) => {
    const load = new Load(rate).run(12_500)
    expect(load.isBeside).toBe(isBeside)
    const { trials } = load.policy
    load.busyPart = 0
    load.run(5_000)
    expect(load.isBeside).toBe(false)
    load.busyPart = 0.8
    load.run(300)
    expect([load.isBeside, load.policy.trials]).toEqual([isBeside, trials])
  })

  it('the next load comes after minutes -> nothing is known of it', () => {
    const load = new Load(worse).run(12_500)
    expect(load.isBeside).toBe(false)
    load.busyPart = 0
    load.step(120_000)
    load.run(200)
    load.busyPart = 0.8
    expect(load.run(500).isBeside).toBe(true)
    expect(load.run(12_000).isBeside).toBe(false)
  })

  it('the load ends within a trial -> that says nothing', () => {
    const load = new Load(better).run(2_250)
    load.busyPart = 0
    load.run(1_000)
    expect([load.isBeside, load.policy.trials]).toEqual([false, 0])
  })

  it('the process is stopped within a trial -> that says nothing', () => {
    const load = new Load(better).run(2_250)
    load.step(500)
    load.run(50)
    expect([load.isBeside, load.policy.trials]).toEqual([true, 0])
  })

  it('less is done as soon as it is there -> the first trial comes sooner', () => {
    expect(new Load(better).run(1_900).policy.trials).toBe(0)
    expect(new Load(worse).run(1_900).policy.trials).toBe(1)
  })

  it('the rate falls -> the next trial within little more than a second', () => {
    const load = new Load((isBeside, ms) => (ms < 60_000 ? worse : (beside: boolean) => better(beside) * 0.7)(isBeside)).run(60_000)
    expect(load.isBeside).toBe(false)
    const { trials } = load.policy
    load.run(2_000)
    expect(load.policy.trials).toBe(trials + 1)
    expect(load.run(8_000).isBeside).toBe(true)
  })

  it.each([0x7fffffff - 2_300, -0x7fffffff, 0x7ffffff0])('the clock begins at %i -> goes on', (startMs) => {
    const load = new Load(better, startMs).run(3_000)
    expect([load.isBeside, load.policy.trials]).toEqual([true, 1])
  })
})

/** Counts for a placement, which sees a load that is better off beside the application. */
class FakeWorker implements Placed {
  progress = 0
  busyUs = 0
  applicationCpu = 2
  bound: (readonly number[])[] = []
  nowMs = 0
  counted = new Map<number, number>()
  onBind: () => void = () => undefined
  runnable = 4
  readonly placement = new Placement(this, [0, 1, 2], {
    bind: (cpus) => {
      this.onBind()
      this.bound.push(cpus)
    },
    countRunnable: () => this.runnable,
  }, 0)

  chooseApplication(): void {}

  run(ms: number): this {
    for (let i = 0; i < ms; i++) {
      this.progress += this.bound.at(-1)?.length === 1 ? 120 : 100
      this.busyUs += 800
      this.placement.look(++this.nowMs)
    }
    return this
  }

  count(counter: number, amount: number): void {
    this.counted.set(counter, (this.counted.get(counter) ?? 0) + amount)
  }
}

describe('place of a worker', () => {
  it('better beside the application -> bound to its CPU, and follows it; trials and moves are counted', () => {
    const worker = new FakeWorker().run(3_000)
    expect(worker.bound.at(-1)).toEqual([2])
    worker.applicationCpu = 1
    worker.run(1)
    expect(worker.bound.at(-1)).toEqual([1])
    expect(worker.counted).toEqual(new Map([
      [workerCounter('cpuTrials'), 1], [workerCounter('cpuMoves'), worker.bound.filter((cpus) => cpus.length === 1).length],
    ]))
  })

  it.each([-1, 3, 4096, 0x7fffffff, -0x80000000])('the application says that it is on CPU %i, which is not ours -> not bound', (cpu) => {
    const worker = new FakeWorker()
    worker.applicationCpu = cpu
    expect(worker.run(5_000).bound).toEqual([])
    expect(worker.counted.has(workerCounter('cpuMoves'))).toBe(false)
  })

  it('nobody is the application any more -> any CPU', () => {
    const worker = new FakeWorker().run(2_000)
    worker.applicationCpu = -1
    worker.run(1)
    expect(worker.bound.at(-1)).toEqual([0, 1, 2])
  })

  it('as many threads as CPUs want to run -> not bound', () => {
    const worker = new FakeWorker()
    worker.runnable = 3
    expect(worker.run(20_000).bound).toEqual([])
  })

  it('binding fails -> never tried again', () => {
    const worker = new FakeWorker()
    let tries = 0
    worker.onBind = () => {
      tries++
      throw new Error('EINVAL')
    }
    worker.run(20_000)
    expect([tries, worker.bound]).toEqual([1, []])
  })
})

describe('application of a worker', () => {
  const OTHER_CONTEXT = 1

  /** A flow of each context; `events` tells how many events each gets. */
  function told(h: FastHarness, mine: number, others: number): void {
    h.addFlow()
    const other = h.addFlow()
    h.state.halves[h.tcb(other) * 2 + TCB_CONTEXT_U16] = OTHER_CONTEXT
    for (let i = 0; i < mine; i++) h.receive({ seq: IRS1 + i, data: 'x' })
    for (let i = 0; i < others; i++) h.receive({ peerPort: PEER_PORT + other, seq: IRS1 + i, data: 'x' })
  }

  function harness(): FastHarness {
    const h = new FastHarness()
    h.command(TO_FAST_CONTEXT_ADD, { app: 1, context: OTHER_CONTEXT })
    h.pass()
    const shape = { regionBytes: 1 << 22, workers: 1, kinBytes: 1024, koutBytes: 1024, fastEntries: 8 }
    h.appWords[placeContext(shape, 0).cpuWord] = 1 + 5
    h.appWords[placeContext(shape, OTHER_CONTEXT).cpuWord] = 1 + 6
    h.worker.chooseApplication()
    return h
  }

  it.each([
    ['nearly all events are for one context', 7, 1, 5],
    ['nearly all are for the other', 0, 4, 6],
    ['both get as many', 3, 3, -1],
    ['there are none', 0, 0, -1],
  ])('%s -> its CPU or none', (_name, mine, others, cpu) => {
    const h = harness()
    told(h, mine, others)
    h.worker.chooseApplication()
    expect(h.worker.applicationCpu).toBe(cpu)
  })

  it.each([['its application', TO_FAST_APP_REMOVE], ['it', TO_FAST_CONTEXT_REMOVE]])('%s is removed -> none', (_name, command) => {
    const h = harness()
    told(h, 4, 0)
    h.worker.chooseApplication()
    h.command(command, { app: 1, context: 0 })
    h.pass()
    expect(h.worker.applicationCpu).toBe(-1)
  })
})
