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

/** Rounds of one direction, for all flows of a worker. What is lost with the worker is measured again. */
export class Rounds {
  /** When the round began, when it was looked at last, when the buffer was said to be too small: low 32 bits of microseconds. */
  private readonly start32: Int32Array
  private readonly look32: Int32Array
  private readonly told32: Int32Array
  /** Where bytes left the buffer when it began. */
  private readonly seq: Int32Array

  constructor(flows: number) {
    this.start32 = new Int32Array(flows)
    this.look32 = new Int32Array(flows)
    this.told32 = new Int32Array(flows)
    this.seq = new Int32Array(flows)
  }

  /** A round begins with a buffer that nothing was said about. Bytes leave it at `seq`. */
  begin(flow: number, seq: number, now32: number): void {
    this.seq[flow] = seq
    this.start32[flow] = now32
    this.look32[flow] = now32
    this.told32[flow] = (now32 - AGAIN_US) | 0
  }

  /** Whether it is worth a look. Unsigned here and below: a flow may have been idle for longer than half of what 32 bits count. */
  isDue(flow: number, now32: number): boolean {
    return (now32 - this.look32[flow]) >>> 0 >= MIN_ROUND_US
  }

  /** Ends the round if a round trip has passed. Returns whether the buffer of `size` bytes is now to be called too small. */
  look(flow: number, seq: number, now32: number, roundTripUs: number, size: number): boolean {
    this.look32[flow] = now32
    const roundUs = Math.max(roundTripUs, MIN_ROUND_US)
    const elapsedUs = (now32 - this.start32[flow]) >>> 0
    if (elapsedUs < roundUs) return false
    const bytes = (seq - this.seq[flow]) | 0
    this.seq[flow] = seq
    this.start32[flow] = now32
    if (!isTooSmall(size, bytes, elapsedUs, roundUs) || (now32 - this.told32[flow]) >>> 0 < AGAIN_US) return false
    this.told32[flow] = now32
    return true
  }
}

/** What is known about the buffers of all flows of a worker. */
export class BufferUse {
  readonly rx: Rounds
  readonly tx: Rounds
  /** For each flow: right edge of the window that was advertised at `edge32`, low 32 bits of microseconds. */
  readonly edge: Int32Array
  readonly edge32: Int32Array
  /** For each flow: shortest time in which an advertised window was used up, microseconds; 0: none yet. */
  readonly tripUs: Int32Array
  /** For each flow: WHAT_RX_USED has been told of the receive buffer in use. */
  readonly usedTold: Uint8Array

  constructor(flows: number) {
    this.rx = new Rounds(flows)
    this.tx = new Rounds(flows)
    this.edge = new Int32Array(flows)
    this.edge32 = new Int32Array(flows)
    this.tripUs = new Int32Array(flows)
    this.usedTold = new Uint8Array(flows)
  }
}

/** A flow is new to this worker. */
export function beginRounds(fast: FastPath, flow: number, tcb: number): void {
  const use = fast.bufferUse
  use.edge[flow] = fast.words[tcb + TCB_RCV_ADV]
  use.edge32[flow] = fast.now32
  use.tripUs[flow] = 0
  beginReceiveRound(fast, flow, tcb)
  beginTransmitRound(fast, flow, tcb)
}

/** Also after the receive buffer was exchanged. */
export function beginReceiveRound(fast: FastPath, flow: number, tcb: number): void {
  fast.bufferUse.usedTold[flow] = 0
  fast.bufferUse.rx.begin(flow, fast.words[tcb + TCB_RCV_READ], fast.now32)
}

/** Also after the transmit buffer was exchanged. */
export function beginTransmitRound(fast: FastPath, flow: number, tcb: number): void {
  fast.bufferUse.tx.begin(flow, fast.words[tcb + TCB_SND_UNA], fast.now32)
}

/** The application has given bytes back. */
export function lookAtReceiveRound(fast: FastPath, flow: number, tcb: number): void {
  const { bufferUse: use, words, now32 } = fast
  if (!use.rx.isDue(flow, now32)) return
  learnTrip(fast, flow, tcb)
  const roundTripUs = words[tcb + TCB_SRTT_US8] >>> 3 || use.tripUs[flow]
  const isLimited = use.rx.look(flow, words[tcb + TCB_RCV_READ], now32, roundTripUs, 1 << fast.bytes[tcb * 4 + TCB_RX_LOG2_U8])
  if (isLimited) fast.tellSlow(flow, tcb, WHAT_RX_LIMITED)
}

/** The application waits for room to write. */
export function lookAtTransmitRound(fast: FastPath, flow: number, tcb: number): void {
  const { bufferUse: use, words, now32 } = fast
  if (!use.tx.isDue(flow, now32)) return
  const roundTripUs = words[tcb + TCB_SRTT_US8] >>> 3
  const isLimited = use.tx.look(flow, words[tcb + TCB_SND_UNA], now32, roundTripUs, 1 << fast.bytes[tcb * 4 + TCB_TX_LOG2_U8])
  if (isLimited) fast.tellSlow(flow, tcb, WHAT_TX_LIMITED)
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
  const { bufferUse: use, words, now32 } = fast
  if (words[tcb + TCB_SRTT_US8] !== 0 || ((words[tcb + TCB_RCV_READ] - use.edge[flow]) | 0) < 0) return
  const tripUs = Math.max(1, (now32 - use.edge32[flow]) | 0)
  const before = use.tripUs[flow]
  use.tripUs[flow] = before === 0 ? tripUs : Math.min(before, tripUs)
  use.edge[flow] = words[tcb + TCB_RCV_ADV]
  use.edge32[flow] = now32
}

/** The receive buffer has become empty after `walked` bytes from its front. */
export function noteUse(fast: FastPath, flow: number, tcb: number, walked: number): void {
  if (walked < USED_BYTES || fast.bufferUse.usedTold[flow] !== 0) return
  fast.bufferUse.usedTold[flow] = 1
  fast.tellSlow(flow, tcb, WHAT_RX_USED)
}
