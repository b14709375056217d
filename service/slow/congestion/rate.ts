/** A rate between its bounds, with the window that goes with it: what the rate-based algorithms have in common. */
import type { Flow, FlowControl } from './algorithm.js'
import { AchievedRate } from './achieved.js'
import { halfOfFlight, initialWindow, rateOf, SSTHRESH_NONE, tightWindowOf, windowOf } from './bounds.js'
import { QueueWatch } from './queuewatch.js'

export interface RateBounds {
  readonly minKbps: number
  /** The link's bandwidth: a flow at this rate is not paced at all, since the link does it. */
  readonly maxKbps: number
}

/** Keeps a rate and answers losses; when it grows and shrinks is said by `update`. */
export abstract class RateControl implements FlowControl {
  /** The rate; kbit/s. */
  protected kbps: number
  /** Below it the rate doubles: what ssthresh is to a window (RFC 5681, 3.1). */
  protected thresholdKbps: number
  protected readonly achieved = new AchievedRate()
  /** Whether there is a queue that the flow is answerable for, and how long round trips are then. */
  protected readonly queue = new QueueWatch()
  private readonly initialKbps: number | null
  private readonly bounds: RateBounds
  private before = { kbps: 0, thresholdKbps: Infinity }

  /** Begins with `initialKbps`; null: with the present window in each round trip, and after idle times with an initial window (RFC 6928). */
  constructor(flow: Flow, initialKbps: number | null, bounds: RateBounds) {
    const { rttUs, mss, cwndBytes, ssthreshBytes } = flow
    this.bounds = bounds
    this.thresholdKbps = rttUs === 0 || ssthreshBytes >= SSTHRESH_NONE ? Infinity : rateOf(ssthreshBytes, rttUs, mss)
    this.initialKbps = initialKbps
    this.kbps = this.startOf(flow, cwndBytes)
    this.set(flow, this.kbps)
  }

  abstract update(flow: Flow): void

  /** Sets the rate as far as the bounds allow, and writes it and its window into `flow`. */
  protected set(flow: Flow, kbps: number): void {
    const { minKbps, maxKbps } = this.bounds
    this.kbps = Math.min(Math.max(kbps, minKbps), maxKbps)
    flow.rateKbps = this.kbps >= maxKbps ? 0 : Math.round(this.kbps)
    flow.cwndBytes = this.queue.isThere
      ? tightWindowOf(this.kbps, this.queue.averageRttUs, flow.mss)
      : windowOf(flow.rateKbps === 0 ? Math.max(this.kbps, this.achieved.kbps) : this.kbps, flow)
  }

  /** Until the next `set` the flow sends at `share` less than its rate; the window stays. */
  protected ease(flow: Flow, share: number): void {
    if (flow.rateKbps > 0) flow.rateKbps = Math.max(Math.round(this.kbps * (1 - share)), Math.round(this.bounds.minKbps), 1)
  }

  /**
   * Something is lost: half the rate, as conventional TCP has half the window (RFC 8257, 3.5; RFC 5681, 3.1, equation 4). Returns
   * ssthresh: the window of that rate, or half of what is in flight where that is less.
   */
  onLoss(flow: Flow): number {
    const { cwndBytes } = flow
    this.before = { kbps: this.kbps, thresholdKbps: this.thresholdKbps }
    this.set(flow, this.kbps / 2)
    this.thresholdKbps = this.kbps
    const ssthresh = Math.min(flow.cwndBytes, halfOfFlight(flow))
    // The window is loss recovery's now.
    flow.cwndBytes = cwndBytes
    return ssthresh
  }

  /** Nothing was lost: the rate is what it was. */
  onUndo(flow: Flow): void {
    this.thresholdKbps = this.before.thresholdKbps
    this.set(flow, Math.max(this.kbps, this.before.kbps))
  }

  /** What the rate said about the path is stale: it begins again where it began, if it was higher, and doubles to where it was. */
  protected restart(flow: Flow): void {
    this.thresholdKbps = Math.max(this.thresholdKbps, this.kbps)
    this.startOver(flow)
  }

  /** A retransmission timeout: the same, but doubles only to what is left of the rate (RFC 5681, 3.1). */
  onTimeout(flow: Flow): void {
    this.thresholdKbps = Math.min(this.thresholdKbps, this.kbps)
    this.startOver(flow)
  }

  private startOver(flow: Flow): void {
    this.achieved.forget()
    this.queue.forget()
    this.set(flow, Math.min(this.kbps, this.startOf(flow, initialWindow(flow.mss))))
  }

  private startOf({ rttUs, mss }: Flow, windowBytes: number): number {
    if (this.initialKbps !== null) return this.initialKbps
    return rttUs === 0 ? this.bounds.minKbps : rateOf(windowBytes, rttUs, mss)
  }
}
