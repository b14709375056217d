/**
 * What a congestion-control algorithm is: the interface of all that TAS brings, and of modules given as `--cc=./mine.js`
 * (docs/congestion-control.md). An algorithm decides; when it is asked, and what becomes of its answers, is control.ts's.
 */

/**
 * A flow as an algorithm sees it, good for the call it is handed to and no longer. The last three values are in force when
 * the call begins; what the algorithm writes into them is in force afterwards.
 */
export interface Flow {
  /** Time, microseconds. */
  readonly nowUs: number
  /** Payload bytes of a full segment. */
  readonly mss: number
  /** Smoothed round-trip time (RFC 6298), microseconds; 0 before the first measurement. */
  readonly rttUs: number
  /** Least round-trip time seen, microseconds; 0 before the first measurement. */
  readonly minRttUs: number
  /** Bytes sent and not acknowledged. */
  readonly inFlightBytes: number
  /** Microseconds since the last `update`, or since the flow began to send after it was idle. */
  readonly intervalUs: number
  /** Bytes acknowledged since the last `update`, and those of them acknowledged with a congestion echo (RFC 3168, ECE). */
  readonly ackedBytes: number
  readonly ecnBytes: number
  /** The same since the flow began. */
  readonly totalAckedBytes: number
  readonly totalEcnBytes: number
  /** Since the last `update`: times that segments were found lost, segments sent again, retransmission timeouts. */
  readonly losses: number
  readonly retransmits: number
  readonly timeouts: number
  /** Window or rate has held data back since the last `update`. If not, the flow sends less than it may: no reason to allow more. */
  readonly isLimited: boolean
  /** Most bytes in flight; 1 segment at least, and no more than twice the transmit buffer is used. */
  cwndBytes: number
  /** Slow-start threshold (RFC 5681, 3.1), 0x7fffffff before anything was lost. */
  ssthreshBytes: number
  /** Rate at which segments leave, headers from IP on included, 10 to 100,000,000; 0: as fast as they can. */
  rateKbps: number
}

/** The algorithm at work on one flow, with what it remembers of it. */
export interface FlowControl {
  /** Time to decide anew: writes `cwndBytes` and `rateKbps`. Not called while what was lost is being repaired. */
  update(flow: Flow): void
  /**
   * Something is lost, at most once in a round trip (RFC 5681, 3.2). Returns the slow-start threshold, bytes: loss recovery brings the
   * window there. May write `rateKbps`.
   */
  onLoss(flow: Flow): number
  /**
   * The retransmission timer has expired (RFC 6298, 5.4), the first time of a row after `onLoss`. The window becomes one segment and grows to
   * ssthresh as the repair goes on; an algorithm that sets a rate writes it here.
   */
  onTimeout?(flow: Flow): void
  /** The last `onLoss` had no reason, nothing was lost (RFC 4015): window and threshold are restored already. */
  onUndo?(flow: Flow): void
  /**
   * The peer echoes congestion (RFC 3168, 6.1.2); called once for each window of data. Without this method an echo counts
   * as a loss that needs no repair.
   */
  onEcho?(flow: Flow): void
  /** Nothing is in flight or to send any more. Without this method the window falls to the initial one (RFC 5681, 4.1). */
  onIdle?(flow: Flow): void
}

/** An algorithm; makes a FlowControl for each flow. */
export interface Algorithm {
  readonly name: string
  /**
   * When `update` is called. 'limited', for windows: as soon as the flow is held back and something was acknowledged, up to four times in a
   * round trip. 'interval', for rates: each control interval (--cc-control-interval) in which the flow is held back or marked, more rarely
   * while it is neither. Never for an idle flow.
   */
  readonly looks: 'limited' | 'interval'
  /**
   * The algorithm lives on the share of bytes that are marked (RFC 8257): connections ask for ECN, and flows that do not get it, or whose
   * path is too long for it, are CUBIC's instead (docs/decisions/0010-dctcp-in-the-data-centre.md).
   */
  readonly usesMarks?: boolean
  /** A flow begins, or comes from another algorithm. May write `cwndBytes` and `rateKbps`. */
  create(flow: Flow): FlowControl
}
