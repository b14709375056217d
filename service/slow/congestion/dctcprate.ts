/**
 * DCTCP on rates, the default: TAS's own algorithm (EuroSys 2019, 3.2). Each control interval the rate doubles until congestion is
 * indicated; from then on it grows by a step in each, and is reduced by a share of alpha if something was marked (RFC 8257, 3.3). Losses
 * halve it, as conventional TCP would (RFC 8257, 3.5). Why it is not TAS's law to the letter: docs/decisions/0010-dctcp-in-the-data-centre.md.
 */
import type { DctcpConfig } from '../config.js'
import type { Algorithm, Flow } from './algorithm.js'
import { MarkedShare } from './marks.js'
import { RateControl } from './rate.js'

/**
 * Hyper increase, as in DCQCN (SIGCOMM 2015, 5): after so many intervals without a mark others have gone, or the path is another, and the rate
 * grows by this part of itself at least. Of flows that share a marking port only those with a large share come there.
 */
const HYPER_INTERVALS = 32
const HYPER_SHARE = 1 / 32

/**
 * A mark takes a quarter of alpha from the rate for good, and until an interval without marks this share more. A rate says how fast a queue grows
 * and not how long it is: what is taken for good goes on when the queue has drained, and what drains it must not.
 */
const LASTING_SHARE = 1 / 4
const DRAIN_SHARE = 1 / 10
/** Of what a marked interval takes, growth gives back so much at most: marks without end bring any rate down, however small beside the step. */
const GIVEN_BACK_MOST = 3 / 4
/**
 * A rate up to this, kbit/s, grows by --cc-dctcp-step, a higher one by more, in proportion to its root (binomial congestion control, INFOCOM 2001,
 * with k = -1/2 and l = 1): one step serves two flows and two thousand.
 */
const STEP_UP_TO_KBPS = 10_000

class DctcpRate extends RateControl {
  private readonly config: DctcpConfig
  private readonly marks: MarkedShare
  /** Acknowledged since alpha was last computed, and of that marked. */
  private ackedBytes = 0
  private markedBytes = 0

  constructor(flow: Flow, config: DctcpConfig, maxKbps: number) {
    super(flow, config.initKbps, { minKbps: config.minKbps, maxKbps })
    this.config = config
    this.marks = new MarkedShare(config.weight)
  }

  update(flow: Flow): void {
    this.achieved.note(flow)
    this.queue.note(flow.rttUs, flow.ecnBytes > 0 || flow.losses > 0 || flow.timeouts > 0)
    this.ackedBytes += flow.ackedBytes
    this.markedBytes += flow.ecnBytes
    const isMarked = this.markedBytes > 0
    const isEstimated = this.estimate(flow)
    // What was lost has taken its share of the rate already; marks of the same time must not take it twice (RFC 3168, 6.1.2).
    if (flow.losses > 0 || flow.timeouts > 0) return this.set(flow, this.kbps)
    if (isMarked) this.reduce(flow, isEstimated)
    else this.set(flow, flow.isLimited ? this.grown() : this.kbps)
  }

  /** Marks are counted, and answered when an interval ends. */
  onEcho(): void {}

  onIdle(flow: Flow): void {
    this.restart(flow)
  }

  /** A share of few packets says little: they wait for more. Returns whether alpha is new. */
  private estimate({ mss }: Flow): boolean {
    if (this.ackedBytes < this.config.minPackets * mss) return false
    this.marks.observe(this.ackedBytes, this.markedBytes)
    this.ackedBytes = 0
    this.markedBytes = 0
    return true
  }

  /** Something was marked: an end to doubling, and as soon as alpha is known the rate is reduced by it. */
  private reduce(flow: Flow, isEstimated: boolean): void {
    const isDoubling = this.kbps < this.thresholdKbps
    if (!isEstimated) this.set(flow, this.kbps)
    else if (isDoubling) this.set(flow, this.kbps * this.marks.remainder)
    else this.set(flow, this.kbps - this.netReduction(flow))
    this.thresholdKbps = Math.min(this.thresholdKbps, this.kbps)
    if (isEstimated) this.ease(flow, DRAIN_SHARE)
  }

  /**
   * What a marked interval takes from the rate. Growth goes on in it, as in the fluid model of DCTCP (SIGMETRICS 2011): if it did not, a flow that
   * chance gives more marks would lose twice, and of thousands with less than a packet in an interval the lowest would stay lowest.
   */
  private netReduction({ isLimited }: Flow): number {
    const reduction = this.kbps * this.marks.alpha * LASTING_SHARE
    const isGrowing = isLimited && this.config.mimd === null
    return isGrowing ? reduction - Math.min(this.step(this.kbps), reduction * GIVEN_BACK_MOST) : reduction
  }

  private grown(): number {
    const { mimd } = this.config
    const bounded = this.achieved.bound(this.kbps)
    if (this.kbps < this.thresholdKbps) return Math.min(bounded * 2, this.thresholdKbps)
    const kbps = mimd === null ? bounded + this.increase(bounded) : bounded * mimd
    // A rate that was not achieved is no threshold to double to.
    this.thresholdKbps = Math.min(this.thresholdKbps, kbps)
    return kbps
  }

  private increase(kbps: number): number {
    const step = this.step(kbps)
    return this.queue.quietIntervals > HYPER_INTERVALS ? Math.max(step, kbps * HYPER_SHARE) : step
  }

  private step(kbps: number): number {
    return this.config.stepKbps * Math.sqrt(Math.max(kbps / STEP_UP_TO_KBPS, 1))
  }
}

/** dctcp-rate; `maxKbps` is the link's bandwidth. */
export function dctcpRate(config: DctcpConfig, maxKbps: number): Algorithm {
  return { name: 'dctcp-rate', looks: 'interval', usesMarks: true, create: (flow) => new DctcpRate(flow, config, maxKbps) }
}
