/**
 * DCTCP as published (RFC 8257; SIGCOMM 2010): a window that grows like Reno's and is multiplied by 1 - alpha / 2 once for each
 * window of data in which something was marked. The window goes out at a rate, so that it is spread over the round trip.
 */
import type { DctcpConfig } from '../config.js'
import type { Algorithm, Flow, FlowControl } from './algorithm.js'
import { halfOfFlight, initialWindow, leastThreshold, rateOf, slowStart } from './bounds.js'
import { MarkedShare } from './marks.js'
import { avoidCongestion } from './reno.js'

/** The rate is above window per round trip, so that the window is the limit; twice in slow start, where it doubles in that time. */
const RATE_GAIN = 1.2
const RATE_GAIN_SLOW_START = 2

class DctcpWindow implements FlowControl {
  private readonly config: DctcpConfig
  private readonly maxKbps: number
  private readonly marks: MarkedShare
  /** Totals of the flow when the observation window under way began, and its length. */
  private ackedAtStart: number
  private markedAtStart: number
  private observedBytes: number

  constructor(flow: Flow, config: DctcpConfig, maxKbps: number) {
    this.config = config
    this.maxKbps = maxKbps
    this.marks = new MarkedShare(config.weight)
    this.ackedAtStart = flow.totalAckedBytes
    this.markedAtStart = flow.totalEcnBytes
    this.observedBytes = flow.cwndBytes
    this.pace(flow)
  }

  update(flow: Flow): void {
    this.observe(flow)
    if (!slowStart(flow)) avoidCongestion(flow)
    this.pace(flow)
  }

  /** RFC 8257, 3.5: as conventional TCP. */
  onLoss(flow: Flow): number {
    return halfOfFlight(flow)
  }

  onEcho(flow: Flow): void {
    this.observe(flow)
    flow.ssthreshBytes = Math.max(Math.floor(flow.cwndBytes * this.marks.remainder), leastThreshold(flow.mss))
    flow.cwndBytes = flow.ssthreshBytes
    this.pace(flow)
  }

  onIdle(flow: Flow): void {
    flow.cwndBytes = Math.min(flow.cwndBytes, initialWindow(flow.mss))
    this.pace(flow)
  }

  /** RFC 8257, 3.3, steps 1 to 8. Where a flow was not looked at for long, several windows of data have passed. */
  private observe({ totalAckedBytes, totalEcnBytes, cwndBytes }: Flow): void {
    const ackedBytes = totalAckedBytes - this.ackedAtStart
    if (ackedBytes < this.observedBytes) return
    this.marks.observe(ackedBytes, totalEcnBytes - this.markedAtStart, ackedBytes / this.observedBytes)
    this.ackedAtStart = totalAckedBytes
    this.markedAtStart = totalEcnBytes
    this.observedBytes = cwndBytes
  }

  private pace(flow: Flow): void {
    const { cwndBytes, ssthreshBytes, rttUs, mss } = flow
    const gain = cwndBytes < ssthreshBytes ? RATE_GAIN_SLOW_START : RATE_GAIN
    const kbps = rttUs === 0 ? this.maxKbps : Math.max(gain * rateOf(cwndBytes, rttUs, mss), this.config.minKbps)
    flow.rateKbps = kbps >= this.maxKbps ? 0 : Math.round(kbps)
  }
}

/** dctcp-win; `maxKbps` is the link's bandwidth. */
export function dctcpWin(config: DctcpConfig, maxKbps: number): Algorithm {
  return { name: 'dctcp-win', looks: 'limited', usesMarks: true, create: (flow) => new DctcpWindow(flow, config, maxKbps) }
}
