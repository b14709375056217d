/**
 * Whether a worker should be on the CPU of its application, or wherever the scheduler puts it.
 *
 * The scheduler sees a worker that polls as busy, and puts it or the application on whatever CPU has a moment to spare, often that of a third
 * process that is busy itself. Where CPUs are few it is better for the two to share one: requests gather while the other runs, and no
 * wake-up has to reach another CPU. Where CPUs are free two do more than one. Where more threads want to run than there are CPUs it can go either
 * way, and is tried under load:
 *
 *   as it is | other way | other way | as it is | other way | as it is | as it is | other way     each PHASE_MS; in this order, a load
 *   that grows, or grows faster and faster, favours neither
 *
 * What gets more done stays, and is tried again later: the longer, the more often the answer was the same. A trial that goes badly ends at
 * once (docs/decisions/0017).
 */

/** Of each phase of a trial, and how much of its beginning does not count: threads are on their way and rings hold what was before. */
const PHASE_MS = 75
const SETTLE_MS = 15
/** A phase that took longer has slept or been stopped: it says nothing. */
const PHASE_LIMIT_MS = 2 * PHASE_MS
const IS_OTHER_WAY: readonly boolean[] = [false, true, true, false, true, false, false, true]
/** How often a load is looked at. */
const WINDOW_MS = 100
/** Part of the time with work to do from which on it matters where a worker is. */
const BUSY_LEAST = 0.1
/** How much more has to be done beside the application for the worker to go there, and at least for it to stay. */
const GAIN_TO_GO = 1.04
const GAIN_TO_STAY = 0.99
/** So little done in one phase ends the trial. */
const BADLY = 0.8
const FIRST_INTERVAL_MS = 1_000
const LAST_INTERVAL_MS = 16_000
/** A rate that leaves these limits is another load, or the scheduler has moved somebody: the next trial comes sooner. */
const RATE_FALLS = 0.85
const RATE_RISES = 2

/** Decides from how much is done. Times are milliseconds of one clock, low 32 bits; `progress` and `busyUs` totals that only grow. */
export class PlacementPolicy {
  /** Trials that came to an end. */
  trials = 0
  private settled = false
  private intervalMs = FIRST_INTERVAL_MS
  private nextTrialMs = 0
  /** Progress in a millisecond when it was last decided; 0: not known. */
  private usualRate = 0
  private fromMs: number
  private fromProgress = 0
  private fromBusyUs = 0
  /** Of the trial under way, -1 if there is none. */
  private phase = -1
  private phaseStartMs = 0
  private isCounting = false
  /** Sums of the rates of its phases, and how many they are. */
  private asItIs = 0
  private otherWay = 0
  private asItIsPhases = 0
  private otherWayPhases = 0

  constructor(nowMs: number) {
    this.fromMs = nowMs
    this.nextTrialMs = (nowMs + FIRST_INTERVAL_MS) | 0
  }

  /**
   * To be called each millisecond or less often; `isCrowded`: more threads want to run than there are CPUs. Returns whether the worker should
   * be beside its application now.
   */
  look(nowMs: number, progress: number, busyUs: number, isCrowded: boolean): boolean {
    if (this.phase < 0) this.lookAtLoad(nowMs, progress, busyUs, isCrowded)
    else this.lookAtPhase(nowMs, progress, busyUs)
    return this.phase >= 0 && IS_OTHER_WAY[this.phase] ? !this.settled : this.settled
  }

  private lookAtLoad(nowMs: number, progress: number, busyUs: number, isCrowded: boolean): void {
    const passedMs = (nowMs - this.fromMs) | 0
    if (passedMs < WINDOW_MS) return
    const rate = (progress - this.fromProgress) / passedMs
    const isBusy = busyUs - this.fromBusyUs >= BUSY_LEAST * passedMs * 1_000
    this.begin(nowMs, progress, busyUs)
    if (!isBusy || !isCrowded) {
      this.settled = false
      this.usualRate = 0
      this.tryAgainIn(FIRST_INTERVAL_MS, nowMs)
      return
    }
    if (this.usualRate === 0) this.usualRate = rate
    else if (rate < RATE_FALLS * this.usualRate || rate > RATE_RISES * this.usualRate) {
      this.usualRate = rate
      this.trySooner(nowMs)
    }
    if (((nowMs - this.nextTrialMs) | 0) >= 0) this.beginTrial(nowMs)
  }

  private beginTrial(nowMs: number): void {
    this.asItIs = this.otherWay = 0
    this.asItIsPhases = this.otherWayPhases = 0
    this.beginPhase(0, nowMs)
  }

  private beginPhase(phase: number, nowMs: number): void {
    this.phase = phase
    this.phaseStartMs = nowMs
    this.isCounting = false
  }

  private lookAtPhase(nowMs: number, progress: number, busyUs: number): void {
    const passedMs = (nowMs - this.phaseStartMs) | 0
    if (!this.isCounting && passedMs >= SETTLE_MS) {
      this.isCounting = true
      this.begin(nowMs, progress, busyUs)
    }
    if (passedMs < PHASE_MS) return
    const countedMs = (nowMs - this.fromMs) | 0
    const isBusy = busyUs - this.fromBusyUs >= (BUSY_LEAST / 2) * countedMs * 1_000
    if (passedMs > PHASE_LIMIT_MS || countedMs <= 0 || !isBusy) {
      this.end(nowMs, progress, busyUs)
      this.tryAgainIn(this.intervalMs, nowMs)
      return
    }
    this.count((progress - this.fromProgress) / countedMs)
    if (this.phase + 1 === IS_OTHER_WAY.length || this.goesBadly()) this.decide(nowMs, progress, busyUs)
    else this.beginPhase(this.phase + 1, nowMs)
  }

  private count(rate: number): void {
    if (IS_OTHER_WAY[this.phase]) {
      this.otherWay += rate
      this.otherWayPhases++
    } else {
      this.asItIs += rate
      this.asItIsPhases++
    }
  }

  /** After the first phase of the other way: the two that follow as it is would only confirm it. */
  private goesBadly(): boolean {
    return this.otherWayPhases === 1 && this.otherWay < BADLY * this.asItIs
  }

  private decide(nowMs: number, progress: number, busyUs: number): void {
    const { settled } = this
    const asItIs = this.asItIs / this.asItIsPhases
    const otherWay = this.otherWay / this.otherWayPhases
    const changes = settled ? asItIs < GAIN_TO_STAY * otherWay : otherWay >= GAIN_TO_GO * asItIs
    this.trials++
    this.end(nowMs, progress, busyUs)
    this.settled = changes !== settled
    this.usualRate = changes ? otherWay : asItIs
    this.tryAgainIn(changes ? FIRST_INTERVAL_MS : Math.min(2 * this.intervalMs, LAST_INTERVAL_MS), nowMs)
  }

  private end(nowMs: number, progress: number, busyUs: number): void {
    this.phase = -1
    this.begin(nowMs, progress, busyUs)
  }

  private begin(nowMs: number, progress: number, busyUs: number): void {
    this.fromMs = nowMs
    this.fromProgress = progress
    this.fromBusyUs = busyUs
  }

  private tryAgainIn(intervalMs: number, nowMs: number): void {
    this.intervalMs = intervalMs
    this.nextTrialMs = (nowMs + intervalMs) | 0
  }

  private trySooner(nowMs: number): void {
    const leftMs = (this.nextTrialMs - nowMs) | 0
    if (leftMs > FIRST_INTERVAL_MS) this.tryAgainIn(FIRST_INTERVAL_MS, nowMs)
  }
}
