/**
 * Which buffers are too small: dynamic right-sizing (Fisk and Feng, "Dynamic right-sizing in TCP", 2001), for both directions. A
 * buffer that was filled and emptied by half or more within a round trip held the flow back; the slow path is told and grants a
 * larger one. Looked at when bumps are applied and only when a round is over: the common case pays one comparison.
 */
import {
  TCB_RCV_ADV, TCB_RX_LOG2_U8, TCB_RCV_READ, TCB_SND_UNA, TCB_SRTT_US8, TCB_TX_LOG2_U8, WHAT_RX_LIMITED, WHAT_RX_USED, WHAT_TX_LIMITED,
} from '../../lib/memif/index.js'
import type { FastPath } from './fastpath.js'

/** Shortest round, microseconds: below it the round trip is that of the application, not of the network. */
const MIN_ROUND_US = 250
/** How soon a buffer that did not become larger may be complained about again. */
const AGAIN_US = 1_000_000
/** A round that lasted longer began before a pause and says nothing. */
const STALE_US = 50_000
/**
 * Up to this size a buffer is too small also if it was used up in more than a round trip: whoever shares a CPU with the application
 * gets his turn in between, and a cache still holds it (docs/decisions/0008).
 */
const LENIENT_BYTES = 1 << 20
/** Walked further than this, a receive buffer is worth giving back when the connection is idle. */
const USED_BYTES = 32_768

/** The rounds of all flows of a worker. What is lost with the worker is measured again. */
export class Rounds {
  /** When the round began, when it was looked at last, when WHAT_RX_LIMITED was told: low 32 bits of microseconds. */
  readonly rxStart32: Int32Array
  readonly rxLook32: Int32Array
  readonly rxTold32: Int32Array
  /** TCB_RCV_READ when it began. */
  readonly rxSeq: Int32Array
  /** Right edge of the window that was advertised at `rxEdge32`. */
  readonly rxEdge: Int32Array
  readonly rxEdge32: Int32Array
  /** Shortest time in which an advertised window was used up, microseconds; 0: none yet. */
  readonly rxTripUs: Int32Array
  readonly txStart32: Int32Array
  readonly txLook32: Int32Array
  readonly txTold32: Int32Array
  /** SND.UNA when it began. */
  readonly txSeq: Int32Array
  /** WHAT_RX_USED has been told of the receive buffer in use. */
  readonly rxUsedTold: Uint8Array

  constructor(flows: number) {
    this.rxStart32 = new Int32Array(flows)
    this.rxLook32 = new Int32Array(flows)
    this.rxTold32 = new Int32Array(flows)
    this.rxSeq = new Int32Array(flows)
    this.rxEdge = new Int32Array(flows)
    this.rxEdge32 = new Int32Array(flows)
    this.rxTripUs = new Int32Array(flows)
    this.txStart32 = new Int32Array(flows)
    this.txLook32 = new Int32Array(flows)
    this.txTold32 = new Int32Array(flows)
    this.txSeq = new Int32Array(flows)
    this.rxUsedTold = new Uint8Array(flows)
  }
}

/** A flow is new to this worker. */
export function beginRounds(fast: FastPath, flow: number, tcb: number): void {
  const { rounds } = fast
  rounds.rxEdge[flow] = fast.words[tcb + TCB_RCV_ADV]
  rounds.rxEdge32[flow] = fast.now32
  rounds.rxTripUs[flow] = 0
  beginReceiveRound(fast, flow, tcb)
  beginTransmitRound(fast, flow, tcb)
}

/** Also after the receive buffer was exchanged. */
export function beginReceiveRound(fast: FastPath, flow: number, tcb: number): void {
  const { rounds } = fast
  rounds.rxUsedTold[flow] = 0
  rounds.rxSeq[flow] = fast.words[tcb + TCB_RCV_READ]
  rounds.rxStart32[flow] = fast.now32
  rounds.rxLook32[flow] = fast.now32
  rounds.rxTold32[flow] = (fast.now32 - AGAIN_US) | 0
}

/** Also after the transmit buffer was exchanged. */
export function beginTransmitRound(fast: FastPath, flow: number, tcb: number): void {
  const { rounds } = fast
  rounds.txSeq[flow] = fast.words[tcb + TCB_SND_UNA]
  rounds.txStart32[flow] = fast.now32
  rounds.txLook32[flow] = fast.now32
  rounds.txTold32[flow] = (fast.now32 - AGAIN_US) | 0
}

/** The application has given bytes back. */
export function lookAtReceiveRound(fast: FastPath, flow: number, tcb: number): void {
  const { rounds, now32 } = fast
  // Unsigned here and below: a flow may have been idle for longer than half of what 32 bits count.
  if ((now32 - rounds.rxLook32[flow]) >>> 0 >= MIN_ROUND_US) receiveRound(fast, flow, tcb)
}

function receiveRound(fast: FastPath, flow: number, tcb: number): void {
  const { rounds, now32 } = fast
  rounds.rxLook32[flow] = now32
  learnTrip(fast, flow, tcb)
  const roundUs = Math.max(fast.words[tcb + TCB_SRTT_US8] >>> 3 || rounds.rxTripUs[flow], MIN_ROUND_US)
  const elapsedUs = (now32 - rounds.rxStart32[flow]) >>> 0
  if (elapsedUs < roundUs) return
  const read = fast.words[tcb + TCB_RCV_READ]
  const bytes = (read - rounds.rxSeq[flow]) | 0
  rounds.rxSeq[flow] = read
  rounds.rxStart32[flow] = now32
  if (!isTooSmall(1 << fast.bytes[tcb * 4 + TCB_RX_LOG2_U8], bytes, elapsedUs, roundUs)) return
  if ((now32 - rounds.rxTold32[flow]) >>> 0 < AGAIN_US) return
  rounds.rxTold32[flow] = now32
  fast.tellSlow(flow, tcb, WHAT_RX_LIMITED)
}

/** The application waits for room to write. */
export function lookAtTransmitRound(fast: FastPath, flow: number, tcb: number): void {
  const { rounds, now32 } = fast
  if ((now32 - rounds.txLook32[flow]) >>> 0 >= MIN_ROUND_US) transmitRound(fast, flow, tcb)
}

function transmitRound(fast: FastPath, flow: number, tcb: number): void {
  const { rounds, now32 } = fast
  rounds.txLook32[flow] = now32
  const roundUs = Math.max(fast.words[tcb + TCB_SRTT_US8] >>> 3, MIN_ROUND_US)
  const elapsedUs = (now32 - rounds.txStart32[flow]) >>> 0
  if (elapsedUs < roundUs) return
  const una = fast.words[tcb + TCB_SND_UNA]
  const bytes = (una - rounds.txSeq[flow]) | 0
  rounds.txSeq[flow] = una
  rounds.txStart32[flow] = now32
  if (!isTooSmall(1 << fast.bytes[tcb * 4 + TCB_TX_LOG2_U8], bytes, elapsedUs, roundUs)) return
  if ((now32 - rounds.txTold32[flow]) >>> 0 < AGAIN_US) return
  rounds.txTold32[flow] = now32
  fast.tellSlow(flow, tcb, WHAT_TX_LIMITED)
}

function isTooSmall(size: number, bytes: number, elapsedUs: number, roundUs: number): boolean {
  if (2 * bytes < size) return false
  if (elapsedUs <= 2 * roundUs || (size < LENIENT_BYTES && elapsedUs <= STALE_US)) return true
  return 2 * bytes * roundUs >= size * elapsedUs
}

/**
 * A receiver that sends nothing has no SRTT. What stands at the right edge of a window was sent after that window was advertised, so its
 * arrival is a round trip later or more; the least such time is taken.
 */
function learnTrip(fast: FastPath, flow: number, tcb: number): void {
  const { rounds, words, now32 } = fast
  if (words[tcb + TCB_SRTT_US8] !== 0 || ((words[tcb + TCB_RCV_READ] - rounds.rxEdge[flow]) | 0) < 0) return
  const tripUs = Math.max(1, (now32 - rounds.rxEdge32[flow]) | 0)
  const before = rounds.rxTripUs[flow]
  rounds.rxTripUs[flow] = before === 0 ? tripUs : Math.min(before, tripUs)
  rounds.rxEdge[flow] = words[tcb + TCB_RCV_ADV]
  rounds.rxEdge32[flow] = now32
}

/** The receive buffer has become empty after `walked` bytes from its front. */
export function noteUse(fast: FastPath, flow: number, tcb: number, walked: number): void {
  if (walked < USED_BYTES || fast.rounds.rxUsedTold[flow] !== 0) return
  fast.rounds.rxUsedTold[flow] = 1
  fast.tellSlow(flow, tcb, WHAT_RX_USED)
}
