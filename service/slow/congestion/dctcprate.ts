/**
 * DCTCP on rates, the default: TAS's own algorithm (EuroSys 2019, 3.2). Each control interval the rate doubles until congestion is
 * indicated; from then on it grows by a step, or is multiplied by 1 - alpha / 2 if something was marked (RFC 8257, 3.3). Losses
 * halve it, as conventional TCP would (RFC 8257, 3.5).
 */
import type { DctcpConfig } from '../config.js'
import type { Algorithm, Flow, FlowControl } from './algorithm.js'
import { MarkedShare } from './marks.js'
import { PacedRate } from './rate.js'

class DctcpRate implements FlowControl {
  private readonly config: DctcpConfig
  private readonly marks: MarkedShare
  private readonly rate: PacedRate
  /** Acknowledged since alpha was last computed, and of that marked. */
  private ackedBytes = 0
  private markedBytes = 0

  constructor(flow: Flow, config: DctcpConfig, maxKbps: number) {
    this.config = config
    this.marks = new MarkedShare(config.weight)
    this.rate = new PacedRate(flow, config.initKbps, { minKbps: config.minKbps, maxKbps })
  }

  update(flow: Flow): void {
    const { rate } = this
    rate.achieved.note(flow)
    this.ackedBytes += flow.ackedBytes
    this.markedBytes += flow.ecnBytes
    const isMarked = this.markedBytes > 0
    const isEstimated = this.estimate(flow)
    // What was lost has taken its share of the rate already; marks of the same time must not take it twice (RFC 3168, 6.1.2).
    if (flow.losses > 0 || flow.timeouts > 0) return rate.set(flow, rate.kbps)
    if (isMarked) this.reduce(flow, isEstimated)
    else rate.set(flow, flow.isLimited ? this.grown() : rate.kbps)
  }

  onLoss(flow: Flow): number {
    return this.rate.halve(flow)
  }

  onTimeout(flow: Flow): void {
    this.rate.onTimeout(flow)
  }

  onUndo(flow: Flow): void {
    this.rate.undo(flow)
  }

  /** Marks are counted, and answered when an interval ends. */
  onEcho(): void {}

  onIdle(flow: Flow): void {
    this.rate.restart(flow)
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
    const { rate } = this
    rate.set(flow, isEstimated ? rate.kbps * this.marks.remainder : rate.kbps)
    rate.thresholdKbps = Math.min(rate.thresholdKbps, rate.kbps)
  }

  private grown(): number {
    const { rate } = this
    const { stepKbps, mimd } = this.config
    const bounded = rate.achieved.bound(rate.kbps)
    if (rate.kbps < rate.thresholdKbps) return Math.min(bounded * 2, rate.thresholdKbps)
    const kbps = mimd === null ? bounded + stepKbps : bounded * mimd
    // A rate that was not achieved is no threshold to double to.
    rate.thresholdKbps = Math.min(rate.thresholdKbps, kbps)
    return kbps
  }
}

/** dctcp-rate; `maxKbps` is the link's bandwidth. */
export function dctcpRate(config: DctcpConfig, maxKbps: number): Algorithm {
  return { name: 'dctcp-rate', looks: 'interval', usesMarks: true, create: (flow) => new DctcpRate(flow, config, maxKbps) }
}
