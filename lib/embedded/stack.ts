/**
 * Slow path and one worker in one thread, moved on by `advance`: a pass of the worker, then a poll of the slow path if somebody has rung for
 * it or its deadline has come.
 *
 *   frames, bumps -> pass -> events        rung for, or due: poll -> pass, which does what the slow path has ordered
 *
 * Nobody rings for the worker, since every `advance` is a pass; only while all sleep in the event loop (loop.ts) its mark is set.
 * The slow path's mark is set whenever it has nothing to do, so that a ring of either side is a call of this object.
 */
import {
  DOORBELL_PAGE_BYTES, DOORBELL_SLOW, Doorbell, doorbellWord, SleepMark, traceSleep, TraceWriter, TracedSleepMark, type StateView, type Wakeable,
} from '../memif/index.js'
import type { Clock, LoopPort, Port, RegionTable } from '../../native/index.js'
import { BUSY_US, SLEEPS, WAKEUPS } from '../../service/fast/counterindex.js'
import { earlierWait, Worker } from '../../service/fast/worker.js'
import { SlowPath, type SlowEnv } from '../../service/slow/slowpath.js'
import { LocalApps } from './apps.js'

/** The only worker. */
const WORKER = 0
/** Shortest time between two looks at the kernel's drop counter. */
const DROPS_INTERVAL_MS = 1_000
/** How soon to look again when a full ring or port holds the worker up. */
const STALLED_RETRY_US = 1_000
/** Longest time between two looks of whoever looks on, while the stack runs. */
const LOOK_INTERVAL_MS = 10
/** Deadlines are kept as 32 bits of microseconds: what is further away is looked at again then. */
const FURTHEST_US = 1 << 30
/** A paced segment that is due so soon would be late after a sleep. */
const NEAR_US = 50

/** What a stack is made of. The caller opens, maps and closes all of it. */
export interface StackParts extends Omit<SlowEnv, 'port' | 'workers' | 'nowUs'> {
  readonly state: StateView
  /** For slow path and worker. */
  readonly port: Port
  readonly loop: LoopPort
  readonly regions: RegionTable
  /** Handle frames with an 802.1Q tag as if they had none. */
  readonly vlanStrip: boolean
  /** The worker's clock, and the same as a number of microseconds. */
  readonly clock: Pick<Clock, 'tick' | 'us32' | 'ms32'>
  readonly nowUs: () => number
  /** Offers the CPU; microseconds until it came back. */
  readonly yieldCpu: () => number
  /** Blocks until a frame may wait at the port, `timeoutUs` microseconds (-1: no limit) or a signal. Returns whether a frame may wait. */
  readonly block: (timeoutUs: number) => boolean
  /** The worker's ring of the trace region; nothing is traced without. */
  readonly workerTrace?: TraceWriter
  readonly onlooker?: Onlooker
}

/** Somebody who looks on (tools.ts). Costs a reading of the clock for each round that found something to do. */
export interface Onlooker {
  /** A round that found something to do took `tookUs` microseconds. */
  worked(tookUs: number): void
  /** Has a look at what came meanwhile. */
  look(): void
  secondPassed(): void
}

/** A context that may be woken while the stack blocks for it. */
export interface Sleeper {
  readonly woken: boolean
}

export class Stack {
  readonly doorbells = new Int32Array(DOORBELL_PAGE_BYTES / 4)
  /** What rings for the slow path, and for the worker. */
  readonly slowBell: Wakeable = { wake: () => this.slowCalled() }
  readonly workerBell: Wakeable = { wake: () => this.onRing() }
  /** Set only while everything sleeps in the event loop. */
  readonly workerMark: SleepMark
  readonly slow: SlowPath
  /** Called when somebody rings: the event loop may have to be woken. */
  onRing: () => void = () => undefined
  private readonly parts: StackParts
  private readonly worker: Worker
  private readonly slowMark: SleepMark
  private isSlowCalled = true
  private hasSlowDeadline = false
  private slowDueUs32 = 0
  private dropsAtMs32 = 0
  private lookedAtMs32 = 0
  private readonly onlooker: Onlooker | null
  private readonly trace: TraceWriter

  /** Throws RangeError for a configuration that cannot be. */
  constructor(parts: StackParts) {
    const { doorbells } = this
    const { config, port } = parts
    this.parts = parts
    this.onlooker = parts.onlooker ?? null
    this.trace = parts.workerTrace ?? TraceWriter.off()
    this.workerMark = new TracedSleepMark(doorbells, doorbellWord(WORKER), this.trace)
    this.slowMark = new SleepMark(doorbells, DOORBELL_SLOW)
    const apps = new LocalApps(new Doorbell(doorbells, doorbellWord(WORKER), this.workerBell), {
      workers: 1, kinBytes: config.kinBytes, koutBytes: config.koutBytes, fastEntries: config.fastEntries,
    })
    this.slow = new SlowPath({ ...parts, workers: [apps], nowUs: parts.nowUs() })
    this.worker = new Worker({
      state: parts.state, worker: WORKER, port, loop: parts.loop, regions: parts.regions, counters: parts.counters,
      slowDoorbell: new Doorbell(doorbells, DOORBELL_SLOW, this.slowBell), apps, vlanStrip: parts.vlanStrip, trace: this.trace,
    })
  }

  get nowUs(): number {
    return this.parts.nowUs()
  }

  /** One bounded round of everything that there is to do. Returns how much was done; 0: nothing. Allocates nothing while the slow path rests. */
  advance(): number {
    const { clock } = this.parts
    clock.tick()
    const startUs32 = clock.us32
    let work = this.worker.pass(startUs32, clock.ms32)
    if (this.isSlowCalled || (this.hasSlowDeadline && ((clock.us32 - this.slowDueUs32) | 0) >= 0)) work += this.slowTurn()
    if (((clock.ms32 - this.dropsAtMs32) | 0) >= DROPS_INTERVAL_MS) this.countDrops(clock.ms32)
    if (this.onlooker !== null) this.lookOn(this.onlooker, work, startUs32)
    return work
  }

  /** Offers the CPU as a spinning process does, then goes on. Microseconds until the CPU came back. */
  yieldCpu(): number {
    const tookUs = this.parts.yieldCpu()
    this.advance()
    return tookUs
  }

  /** Sends the acknowledgments that no answer will carry: before anything blocks. */
  flushDelayedAcks(): void {
    this.worker.flushDelayedAcks()
  }

  /** Whether `advance` would find something that no descriptor and no time announces. */
  hasWork(): boolean {
    return this.isSlowCalled || this.worker.hasWork()
  }

  /** Microseconds until `advance` must run even if nothing comes: 0 at once, -1 never. */
  waitUs(): number {
    const { clock } = this.parts
    const { worker } = this
    clock.tick()
    const us32 = clock.us32
    let waitUs = worker.dueWaitUs(us32)
    if (worker.stalled) waitUs = earlierWait(waitUs, STALLED_RETRY_US)
    if (!this.hasSlowDeadline) return waitUs
    return earlierWait(waitUs, Math.max(0, (this.slowDueUs32 - us32) | 0))
  }

  /** Whether a paced segment is due so soon that it pays to go on instead of sleeping. */
  isDepartureNear(): boolean {
    const { clock } = this.parts
    clock.tick()
    const waitUs = this.worker.departureWaitUs(clock.us32)
    return waitUs >= 0 && waitUs <= NEAR_US
  }

  /** Goes on, blocking where there is nothing to do, until `sleeper` is woken, `timeoutUs` microseconds (-1: no limit) are over or a signal came. */
  sleep(sleeper: Sleeper, timeoutUs: number): void {
    const endUs = timeoutUs < 0 ? Infinity : this.nowUs + timeoutUs
    while (!sleeper.woken) {
      if (this.advance() > 0 || this.isDepartureNear()) {
        if (!sleeper.woken && this.nowUs >= endUs) return
        continue
      }
      this.flushDelayedAcks()
      if (this.hasWork()) continue
      if (!this.blockUntil(endUs)) return
    }
  }

  /** Tells peers (RST) and the application that this is the end. Nothing may be called afterwards. */
  shutdown(): void {
    this.slow.shutdown(this.nowUs)
  }

  /** Blocks once, at most until `endUs`. Returns whether to go on: false at `endUs` and after a signal. */
  private blockUntil(endUs: number): boolean {
    const { parts, worker } = this
    const startUs = parts.nowUs()
    const dueUs = this.waitUs()
    const wholeUs = dueUs < 0 ? endUs : Math.min(endUs, startUs + dueUs)
    const leftUs = wholeUs === Infinity ? -1 : Math.max(0, wholeUs - startUs)
    worker.count(SLEEPS, 1)
    traceSleep(this.trace, true)
    const hasCome = parts.block(leftUs)
    traceSleep(this.trace, false)
    worker.count(WAKEUPS, 1)
    if (hasCome) return true
    const nowUs = parts.nowUs()
    return nowUs < endUs && nowUs >= wholeUs
  }

  private slowCalled(): void {
    this.isSlowCalled = true
    this.onRing()
  }

  private slowTurn(): number {
    const { clock } = this.parts
    const nowUs = this.parts.nowUs()
    this.isSlowCalled = false
    const work = this.slow.poll(nowUs)
    const deadlineUs = this.slow.nextDeadlineUs()
    this.hasSlowDeadline = deadlineUs !== Infinity
    this.slowDueUs32 = Math.ceil(Math.min(deadlineUs, nowUs + FURTHEST_US)) | 0
    // It may have left something undone: one poll does a bounded amount.
    if (work > 0) this.isSlowCalled = true
    else this.slowMark.set()
    return work > 0 ? work + this.worker.pass(clock.us32, clock.ms32) : 0
  }

  private countDrops(ms32: number): void {
    this.dropsAtMs32 = ms32
    this.worker.countDrops()
    this.onlooker?.secondPassed()
  }

  private lookOn(onlooker: Onlooker, work: number, startUs32: number): void {
    const { clock } = this.parts
    if (work > 0) {
      clock.tick()
      const tookUs = (clock.us32 - startUs32) | 0
      this.worker.count(BUSY_US, tookUs)
      onlooker.worked(tookUs)
    }
    if (((clock.ms32 - this.lookedAtMs32) | 0) < LOOK_INTERVAL_MS) return
    this.lookedAtMs32 = clock.ms32
    onlooker.look()
  }
}
