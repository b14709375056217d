/**
 * Whether a worker should be on the CPU of its application, or wherever the scheduler puts it.
 *
 * The scheduler sees a worker that polls as busy, and puts it or the application on whatever CPU has a moment to spare, often that of a third
 * process that is busy itself. Where CPUs are few it is better for the two to share one: requests gather while the other runs, and no
 * wake-up has to reach another CPU. Where CPUs are free two do more than one. Where more threads want to run than there are CPUs it can go either
 * way: mostly it is better beside the application, so the worker goes there at once, and what else there is is tried under load:
 *
 *   | as it is | the other way       | as it is |     in this order, a load that grows steadily favours neither
 *   0         150                   450        600 ms
 *
 * A single trial says little, since the rate of a load differs by a tenth from one moment to the next: what counts is a mean of the last ones. What
 * gets more done stays, and is tried again later: the longer, the more often the answer was clearly the same (docs/decisions/0017).
 */

/** Of a phase of a trial: how long it takes, and how much of its beginning does not count, since threads are on their way to other CPUs. */
interface Phase {
  readonly lengthMs: number
  readonly settleMs: number
  readonly isOtherWay: boolean
}

const AS_IT_IS: Phase = { lengthMs: 150, settleMs: 50, isOtherWay: false }
const OTHER_WAY: Phase = { lengthMs: 300, settleMs: 100, isOtherWay: true }
const PHASES: readonly Phase[] = [AS_IT_IS, OTHER_WAY, AS_IT_IS]
/** A phase that took so many times its length has slept or been stopped: it says nothing. */
const TOO_LONG = 1.5
/** How often a load is looked at. */
const WINDOW_MS = 100
/** Part of the time with work to do from which on it matters where a worker is. */
const BUSY_LEAST = 0.1
/**
 * What the worker gains beside its application, as part of the higher rate: what is assumed of a load that is not known, how much a trial can say,
 * what part of the mean it is, and how much has to be gained where it is not.
 */
const GAIN_ASSUMED = 0.1
const GAIN_MOST = 0.25
const TRIAL_PART = 1 / 3
const GAIN_TO_MOVE = 0.02
/** Nearly as much done the other way: that says little. */
const UNCLEAR = 0.95
/** A program that is still being compiled does more from moment to moment, and answers anything. */
const FIRST_TRIAL_MS = 2_000
const FIRST_INTERVAL_MS = 1_000
const LAST_INTERVAL_MS = 16_000
/** For so long a load that has paused is taken for the same one. */
const MEMORY_MS = 60_000
/** A rate that leaves these limits is another load, or the scheduler has moved somebody: the next trial comes sooner. */
const RATE_FALLS = 0.85
const RATE_RISES = 2

/** Decides from how much is done. Times are milliseconds of one clock, low 32 bits; `progress` and `busyUs` totals that only grow. */
export class PlacementPolicy {
  /** Trials that came to an end. */
  trials = 0
  /** Whether to be beside the application, under such a load as there was last, and what is gained there. */
  private settled = true
  private gain = GAIN_ASSUMED
  private isPaused = true
  private pausedMs: number
  private nextTrialMs: number
  /** Answers since the last that changed something; those that are not clear count half. */
  private confirmed = 0
  /** Progress in a millisecond when it was last decided; 0: not known. */
  private usualRate = 0
  private fromMs: number
  private fromProgress = 0
  private fromBusyUs = 0
  /** Of the trial under way, -1 if there is none. */
  private phase = -1
  private phaseStartMs = 0
  private isCounting = false
  private asItIs = 0
  private otherWay = 0

  constructor(nowMs: number) {
    this.fromMs = this.pausedMs = this.nextTrialMs = nowMs
  }

  /**
   * To be called each millisecond or less often; `isCrowded`: more threads want to run than there are CPUs. Returns whether the worker should
   * be beside its application now.
   */
  look(nowMs: number, progress: number, busyUs: number, isCrowded: boolean): boolean {
    if (this.phase < 0) this.lookAtLoad(nowMs, progress, busyUs, isCrowded)
    else this.lookAtPhase(nowMs, progress, busyUs)
    if (this.isPaused) return false
    return this.phase >= 0 && PHASES[this.phase].isOtherWay ? !this.settled : this.settled
  }

  private lookAtLoad(nowMs: number, progress: number, busyUs: number, isCrowded: boolean): void {
    const passedMs = (nowMs - this.fromMs) | 0
    if (passedMs < WINDOW_MS) return
    const rate = (progress - this.fromProgress) / passedMs
    const isBusy = busyUs - this.fromBusyUs >= BUSY_LEAST * passedMs * 1_000
    const fromMs = this.fromMs
    this.begin(nowMs, progress, busyUs)
    if (!isBusy || !isCrowded) return this.pause(fromMs)
    if (this.isPaused) this.goOn(nowMs)
    if (this.usualRate === 0) this.usualRate = rate
    else if (rate < RATE_FALLS * this.usualRate || rate > RATE_RISES * this.usualRate) {
      this.usualRate = rate
      this.trySooner(nowMs)
    }
    if (((nowMs - this.nextTrialMs) | 0) >= 0) this.beginTrial(nowMs)
  }

  private pause(fromMs: number): void {
    if (!this.isPaused) this.pausedMs = fromMs
    this.isPaused = true
    this.usualRate = 0
  }

  /** The first moments of a load are no time for a trial. */
  private goOn(nowMs: number): void {
    this.isPaused = false
    const isForgotten = ((nowMs - this.pausedMs) | 0) > MEMORY_MS
    if (isForgotten) {
      this.settled = true
      this.gain = GAIN_ASSUMED
      this.confirmed = 0
    }
    if (isForgotten || ((this.nextTrialMs - nowMs) | 0) < FIRST_TRIAL_MS) this.tryAgainIn(FIRST_TRIAL_MS, nowMs)
  }

  private beginTrial(nowMs: number): void {
    this.asItIs = this.otherWay = 0
    this.beginPhase(0, nowMs)
  }

  private beginPhase(phase: number, nowMs: number): void {
    this.phase = phase
    this.phaseStartMs = nowMs
    this.isCounting = false
  }

  private lookAtPhase(nowMs: number, progress: number, busyUs: number): void {
    const { lengthMs, settleMs, isOtherWay } = PHASES[this.phase]
    const passedMs = (nowMs - this.phaseStartMs) | 0
    if (!this.isCounting && passedMs >= settleMs) {
      this.isCounting = true
      this.begin(nowMs, progress, busyUs)
    }
    if (passedMs < lengthMs) return
    const countedMs = (nowMs - this.fromMs) | 0
    const isBusy = busyUs - this.fromBusyUs >= (BUSY_LEAST / 2) * countedMs * 1_000
    if (passedMs > TOO_LONG * lengthMs || countedMs <= 0 || !isBusy) {
      this.end(nowMs, progress, busyUs)
      this.tryAgainIn(this.nextIntervalMs(), nowMs)
      return
    }
    const rate = (progress - this.fromProgress) / countedMs
    if (isOtherWay) this.otherWay = rate
    else this.asItIs += rate / 2
    if (this.phase + 1 < PHASES.length) this.beginPhase(this.phase + 1, nowMs)
    else this.decide(nowMs, progress, busyUs)
  }

  private decide(nowMs: number, progress: number, busyUs: number): void {
    const { settled, asItIs, otherWay } = this
    const [beside, elsewhere] = settled ? [asItIs, otherWay] : [otherWay, asItIs]
    this.gain += (gainOf(beside, elsewhere) - this.gain) * TRIAL_PART
    const changes = settled ? this.gain < -GAIN_TO_MOVE : this.gain > GAIN_TO_MOVE
    this.trials++
    this.end(nowMs, progress, busyUs)
    this.settled = changes !== settled
    this.usualRate = changes ? otherWay : asItIs
    if (changes || UNCLEAR * otherWay > asItIs) this.confirmed = 0
    else this.confirmed += otherWay < UNCLEAR * asItIs ? 1 : 0.5
    this.tryAgainIn(this.nextIntervalMs(), nowMs)
  }

  /** The first answer may be that of a program that is still being compiled: what comes next confirms it or not. */
  private nextIntervalMs(): number {
    return Math.min(FIRST_INTERVAL_MS * 2 ** Math.max(0, Math.floor(this.confirmed) - 1), LAST_INTERVAL_MS)
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
    this.nextTrialMs = (nowMs + intervalMs) | 0
  }

  private trySooner(nowMs: number): void {
    const leftMs = (this.nextTrialMs - nowMs) | 0
    if (leftMs <= FIRST_INTERVAL_MS) return
    this.confirmed = 0
    this.tryAgainIn(FIRST_INTERVAL_MS, nowMs)
  }
}

/** The difference as part of the higher rate, within what one trial can say. */
function gainOf(beside: number, elsewhere: number): number {
  const most = Math.max(beside, elsewhere)
  const gain = most === 0 ? 0 : (beside - elsewhere) / most
  return Math.min(Math.max(gain, -GAIN_MOST), GAIN_MOST)
}
