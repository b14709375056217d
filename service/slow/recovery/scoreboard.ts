/**
 * What the sender knows of the sequence numbers in flight (RFC 6675, 4): runs of one kind, in order, without gaps.
 *
 *   SND.UNA                                            top            SND.MAX
 *   | HOLE | SACKED | RESENT | SACKED | LOST | SACKED  |  in flight   |
 *
 * Up to `top`, the highest number selectively acknowledged, each number is in a run; what is above was sent once and nothing is
 * known of it. After a timeout everything is known to be lost, so `top` is SND.MAX.
 */
import { seqDiff, seqLeq, seqLt } from '../../../lib/wire/index.js'

/** Sent once, and something sent later has arrived. */
export const HOLE = 0
/** Selectively acknowledged. */
export const SACKED = 1
/** Taken for lost and not sent again yet. */
export const LOST = 2
/** Lost and sent again. */
export const RESENT = 3
export type RunKind = typeof HOLE | typeof SACKED | typeof LOST | typeof RESENT

/** Sequence numbers [start, end) of one kind. */
export interface Run {
  start: number
  end: number
  kind: RunKind
  /** It has been sent again at some time: what of it arrives says nothing of the order in which the network delivers. */
  wasResent: boolean
  /** HOLE: when it was first seen to be one. Sent again: when that was. */
  atUs: number
  /** RESENT: SND.MAX when it was sent again: what was first sent later has higher numbers. */
  mark: number
}

/** Runs that a peer can make us keep; SACK blocks that would make more are ignored. */
const RUNS_MAX = 1024

/** What an acknowledgment has changed. */
export interface Delivery {
  /** Sequence numbers that were not known to have arrived before. */
  bytes: number
  /** The highest number that was known to have arrived before. */
  readonly highestBefore: number
  /** Some had been sent only once and lay below that: the network reorders (RFC 8985, 6.2 step 3). */
  reordered: boolean
  /** Highest number that had been sent only once, or null: SND.NXT order is sending order. */
  lastOriginal: number | null
  /** When the latest of those sent again was sent, 0 if there was none. */
  lastResentUs: number
}

export class Scoreboard {
  /** Lowest number not acknowledged. */
  una: number
  readonly runs: Run[] = []
  /** The highest number that is known to have arrived (RACK.fack of RFC 8985). */
  private highest: number
  private readonly lengths = [0, 0, 0, 0]

  constructor(una: number) {
    this.una = una
    this.highest = una
  }

  /** What the next acknowledgment is to be entered into. */
  delivery(): Delivery {
    return { bytes: 0, highestBefore: this.highest, reordered: false, lastOriginal: null, lastResentUs: 0 }
  }

  /** Sequence numbers of a kind. */
  bytes(kind: RunKind): number {
    return this.lengths[kind]
  }

  get top(): number {
    return this.runs.length === 0 ? this.una : this.runs[this.runs.length - 1].end
  }

  /** The cumulative acknowledgment has reached `ack`, which is not below `una`. Adds what that delivers to `delivery`. */
  advance(ack: number, delivery: Delivery): void {
    if (seqLeq(ack, this.una)) return
    const above = seqDiff(ack, this.top)
    if (above > 0) {
      delivery.bytes += above
      delivery.lastOriginal = ack
    }
    let gone = 0
    while (gone < this.runs.length && seqLeq(this.runs[gone].end, ack)) this.deliver(this.runs[gone++], delivery)
    this.runs.splice(0, gone)
    const [first] = this.runs
    if (first !== undefined && seqLt(first.start, ack)) {
      this.deliver({ ...first, end: ack }, delivery)
      first.start = ack
    }
    this.una = ack
    if (seqLt(this.highest, ack)) this.highest = ack
  }

  /** The run leaves the scoreboard, acknowledged. */
  private deliver(run: Run, delivery: Delivery): void {
    const bytes = seqDiff(run.end, run.start)
    this.lengths[run.kind] -= bytes
    if (run.kind !== SACKED) this.credit(run, bytes, delivery)
  }

  private credit(run: Run, bytes: number, delivery: Delivery): void {
    delivery.bytes += bytes
    if (run.wasResent) {
      delivery.lastResentUs = Math.max(delivery.lastResentUs, run.atUs)
      return
    }
    // Acknowledgments are lost, too: what they show for the first time is not late.
    if (seqLt(run.start, delivery.highestBefore)) delivery.reordered = true
    if (delivery.lastOriginal === null || seqLt(delivery.lastOriginal, run.end)) delivery.lastOriginal = run.end
  }

  /** A SACK block within (una, SND.MAX]. Returns false if there is no room for it. */
  sack(start: number, end: number, nowUs: number, delivery: Delivery): boolean {
    if (this.runs.length >= RUNS_MAX) return false
    const from = seqLt(start, this.una) ? this.una : start
    const top = this.top
    if (seqLt(this.highest, end)) this.highest = end
    if (seqLt(top, end)) {
      const fresh = seqLt(top, from) ? from : top
      if (seqLt(top, fresh)) this.append(hole(top, fresh, nowUs))
      this.append({ ...hole(fresh, end, 0), kind: SACKED })
      delivery.bytes += seqDiff(end, fresh)
      delivery.lastOriginal = end
    }
    this.paint(from, seqLt(end, top) ? end : top, (run) => {
      if (run.kind === SACKED) return
      this.credit(run, seqDiff(run.end, run.start), delivery)
      this.become(run, SACKED)
    })
    return true
  }

  /** Everything not acknowledged below `sndMax` is lost (RFC 6675, 5.1; RFC 6298, 5.4). */
  loseAll(sndMax: number): void {
    if (seqLt(this.top, sndMax)) this.append({ ...hole(this.top, sndMax, 0), kind: LOST })
    for (const run of this.runs) if (run.kind !== SACKED) this.become(run, LOST)
    this.merge()
  }

  /** [start, end) is lost, as far as it is neither acknowledged nor lost already. May reach beyond `top`. */
  lose(start: number, end: number): void {
    if (seqLt(this.top, end)) this.append(hole(this.top, end, 0))
    this.paint(start, end, (run) => {
      if (run.kind !== SACKED) this.become(run, LOST)
    })
  }

  /** [start, end) has been sent again. */
  resent(start: number, end: number, nowUs: number, mark: number): void {
    this.paint(start, end, (run) => {
      if (run.kind !== LOST) return
      this.become(run, RESENT)
      run.wasResent = true
      run.atUs = nowUs
      run.mark = mark
    })
  }

  /** What was taken for lost was not: nothing of it needs to be sent (again). */
  forgive(nowUs: number): void {
    for (const run of this.runs) {
      if (run.kind !== LOST) continue
      this.become(run, HOLE)
      run.atUs = nowUs
    }
    while (this.runs.length > 0 && this.runs[this.runs.length - 1].kind === HOLE) this.drop()
    this.merge()
  }

  private drop(): void {
    const run = this.runs.pop()
    if (run) this.lengths[run.kind] -= seqDiff(run.end, run.start)
  }

  /** The peer has forgotten what it acknowledged selectively (RFC 2018, 8). */
  renege(): void {
    for (const run of this.runs) if (run.kind === SACKED) this.become(run, LOST)
    this.merge()
  }

  /** Every run for which `isLost` says so is lost; `sackedAbove` is how much above the run is selectively acknowledged. */
  loseWhere(isLost: (run: Run, sackedAbove: number) => boolean): void {
    let sackedAbove = 0
    for (let i = this.runs.length - 1; i >= 0; i--) {
      const run = this.runs[i]
      if (run.kind === SACKED) sackedAbove += seqDiff(run.end, run.start)
      else if (run.kind !== LOST && isLost(run, sackedAbove)) this.become(run, LOST)
    }
    this.merge()
  }

  private append(run: Run): void {
    this.runs.push(run)
    this.lengths[run.kind] += seqDiff(run.end, run.start)
  }

  private become(run: Run, kind: RunKind): void {
    const bytes = seqDiff(run.end, run.start)
    this.lengths[run.kind] -= bytes
    this.lengths[kind] += bytes
    run.kind = kind
  }

  /** Calls `change` with the runs of [start, end), cut to fit. */
  private paint(start: number, end: number, change: (run: Run) => void): void {
    if (!seqLt(start, end)) return
    this.cut(start)
    this.cut(end)
    for (const run of this.runs) {
      if (seqLeq(end, run.start)) break
      if (seqLeq(start, run.start)) change(run)
    }
    this.merge()
  }

  /** Makes `seq` the start of a run, if it is inside one. */
  private cut(seq: number): void {
    const at = this.runs.findIndex((run) => seqLt(run.start, seq) && seqLt(seq, run.end))
    if (at < 0) return
    const run = this.runs[at]
    this.runs.splice(at + 1, 0, { ...run, start: seq })
    run.end = seq
  }

  private merge(): void {
    let kept = 0
    for (let i = 1; i < this.runs.length; i++) {
      const last = this.runs[kept]
      const run = this.runs[i]
      if (isOneRun(last, run)) {
        last.end = run.end
        last.atUs = Math.min(last.atUs, run.atUs)
      } else {
        this.runs[++kept] = run
      }
    }
    if (this.runs.length > 0) this.runs.length = kept + 1
  }
}

function hole(start: number, end: number, atUs: number): Run {
  return { start, end, kind: HOLE, wasResent: false, atUs, mark: 0 }
}

function isOneRun(a: Run, b: Run): boolean {
  if (a.kind !== b.kind) return false
  if (a.kind === SACKED) return true
  return a.wasResent === b.wasResent && (a.kind === LOST || (a.atUs === b.atUs && a.mark === b.mark))
}
