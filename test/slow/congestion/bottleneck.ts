/**
 * A bottleneck as a fluid: flows at their rates or windows fill a queue that is served at a fixed capacity, marked above a threshold and
 * cut off at its end. One step is one control interval; flows share what is served by what they send, and see the same delay and the same share of
 * marks, as with one queue for all.
 */
import type { Algorithm, FlowControl } from '../../../service/slow/congestion/algorithm.js'
import { rateOf } from '../../../service/slow/congestion/bounds.js'
import type { FlowView } from '../../../service/slow/congestion/state.js'
import { begin, carried, MSS } from './flow.js'

export interface Path {
  readonly capacityKbps: number
  readonly baseRttUs: number
  /** Bytes in the queue from which on everything is marked, and which find no room. */
  readonly markBytes: number
  readonly queueBytes: number
}

interface Sender {
  readonly flow: FlowView
  readonly control: FlowControl
  readonly hasMarks: boolean
}

export class Bottleneck {
  queuedBytes = 0
  private readonly path: Path
  private readonly senders: Sender[] = []

  constructor(path: Path) {
    this.path = path
  }

  add(algorithm: Algorithm): FlowView {
    const { flow, control } = begin(algorithm, { rttUs: this.path.baseRttUs, minRttUs: this.path.baseRttUs })
    this.senders.push({ flow, control, hasMarks: algorithm.usesMarks === true })
    return flow
  }

  /** What each flow sends, kbit/s. */
  rates(): number[] {
    const rttUs = this.rttUs()
    return this.senders.map(({ flow }) => {
      const byWindow = rateOf(flow.cwndBytes, rttUs, MSS)
      return flow.rateKbps === 0 ? byWindow : Math.min(flow.rateKbps, byWindow)
    })
  }

  /** `count` control intervals of two round trips. */
  run(count: number, each: () => void = () => undefined): void {
    for (let i = 0; i < count; i++) {
      this.step()
      each()
    }
  }

  private rttUs(): number {
    return this.path.baseRttUs + (this.queuedBytes * 8000) / this.path.capacityKbps
  }

  private step(): void {
    const { capacityKbps, markBytes, queueBytes } = this.path
    const intervalUs = 2 * this.rttUs()
    const rates = this.rates()
    const offered = rates.reduce((sum, rate) => sum + rate, 0)
    const before = this.queuedBytes
    const after = Math.max(before + ((offered - capacityKbps) * intervalUs) / 8000, 0)
    const isLost = after > queueBytes
    this.queuedBytes = Math.min(after, queueBytes)
    const served = offered > capacityKbps || before > 0 ? Math.min(capacityKbps / offered, 1) : 1
    const share = markedShare(before, this.queuedBytes, markBytes)
    this.senders.forEach((sender, i) => this.report(sender, carried(rates[i] * served, intervalUs), share, isLost, intervalUs))
  }

  private report({ flow, control, hasMarks }: Sender, ackedBytes: number, share: number, isLost: boolean, intervalUs: number): void {
    const ecnBytes = hasMarks ? ackedBytes * share : 0
    Object.assign(flow, {
      rttUs: this.rttUs(), inFlightBytes: flow.cwndBytes, intervalUs, nowUs: flow.nowUs + intervalUs, ackedBytes, ecnBytes, isLimited: true,
      totalAckedBytes: flow.totalAckedBytes + ackedBytes, totalEcnBytes: flow.totalEcnBytes + ecnBytes, losses: isLost ? 1 : 0,
    })
    if (isLost) flow.ssthreshBytes = control.onLoss(flow)
    if (isLost && flow.rateKbps === 0) flow.cwndBytes = flow.ssthreshBytes
    control.update(flow)
    if (ecnBytes > 0) control.onEcho?.(flow)
  }
}

/** The part of a step in which the queue, moving evenly, is above the threshold. */
function markedShare(before: number, after: number, threshold: number): number {
  const [low, high] = before < after ? [before, after] : [after, before]
  if (low >= threshold) return 1
  return high <= threshold ? 0 : (high - threshold) / (high - low)
}

/** Jain's index: 1 for equal shares, 1/n when one has all (Jain, Chiu, Hawe, 1984). */
export function jain(values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0)
  return sum ** 2 / (values.length * values.reduce((total, value) => total + value ** 2, 0))
}
