/** What loss recovery keeps of a connection from the first sign of loss until everything sent by then is acknowledged. */
import type { Timer } from '../timers.js'
import { Scoreboard } from './scoreboard.js'

export type RecoveryState =
  /** Something arrived out of order; nothing is lost yet. */
  | 'disorder'
  /** A tail loss probe is under way (RFC 8985, 7). */
  | 'probe'
  /** Fast recovery (RFC 5681, 3.2; RFC 6675). */
  | 'recovery'
  /** After a retransmission timeout (RFC 5681, 3.1). */
  | 'loss'

/** What is restored if a reduction turns out to be without reason. */
export interface Undo {
  readonly cwnd: number
  readonly ssthresh: number
  /** Timestamp of the first retransmission (RFC 3522). */
  readonly tsVal: number
}

export class Recovery {
  state: RecoveryState = 'disorder'
  readonly board: Scoreboard
  /** SND.MAX when recovery began: it ends when this is acknowledged. Of a probe: its end. */
  point = 0
  /** Duplicate acknowledgments in a row, of a peer without SACK. */
  duplicates = 0
  undo: Undo | null = null
  /** Bytes sent again since recovery began, and those of them that the peer had twice (RFC 2883). */
  resentBytes = 0
  dsackBytes = 0
  /** When something was sent again last. */
  resentUs = 0
  /** Proportional rate reduction (RFC 6937, 3): flight size as it begins; since the disorder before it: delivered, sent again, SND.MAX then. */
  prrFlight = 0
  prrDelivered = 0
  prrResent = 0
  prrMark = 0
  /** Highest number sent once that has arrived, and sending time of the latest resent one: what RACK compares with. */
  lastOriginal: number
  lastResentUs = 0
  /** Fires when a hole has been one for too long (RFC 8985, 6.2 step 5). */
  reorderTimer: Timer | null = null

  constructor(una: number) {
    this.board = new Scoreboard(una)
    this.lastOriginal = una
  }
}
