/**
 * What sending costs a paced flow in time. A rate becomes a multiplier and a shift once, when it is set; from then on
 *
 *   microseconds = (bytes * multiplier + remainder) >>> shift
 *
 * with the remainder carried on to the next segment: the rate is met to 1 part in 16,000 on average, whatever the size of segments, and no
 * segment needs a division or a fraction. Bytes are below 2^17, the multiplier below 2^14, the remainder below 2^27, the sum below 2^32.
 */
import { RATE_KBPS_MAX, RATE_KBPS_MIN } from '../../lib/memif/index.js'
import { PACE_HORIZON_US } from './pacewheel.js'

/**
 * A flow that comes late, or had nothing to send, may send at once what its rate would have sent in this time, and a super-segment holds no
 * more than that (cf. tcp_tso_autosize of Linux). A bottleneck must take both, and one segment: bursts last 2 * PACE_BURST_US of the rate.
 */
export const PACE_BURST_US = 250
/**
 * A flow that had something to send and came later than that, since the worker had lost its CPU, makes up for so much at most, at twice its
 * rate (as tcp_update_skb_after_send of Linux does): the rate is kept on average, and bursts are as short as ever.
 */
export const PACE_LATE_US = 20_000

/** A byte takes 8,000 / rateKbps microseconds. */
const KBPS_US = 8_000
/** Longer than anything can be due: a flow that was charged before has no debt left. */
const FORGOTTEN_MS = PACE_HORIZON_US / 1_000 + 3_000
/** Bytes of a super-segment with the headers of its segments at most, if they are not absurdly small. */
const BYTES_MAX = (1 << 17) - 1

/** Words of a flow's row. */
const ROW_LOG2 = 3
/** When the next segment may go, low 32 bits of microseconds. */
const DUE = 0
/** Of a microsecond, 2^-shift, that it is due later. */
const REMAINDER = 1
const MULTIPLIER = 2
const SHIFT = 3
const RATE_KBPS = 4
/** Payload bytes of a super-segment. */
const BURST_BYTES = 5
/** When it was last charged, low 32 bits of milliseconds. */
const CHARGED_MS = 6
/** Microseconds that it has still to make up for, or RESTING. */
const OWED_US = 7
/** The flow has nothing to send, or may not: time that passes is not owed to it. */
const RESTING = -1

/**
 * Bytes that count against the rate: the IP packets that `len` bytes of payload make, with `headersLen` bytes of IP and TCP headers each.
 * Ethernet is left out: what the bottleneck adds is not ours to know.
 */
export function pacedBytes(len: number, mss: number, headersLen: number): number {
  if (len <= mss) return len + headersLen
  return len + (((len + mss - 1) / mss) | 0) * headersLen
}

export class PaceRates {
  private readonly rows: Int32Array

  /** For flows 0 to `flows` - 1, none of them paced. */
  constructor(flows: number) {
    this.rows = new Int32Array(flows << ROW_LOG2)
  }

  /** The rate that is set, 0 for none. */
  rateKbps(flow: number): number {
    return this.rows[(flow << ROW_LOG2) + RATE_KBPS]
  }

  /** When the next segment may go. */
  due32(flow: number): number {
    return this.rows[(flow << ROW_LOG2) + DUE]
  }

  /** Payload bytes that may go as one super-segment. */
  burstBytes(flow: number): number {
    return this.rows[(flow << ROW_LOG2) + BURST_BYTES]
  }

  /** Whether a segment may go. */
  mayGo(flow: number, now32: number, nowMs: number): boolean {
    const row = flow << ROW_LOG2
    return ((this.rows[row + DUE] - now32) | 0) <= 0 || this.isForgotten(row, now32, nowMs)
  }

  /** The flow has nothing to send, or windows do not let it. */
  rest(flow: number): void {
    this.rows[(flow << ROW_LOG2) + OWED_US] = RESTING
  }

  /** The flow has something to send and only waits for its time. */
  wait(flow: number): void {
    const row = flow << ROW_LOG2
    if (this.rows[row + OWED_US] === RESTING) this.rows[row + OWED_US] = 0
  }

  /** `bytes` (pacedBytes) are sent, whether it was time or not. A debt beyond PACE_HORIZON_US is let off. */
  charge(flow: number, bytes: number, now32: number, nowMs: number): void {
    const { rows } = this
    const row = flow << ROW_LOG2
    const start = this.startOf(row, now32, nowMs)
    const shift = rows[row + SHIFT]
    const cost = (Math.imul(Math.min(bytes, BYTES_MAX), rows[row + MULTIPLIER]) + rows[row + REMAINDER]) | 0
    const costUs = cost >>> shift
    const owed = rows[row + OWED_US]
    const madeUp = owed > 0 ? Math.min(owed, costUs >> 1) : 0
    const due = (start + costUs - madeUp) | 0
    rows[row + OWED_US] = owed - madeUp
    rows[row + REMAINDER] = cost & ((1 << shift) - 1)
    rows[row + DUE] = ((due - now32) | 0) > PACE_HORIZON_US ? (now32 + PACE_HORIZON_US) | 0 : due
    rows[row + CHARGED_MS] = nowMs
  }

  /** From when what is sent now counts: when it was due, but not longer than PACE_BURST_US ago. The rest is owed. */
  private startOf(row: number, now32: number, nowMs: number): number {
    const { rows } = this
    const due = rows[row + DUE]
    const earliest = (now32 - PACE_BURST_US) | 0
    const tooLate = (earliest - due) | 0
    if (this.isForgotten(row, now32, nowMs)) return earliest
    if (tooLate <= 0) return due
    const owed = rows[row + OWED_US]
    if (owed !== RESTING) rows[row + OWED_US] = tooLate > PACE_LATE_US ? PACE_LATE_US : Math.min(owed + tooLate, PACE_LATE_US)
    return earliest
  }

  /** The low bits of the clock come round in 72 minutes, so that a time long past looks like one to come. */
  private isForgotten(row: number, now32: number, nowMs: number): boolean {
    const { rows } = this
    return ((rows[row + DUE] - now32) | 0) > PACE_HORIZON_US || (nowMs - rows[row + CHARGED_MS]) >>> 0 > FORGOTTEN_MS
  }

  /** A flow without a past, and without a rate. */
  reset(flow: number): void {
    this.rows.fill(0, flow << ROW_LOG2, (flow + 1) << ROW_LOG2)
  }

  /**
   * Sets the rate, RATE_KBPS_MIN to RATE_KBPS_MAX (others count as these), or 0. What was sent before is paid at the new rate: a flow that
   * owes bytes waits for as long as they take now.
   */
  setRate(flow: number, rateKbps: number, now32: number, nowMs: number): void {
    const { rows } = this
    const row = flow << ROW_LOG2
    if (rateKbps === 0) return this.reset(flow)
    const rate = Math.min(Math.max(rateKbps, RATE_KBPS_MIN), RATE_KBPS_MAX)
    const shift = 32 - Math.clz32(rate)
    const debtUs = rows[row + RATE_KBPS] === 0 ? 0 : this.debtUs(row, rate, now32, nowMs)
    const wholeUs = Math.floor(debtUs)
    rows[row + DUE] = (now32 + wholeUs) | 0
    rows[row + REMAINDER] = Math.floor((debtUs - wholeUs) * 2 ** shift)
    // 8,000 * 2^shift / rate is between 8,000 and 16,000, so rounding it is off by less than 1 in 16,000.
    rows[row + MULTIPLIER] = Math.round((KBPS_US * 2 ** shift) / rate)
    rows[row + SHIFT] = shift
    if (rows[row + RATE_KBPS] === 0) rows[row + OWED_US] = RESTING
    rows[row + RATE_KBPS] = rate
    rows[row + BURST_BYTES] = Math.floor((rate * PACE_BURST_US) / KBPS_US)
    rows[row + CHARGED_MS] = nowMs
  }

  /** How long the flow would have to wait at `rate`; negative if it has been due. */
  private debtUs(row: number, rate: number, now32: number, nowMs: number): number {
    const { rows } = this
    if (this.isForgotten(row, now32, nowMs)) return -PACE_BURST_US
    const debtUs = ((rows[row + DUE] - now32) | 0) + rows[row + REMAINDER] / 2 ** rows[row + SHIFT]
    return Math.max(-PACE_BURST_US, Math.min((debtUs * rows[row + RATE_KBPS]) / rate, PACE_HORIZON_US))
  }
}
