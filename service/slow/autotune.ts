/**
 * Buffers that follow what a connection needs. Workers say which are too small (service/fast/rightsize.ts): they are exchanged for
 * larger ones while the connection goes on (lib/memif/moves.ts). A connection that has been idle exchanges buffers that were used for
 * ones without pages; nothing is ever taken from under a worker or an application.
 *
 *   WHAT_RX_LIMITED, idle -> row GRANTED, TO_FAST_FLOW_RX_BUFFER -> WHAT_RX_MOVED -> the old piece is released
 *   WHAT_TX_LIMITED, idle -> row GRANTED, EV_CONN_TX_BUFFER -> a bump names it -> WHAT_TX_MOVED -> the old piece is released
 */
import {
  EV_CONN_TX_BUFFER, MOVE_DONE, MOVE_GRANTED, MOVE_NONE, MOVE_RX_BUFFER, MOVE_RX_LOG2, MOVE_RX_STATE, MOVE_TX_BUFFER, MOVE_TX_LOG2,
  MOVE_TX_STATE, TCB_ACKED_BYTES, TCB_RCV_NXT, TCB_SND_END, TO_FAST_FLOW_RX_BUFFER,
} from '../../lib/memif/index.js'
import type { App } from './app.js'
import { nameOf } from './appevents.js'
import { grownRx, grownTx, initialTx } from './buffersize.js'
import type { Connection, Grant } from './connection.js'
import { ackedSince } from './flowstate.js'
import type { Stack } from './stack.js'
import { Timer } from './timers.js'

/** A connection is idle when it has neither received nor written anything for so long, microseconds. */
export const IDLE_US = 5_000_000
/** Less than this was not worth having pages for. */
const USED_BYTES = 32_768

/** The application of a connection whose buffers can be exchanged, or null. */
function appOf(connection: Connection): App | null {
  const { app } = connection
  return connection.phase === 'worker' && app !== null && !app.isGone && connection.isAppKnown && !connection.isAppClosed ? app : null
}

/** WHAT_RX_LIMITED. */
export function onRxLimited(stack: Stack, connection: Connection): void {
  const app = appOf(connection)
  if (app === null) return
  const log2 = grownRx(stack, app, connection)
  if (log2 > connection.rxLog2 && grantRx(stack, app, connection, log2, false)) stack.stats.add('bufferGrowths')
}

/** WHAT_TX_LIMITED. */
export function onTxLimited(stack: Stack, connection: Connection): void {
  const app = appOf(connection)
  if (app === null) return
  const log2 = grownTx(stack, app, connection)
  if (log2 > connection.txLog2 && grantTx(stack, app, connection, log2, false)) stack.stats.add('bufferGrowths')
}

/** A piece for a connection, without pages if it is for an idle one: what is free may have those of whoever had it before. */
function pieceFor(app: App, log2: number, isTrim: boolean): Grant | null {
  const place = app.allocate(2 ** log2)
  if (place < 0) return null
  if (isTrim) app.discard(place, 2 ** log2)
  return { place, log2, isTrim }
}

/** Grants a receive buffer. Returns false if one is granted already, or there is no room. */
function grantRx(stack: Stack, app: App, connection: Connection, log2: number, isTrim: boolean): boolean {
  const piece = connection.rxMove === null ? pieceFor(app, log2, isTrim) : null
  if (piece === null) return false
  connection.rxMove = piece
  const { flows } = stack
  flows.setMove(connection, MOVE_RX_BUFFER, piece.place)
  flows.setMove(connection, MOVE_RX_LOG2, log2)
  flows.setMove(connection, MOVE_RX_STATE, MOVE_GRANTED)
  stack.workers[connection.worker].flow(TO_FAST_FLOW_RX_BUFFER, connection)
  return true
}

/** Grants a transmit buffer. Returns false if one is granted already, there is no room, or the application does not read its events. */
function grantTx(stack: Stack, app: App, connection: Connection, log2: number, isTrim: boolean): boolean {
  const { context } = connection
  if (connection.txMove !== null || context === null || context.isBlocked) return false
  const piece = pieceFor(app, log2, isTrim)
  if (piece === null) return false
  connection.txMove = piece
  const { flows } = stack
  flows.setMove(connection, MOVE_TX_BUFFER, piece.place)
  flows.setMove(connection, MOVE_TX_LOG2, log2)
  flows.setMove(connection, MOVE_TX_STATE, MOVE_GRANTED)
  context.send({ ...nameOf(connection), type: EV_CONN_TX_BUFFER, txBuffer: piece.place, sizes: log2 << 8 })
  return true
}

/** WHAT_RX_MOVED: what the table says counts, since a worker that took over may say it twice. */
export function onRxMoved(stack: Stack, connection: Connection): void {
  const { app, rxMove } = connection
  if (app === null || rxMove === null || stack.flows.move(connection, MOVE_RX_STATE) !== MOVE_DONE) return
  stack.flows.setMove(connection, MOVE_RX_STATE, MOVE_NONE)
  const { buffer, rxLog2 } = connection
  connection.rxMove = null
  connection.buffer = rxMove.place
  connection.rxLog2 = rxMove.log2
  retire(app, buffer, rxLog2, rxMove.isTrim)
}

/** WHAT_TX_MOVED. */
export function onTxMoved(stack: Stack, connection: Connection): void {
  const { app, txMove } = connection
  if (app === null || txMove === null || stack.flows.move(connection, MOVE_TX_STATE) !== MOVE_DONE) return
  stack.flows.setMove(connection, MOVE_TX_STATE, MOVE_NONE)
  const { txBuffer, txLog2 } = connection
  connection.txMove = null
  connection.txBuffer = txMove.place
  connection.txLog2 = txMove.log2
  retire(app, txBuffer, txLog2, txMove.isTrim)
}

/** A piece that nobody uses any more; that of an idle connection gives its pages back at once. */
function retire(app: App, place: number, log2: number, isTrim: boolean): void {
  if (app.isGone) return
  if (isTrim) app.discard(place, 2 ** log2)
  app.release(place, 2 ** log2, isTrim)
}

// ---- idle connections ----

/** WHAT_RX_USED: the receive buffer has pages. */
export function onRxUsed(stack: Stack, connection: Connection): void {
  connection.isRxUsed = true
  awaitIdle(stack, connection)
}

/** Nothing is in flight or to send any more. */
export function onQuiet(stack: Stack, connection: Connection): void {
  if (ackedSince(stack, connection, connection.ackedAtTrim) >= USED_BYTES) awaitIdle(stack, connection)
}

function awaitIdle(stack: Stack, connection: Connection): void {
  if (appOf(connection) === null) return
  connection.idleTimer ??= new Timer(() => lookIdle(stack, connection))
  if (connection.idleTimer.isSet) return
  connection.idleMark = markOf(stack, connection)
  stack.timers.set(connection.idleTimer, stack.nowUs + IDLE_US)
}

/** A number that is another one once something was received or written. */
function markOf(stack: Stack, connection: Connection): number {
  const { flows } = stack
  return (flows.word(connection, TCB_RCV_NXT) >>> 0) * 2 ** 20 + (flows.word(connection, TCB_SND_END) & 0xfffff)
}

function lookIdle(stack: Stack, connection: Connection): void {
  const app = appOf(connection)
  if (app === null) return
  if (markOf(stack, connection) !== connection.idleMark) return awaitIdle(stack, connection)
  const acked = stack.flows.word(connection, TCB_ACKED_BYTES)
  if (ackedSince(stack, connection, connection.ackedAtTrim) >= USED_BYTES && trimTx(stack, app, connection)) connection.ackedAtTrim = acked
  if (connection.isRxUsed && trimRx(stack, app, connection)) connection.isRxUsed = false
}

/** Of the same size, since the peer knows the window (RFC 9293, 3.8.6: it must not shrink). It happens once the buffer is empty. */
function trimRx(stack: Stack, app: App, connection: Connection): boolean {
  if (!grantRx(stack, app, connection, connection.rxLog2, true)) return false
  stack.stats.add('bufferTrims')
  return true
}

function trimTx(stack: Stack, app: App, connection: Connection): boolean {
  if (!grantTx(stack, app, connection, initialTx(stack, app, connection), true)) return false
  stack.stats.add('bufferTrims')
  return true
}
