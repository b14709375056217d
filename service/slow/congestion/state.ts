/** What the control loop keeps of a flow, and the flow as an algorithm sees it. */
import type { Timer } from '../timers.js'
import type { Algorithm, Flow, FlowControl } from './algorithm.js'
import { SSTHRESH_NONE } from './bounds.js'

export class CongestionState {
  algorithm: Algorithm
  control: FlowControl
  /** The user's module has failed on this flow. */
  isDisowned = false
  /** When window and rate were last decided, and how often nothing was acknowledged since. */
  lookedUs = 0
  /** Nothing was decided yet: the first look need not wait. */
  isFresh = true
  waits = 0
  timer: Timer | null = null
  /** SND.MAX when a congestion echo was last answered; null: never. */
  ecnPoint: number | null = null

  // Counters: the words of the TCB at the last decision, and totals until then.
  ackedWord = 0
  ecnWord = 0
  totalAckedBytes = 0
  totalEcnBytes = 0
  losses = 0
  timeouts = 0
  retransmits = 0

  constructor(algorithm: Algorithm, control: FlowControl) {
    this.algorithm = algorithm
    this.control = control
  }
}

/** A Flow that can be filled; one serves all calls, since it is good for one call only. */
export class FlowView implements Flow {
  nowUs = 0
  mss = 0
  rttUs = 0
  minRttUs = 0
  inFlightBytes = 0
  intervalUs = 0
  ackedBytes = 0
  ecnBytes = 0
  totalAckedBytes = 0
  totalEcnBytes = 0
  losses = 0
  retransmits = 0
  timeouts = 0
  isLimited = false
  cwndBytes = 0
  ssthreshBytes = SSTHRESH_NONE
  rateKbps = 0
}
