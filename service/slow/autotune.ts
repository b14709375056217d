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
import { eventAbout } from './appevents.js'
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

/** One of the two buffers of a connection, and how its exchange is ordered. */
interface Side {
  readonly move: 'rxMove' | 'txMove'
  readonly place: 'buffer' | 'txBuffer'
  readonly log2: 'rxLog2' | 'txLog2'
  /** Words of the row in the table of moves. */
  readonly moveState: number
  readonly moveBuffer: number
  readonly moveLog2: number
  /** log2 of the buffer that it would get now if it needed more. */
  readonly grown: (stack: Stack, app: App, connection: Connection) => number
  /** Whether the application reads its events, if it is the one to change. */
  readonly mayOrder: (connection: Connection) => boolean
  readonly order: (stack: Stack, connection: Connection, piece: Grant) => void
}

/** The receive buffer, which the worker changes. */
export const RX_BUFFER: Side = {
  move: 'rxMove', place: 'buffer', log2: 'rxLog2', moveState: MOVE_RX_STATE, moveBuffer: MOVE_RX_BUFFER, moveLog2: MOVE_RX_LOG2,
  grown: grownRx,
  mayOrder: () => true,
  order: (stack, connection) => stack.workers[connection.worker].flow(TO_FAST_FLOW_RX_BUFFER, connection),
}

/** The transmit buffer, which the application changes. */
export const TX_BUFFER: Side = {
  move: 'txMove', place: 'txBuffer', log2: 'txLog2', moveState: MOVE_TX_STATE, moveBuffer: MOVE_TX_BUFFER, moveLog2: MOVE_TX_LOG2,
  grown: grownTx,
  mayOrder: ({ context }) => context !== null && !context.isBlocked,
  order: (_, connection, { place, log2 }) => {
    const event = eventAbout(connection, EV_CONN_TX_BUFFER)
    event.txBuffer = place
    event.sizes = log2 << 8
    connection.context?.send(event)
  },
}

/** WHAT_RX_LIMITED, WHAT_TX_LIMITED: the buffer is too small. */
export function onLimited(stack: Stack, connection: Connection, side: Side): void {
  const app = appOf(connection)
  if (app === null) return
  const log2 = side.grown(stack, app, connection)
  if (log2 > connection[side.log2] && grant(stack, app, connection, side, log2, false)) stack.stats.add('bufferGrowths')
}

/** A piece for a connection, without pages if it is for an idle one: what is free may have those of whoever had it before. */
function pieceFor(app: App, log2: number, isTrim: boolean): Grant | null {
  const place = app.allocate(2 ** log2)
  if (place < 0) return null
  if (isTrim) app.discard(place, 2 ** log2)
  return { place, log2, isTrim }
}

/** Grants a buffer. Returns false if one is granted already, there is no room, or the application does not read its events. */
function grant(stack: Stack, app: App, connection: Connection, side: Side, log2: number, isTrim: boolean): boolean {
  if (connection[side.move] !== null || !side.mayOrder(connection)) return false
  const piece = pieceFor(app, log2, isTrim)
  if (piece === null) return false
  connection[side.move] = piece
  const { flows } = stack
  flows.setMove(connection, side.moveBuffer, piece.place)
  flows.setMove(connection, side.moveLog2, log2)
  flows.setMove(connection, side.moveState, MOVE_GRANTED)
  side.order(stack, connection, piece)
  return true
}

/** The application may not have heard of the transmit buffer that is granted. */
export function orderAgain(stack: Stack, connection: Connection): void {
  const { txMove } = connection
  if (txMove !== null && stack.flows.move(connection, MOVE_TX_STATE) === MOVE_GRANTED) TX_BUFFER.order(stack, connection, txMove)
}

/** WHAT_RX_MOVED, WHAT_TX_MOVED: what the table says counts, since a worker that took over may say it twice. */
export function onMoved(stack: Stack, connection: Connection, side: Side): void {
  const { app, [side.move]: piece, [side.place]: place, [side.log2]: log2 } = connection
  if (app === null || piece === null || stack.flows.move(connection, side.moveState) !== MOVE_DONE) return
  stack.flows.setMove(connection, side.moveState, MOVE_NONE)
  connection[side.move] = null
  connection[side.place] = piece.place
  connection[side.log2] = piece.log2
  retire(app, place, log2, piece.isTrim)
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
  const isTxUsed = ackedSince(stack, connection, connection.ackedAtTrim) >= USED_BYTES
  const isTxDone = !isTxUsed || trim(stack, app, connection, TX_BUFFER, initialTx(stack, app, connection))
  if (isTxUsed && isTxDone) connection.ackedAtTrim = acked
  // Of the same size, since the peer knows the window (RFC 9293, 3.8.6: it must not shrink). It happens once the buffer is empty.
  const isRxDone = !connection.isRxUsed || trim(stack, app, connection, RX_BUFFER, connection.rxLog2)
  if (isRxDone) connection.isRxUsed = false
  // No room, an exchange under way, or an application that is behind, perhaps with what thousands of connections want of it at a time.
  if (!isTxDone || !isRxDone) awaitIdle(stack, connection)
}

/** Returns whether a buffer without pages is granted, now or before. */
function trim(stack: Stack, app: App, connection: Connection, side: Side, log2: number): boolean {
  if (connection[side.move]?.isTrim === true) return true
  if (!grant(stack, app, connection, side, log2, true)) return false
  stack.stats.add('bufferTrims')
  return true
}
