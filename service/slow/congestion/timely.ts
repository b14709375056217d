/**
 * TIMELY (SIGCOMM 2015, 4.2 and 4.3, Algorithm 1): the rate follows the gradient of the round-trip time. A completion event of the paper is
 * a control interval here, and its sample the smoothed round-trip time that the worker keeps.
 *
 * Between Tlow and Thigh it is the patched TIMELY of "ECN or Delay" (Zhu et al., CoNEXT 2016, 4.3): a gradient alone has no fixed point, since
 * it is zero at any length of the queue. So the gradient only weighs growth against a decrease by how far the round-trip time is above a
 * target, which is the middle of the band here.
 */
import type { TimelyConfig } from '../config.js'
import type { Algorithm, Flow } from './algorithm.js'
import { RateControl } from './rate.js'

/** Hyperactive increase (4.3): after so many gradients in a row that are not positive the step is so many times as large. */
const HAI_EVENTS = 5
const HAI_STEPS = 5
/** Gradients up to -1/4 count as growth alone, from 1/4 on as decrease alone (CoNEXT 2016, equation 30). */
const GRADIENT_FULL = 1 / 4
/** Of the rate at least so much is left between Tlow and Thigh, however far apart options put them. */
const REMAINDER_MIN = 0.5

class Timely extends RateControl {
  private readonly config: TimelyConfig
  /** 0: no sample yet. */
  private previousRttUs = 0
  private rttDiffUs = 0
  private calmEvents = 0

  constructor(flow: Flow, config: TimelyConfig, maxKbps: number) {
    super(flow, config.initKbps, { minKbps: config.minKbps, maxKbps })
    this.config = config
  }

  update(flow: Flow): void {
    this.achieved.note(flow)
    if (flow.rttUs === 0 || flow.ackedBytes === 0) return
    this.queue.note(flow.rttUs, flow.rttUs > this.config.tlowUs)
    const gradient = this.gradient(flow.rttUs)
    const hasLost = flow.losses > 0 || flow.timeouts > 0
    const kbps = this.next(flow.rttUs, gradient)
    const isAllowed = kbps < this.kbps || (flow.isLimited && !hasLost)
    this.set(flow, isAllowed ? kbps : this.kbps)
  }

  /** The rate stays, since the first round trips after it tell what it does to the path; what they are compared with does not. */
  onIdle(): void {
    this.previousRttUs = 0
    this.rttDiffUs = 0
    this.calmEvents = 0
    this.achieved.forget()
    this.queue.forget()
  }

  /** The normalized gradient with this sample. */
  private gradient(rttUs: number): number {
    const { alpha, minRttUs } = this.config
    const diffUs = this.previousRttUs === 0 ? 0 : rttUs - this.previousRttUs
    this.previousRttUs = rttUs
    this.rttDiffUs = (1 - alpha) * this.rttDiffUs + alpha * diffUs
    return this.rttDiffUs / minRttUs
  }

  private next(rttUs: number, gradient: number): number {
    const { tlowUs, thighUs, stepKbps, beta } = this.config
    const { kbps, achieved } = this
    const isCalm = rttUs >= tlowUs && rttUs <= thighUs && gradient <= 0
    this.calmEvents = isCalm ? this.calmEvents + 1 : 0
    if (rttUs < tlowUs) return achieved.bound(kbps) + stepKbps
    if (rttUs > thighUs) return kbps * (1 - beta * (1 - thighUs / rttUs))
    const weight = decreaseWeight(gradient)
    const targetUs = (tlowUs + thighUs) / 2
    const excess = Math.max(rttUs / targetUs - 1, 0)
    const steps = this.calmEvents >= HAI_EVENTS ? HAI_STEPS : 1
    return achieved.bound(kbps) * Math.max(1 - beta * weight * excess, REMAINDER_MIN) + (1 - weight) * steps * stepKbps
  }
}

/** How much a gradient speaks for a decrease: 0 for growth alone, 1 for decrease alone. */
function decreaseWeight(gradient: number): number {
  return Math.min(Math.max((gradient / GRADIENT_FULL + 1) / 2, 0), 1)
}

/** timely; `maxKbps` is the link's bandwidth. */
export function timely(config: TimelyConfig, maxKbps: number): Algorithm {
  return { name: 'timely', looks: 'interval', create: (flow) => new Timely(flow, config, maxKbps) }
}
