/**
 * A flow changes to another buffer while it runs (lib/memif/moves.ts). The receive buffer changes when nothing is out of order: what
 * arrives from then on goes into the new one. The transmit buffer changes with the bump that names the new one, in which the
 * application has put all that is not acknowledged. An application can name no piece but the one granted to this very flow.
 */
import {
  FLAG_FIN_RECEIVED, MOVE_DONE, MOVE_GRANTED, MOVE_RX_BUFFER, MOVE_RX_LOG2, MOVE_RX_SEQ, MOVE_RX_STATE, MOVE_SWITCHED, MOVE_SWITCHING,
  MOVE_TX_BUFFER, MOVE_TX_LOG2, MOVE_TX_STATE, MOVE_WORDS, TCB_BUFFER, TCB_FLAGS, TCB_OOO_END, TCB_OOO_START, TCB_RCV_NXT,
  TCB_RCV_READ, TCB_RX_BASE, TCB_RX_LOG2_U8, TCB_TX_BUFFER, TCB_TX_LOG2_U8, WHAT_RX_MOVED, WHAT_TX_MOVED,
} from '../../lib/memif/index.js'
import type { FastPath } from './fastpath.js'
import { beginReceiveRound, beginTransmitRound } from './rightsize.js'

function rowOf(fast: FastPath, flow: number): number {
  return fast.state.places.movesWord + flow * MOVE_WORDS
}

// ---- receive ----

/** The slow path has granted a receive buffer (TO_FAST_FLOW_RX_BUFFER): looked at once this pass's copies are done. */
export function orderReceiveMove(fast: FastPath, flow: number): void {
  fast.rxMoving[flow] = 1
  fast.rxOrdered.push(flow)
}

/** When copies are done: begins the exchanges that were ordered in this pass. */
export function beginReceiveMoves(fast: FastPath): void {
  if (fast.rxOrdered.length === 0) return
  for (const flow of fast.rxOrdered) moveReceive(fast, flow, fast.tcb(flow))
  fast.rxOrdered.length = 0
}

/** Goes on with an exchange that is under way (`rxMoving`): after an order, and whenever the application has given bytes back. */
export function moveReceive(fast: FastPath, flow: number, tcb: number): void {
  const { words } = fast
  const row = rowOf(fast, flow)
  // With a copy outstanding, a worker that takes over could count bytes before the switch as not yet received (copyjournal.ts).
  if (words[row + MOVE_RX_STATE] === MOVE_GRANTED && fast.copies === 0 && canSwitchReceive(words, tcb)) {
    words[row + MOVE_RX_SEQ] = words[tcb + TCB_RCV_NXT]
    words[row + MOVE_RX_STATE] = MOVE_SWITCHING
    switchReceive(fast, tcb, row)
    beginReceiveRound(fast, flow, tcb)
    // The window has grown: the peer may be waiting for that.
    fast.listAck(flow, tcb)
  }
  if (words[row + MOVE_RX_STATE] !== MOVE_SWITCHED) return
  // The application may still look at bytes in the old buffer that it has not given back.
  if (((words[tcb + TCB_RCV_READ] - words[row + MOVE_RX_SEQ]) | 0) < 0) return
  words[row + MOVE_RX_STATE] = MOVE_DONE
  fast.rxMoving[flow] = 0
  fast.tellSlow(flow, tcb, WHAT_RX_MOVED)
}

/**
 * The application must know buffer and base in use before there are others, or it would look for unread bytes in the wrong place: it
 * does if it has given back something that came since they were set, or nothing has come.
 */
function canSwitchReceive(words: Int32Array, tcb: number): boolean {
  if ((words[tcb + TCB_FLAGS] & FLAG_FIN_RECEIVED) !== 0 || words[tcb + TCB_OOO_START] !== words[tcb + TCB_OOO_END]) return false
  const base = words[tcb + TCB_RX_BASE]
  return words[tcb + TCB_RCV_READ] !== base || words[tcb + TCB_RCV_NXT] === base
}

/** Writes the TCB anew from the row; doing it twice does no harm. */
function switchReceive(fast: FastPath, tcb: number, row: number): void {
  const { words } = fast
  words[tcb + TCB_BUFFER] = words[row + MOVE_RX_BUFFER]
  fast.bytes[tcb * 4 + TCB_RX_LOG2_U8] = words[row + MOVE_RX_LOG2]
  words[tcb + TCB_RX_BASE] = words[row + MOVE_RX_SEQ]
  words[row + MOVE_RX_STATE] = MOVE_SWITCHED
}

// ---- transmit ----

/** log2 of the transmit buffer that a bump names as `buffer`: the one granted to this flow; -1 for any other. */
export function grantedTransmitLog2(fast: FastPath, flow: number, buffer: number): number {
  const row = rowOf(fast, flow)
  if (fast.words[row + MOVE_TX_STATE] !== MOVE_GRANTED || fast.words[row + MOVE_TX_BUFFER] !== buffer) return -1
  return fast.words[row + MOVE_TX_LOG2]
}

/** The application has changed to the transmit buffer that was granted. */
export function moveTransmit(fast: FastPath, flow: number, tcb: number): void {
  const row = rowOf(fast, flow)
  fast.words[row + MOVE_TX_STATE] = MOVE_SWITCHING
  switchTransmit(fast, tcb, row)
  beginTransmitRound(fast, flow, tcb)
  fast.txMoved.push(flow)
}

function switchTransmit(fast: FastPath, tcb: number, row: number): void {
  const { words } = fast
  words[tcb + TCB_TX_BUFFER] = words[row + MOVE_TX_BUFFER]
  fast.bytes[tcb * 4 + TCB_TX_LOG2_U8] = words[row + MOVE_TX_LOG2]
  words[row + MOVE_TX_STATE] = MOVE_SWITCHED
}

/** At the end of a pass in which ports took every header slot and no local frame waits: nothing names an old transmit buffer any more. */
export function finishTransmitMoves(fast: FastPath): void {
  if (fast.txMoved.length === 0 || fast.txEnd !== 0 || fast.loop.pending > 0) return
  for (const flow of fast.txMoved) endTransmitMove(fast, flow)
  fast.txMoved.length = 0
}

function endTransmitMove(fast: FastPath, flow: number): void {
  const row = rowOf(fast, flow)
  // The index may be another flow's by now.
  if (fast.words[row + MOVE_TX_STATE] !== MOVE_SWITCHED) return
  fast.words[row + MOVE_TX_STATE] = MOVE_DONE
  fast.tellSlow(flow, fast.tcb(flow), WHAT_TX_MOVED)
}

// ---- a worker that takes over ----

/** Finishes what an earlier worker process began on a flow. What it has told may not have arrived. */
export function adoptMoves(fast: FastPath, flow: number, tcb: number): void {
  const { words } = fast
  const row = rowOf(fast, flow)
  if (words[row + MOVE_RX_STATE] === MOVE_SWITCHING) switchReceive(fast, tcb, row)
  if (words[row + MOVE_TX_STATE] === MOVE_SWITCHING) switchTransmit(fast, tcb, row)
  const receive = words[row + MOVE_RX_STATE]
  if (receive === MOVE_GRANTED || receive === MOVE_SWITCHED) orderReceiveMove(fast, flow)
  else if (receive === MOVE_DONE) fast.tellSlow(flow, tcb, WHAT_RX_MOVED)
  endTransmitMove(fast, flow)
  if (words[row + MOVE_TX_STATE] === MOVE_DONE) fast.tellSlow(flow, tcb, WHAT_TX_MOVED)
}
