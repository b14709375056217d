import { describe, expect, it } from 'vitest'
import { SpinPolicy } from '../../native/index.js'
import { SlowProcess, type SlowProcessEnv } from '../../service/slowprocess.js'

const SPIN_US = 50

/** A slow path of which the test says how much work is left, under an event loop that the test turns. */
class Bench {
  readonly trace: string[] = []
  turns: (() => void)[] = []
  work = 0
  deadlineUs = Number.POSITIVE_INFINITY
  /** Work that arrives between the last poll and the second look. */
  late = 0
  timeUs = 1000
  failure: unknown = null
  polls = 0
  offers = 0
  /** How often the CPU is offered until there is work. */
  workAfterOffers = Infinity
  busyUs = 0
  private readonly spin: SpinPolicy
  readonly process: SlowProcess

  constructor(spinUs = 0) {
    this.spin = new SpinPolicy(spinUs)
    this.process = new SlowProcess(this.env())
  }

  private env(): SlowProcessEnv {
    return {
      slow: {
        poll: () => {
          this.polls++
          this.timeUs += 2
          if (this.failure !== null) throw this.failure
          if (this.work === 0) return 0
          this.work--
          return 1
        },
        hasWork: () => {
          this.work += this.late
          this.late = 0
          return this.work > 0
        },
        nextDeadlineUs: () => this.deadlineUs,
      },
      mark: { set: () => this.trace.push('set'), clear: () => this.trace.push('clear') },
      timer: { arm: (us) => this.trace.push(`arm ${us}`), disarm: () => this.trace.push('disarm') },
      busy: (us) => (this.busyUs += us), spin: this.spin, yieldCpu: () => this.offerCpu(),
      nowUs: () => this.timeUs,
      soon: (turn) => this.turns.push(turn),
      failed: (error) => this.trace.push(`failed ${String(error)}`),
    }
  }

  private offerCpu(): number {
    if (++this.offers === this.workAfterOffers) this.work = 1
    this.timeUs += 10
    return 10
  }

  /** One turn of the event loop; returns whether there was anything to do. */
  turn(): boolean {
    const turns = this.turns
    this.turns = []
    for (const turn of turns) turn()
    return turns.length > 0
  }
}

describe('slow process', () => {
  it('nothing to do -> mark set, second look, timer off, no further turn', () => {
    const bench = new Bench()
    bench.process.start()
    expect(bench.turn()).toBe(true)
    expect(bench.trace).toEqual(['clear', 'set', 'disarm'])
    expect(bench.turn()).toBe(false)
  })

  it('deadline -> timer armed for what is left, at least a microsecond', () => {
    const bench = new Bench()
    bench.deadlineUs = 1252.4
    bench.process.start()
    bench.turn()
    expect(bench.trace.at(-1)).toBe('arm 251')
    bench.deadlineUs = 5
    bench.process.wake()
    bench.turn()
    expect(bench.trace.at(-1)).toBe('arm 1')
    expect(bench.busyUs).toBe(4)
  })

  it('work that arrives before the mark is seen by the second look -> polled, not slept over', () => {
    const bench = new Bench()
    bench.late = 1
    bench.process.start()
    bench.turn()
    expect(bench.trace).toEqual(['clear', 'set', 'clear'])
    expect(bench.turn()).toBe(true)
    expect(bench.work).toBe(0)
    expect(bench.trace.slice(3)).toEqual(['set', 'disarm'])
  })

  it('much work -> other events get their turn in between, mark stays clear', () => {
    const bench = new Bench()
    bench.work = 1000
    bench.process.start()
    bench.turn()
    expect(bench.polls).toBeLessThan(100)
    expect(bench.trace).not.toContain('set')
    while (bench.turn());
    expect(bench.work).toBe(0)
    expect(bench.trace.filter((entry) => entry === 'set')).toHaveLength(1)
  })

  it('woken twice -> one turn', () => {
    const bench = new Bench()
    bench.process.start()
    bench.turn()
    bench.process.wake()
    bench.process.wake()
    expect(bench.turns).toHaveLength(1)
  })

  it('poll throws -> told, and stands still', () => {
    const bench = new Bench()
    bench.failure = 'no'
    bench.process.start()
    bench.turn()
    expect(bench.trace).toContain('failed no')
    bench.process.wake()
    expect(bench.turn()).toBe(false)
  })

  it('stopped -> a scheduled turn does nothing', () => {
    const bench = new Bench()
    bench.process.start()
    bench.process.stop()
    bench.turn()
    expect(bench.polls).toBe(0)
  })

  it('nothing to do, after a short wait -> offers the CPU for the poll interval, then sleeps', () => {
    const bench = new Bench(SPIN_US)
    bench.process.start()
    bench.turn()
    expect(bench.offers).toBe(SPIN_US / 10)
    expect(bench.trace).toEqual(['clear', 'set', 'disarm'])
  })

  it('work comes while it offers the CPU -> polled at once, without a sleep', () => {
    const bench = new Bench(SPIN_US)
    bench.workAfterOffers = 2
    bench.process.start()
    bench.turn()
    expect([bench.offers, bench.work, bench.trace]).toEqual([2 + SPIN_US / 10, 0, ['clear', 'set', 'disarm']])
  })

  it('a deadline passes while it offers the CPU -> polled; others have their turn after a millisecond', () => {
    const bench = new Bench(SPIN_US)
    bench.deadlineUs = 1020
    bench.process.start()
    bench.turn()
    expect(bench.polls).toBeGreaterThan(10)
    expect(bench.timeUs).toBeLessThan(1000 + 1_100)
    expect(bench.trace).toEqual(['clear', 'clear'])
    bench.deadlineUs = Number.POSITIVE_INFINITY
    expect(bench.turn()).toBe(true)
    expect(bench.trace).toEqual(['clear', 'clear', 'set', 'disarm'])
  })

  it('rung while asleep -> polled at once; while a turn is planned -> then', () => {
    const bench = new Bench()
    bench.process.start()
    bench.process.ring()
    expect(bench.polls).toBe(0)
    bench.turn()
    bench.work = 1
    bench.process.ring()
    expect([bench.work, bench.turns.length, bench.trace.at(-2)]).toEqual([0, 0, 'set'])
  })

  it('rung late, or woken by its timer -> sleeps at once next time', () => {
    for (const wake of ['ring', 'expire'] as const) {
      const bench = new Bench(SPIN_US)
      bench.process.start()
      bench.turn()
      bench.offers = 0
      bench.timeUs += wake === 'ring' ? 1000 : 100
      bench.process[wake]()
      expect(bench.offers).toBe(0)
    }
  })
})
