/**
 * How connections end.
 *
 *   worker: WHAT_FIN_*            state           then
 *   both FINs done          ->    TIME-WAIT or CLOSED, FLOW_REMOVE
 *   RST, time-outs, abort   ->    CLOSED, FLOW_REMOVE (and a RST to the peer once the numbers are final)
 *   TO_SLOW_FLOW_REMOVED    ->    settle: buffers and TCB are free again, EV_CONN_CLOSED
 *
 * EV_CONN_CLOSED is sent exactly once to an application that knows the connection: after an error at once,
 * after an orderly end only when the application has sent REQ_CONN_CLOSE, since until then it may read
 * received bytes from the buffer. After an error the buffer stays until the application has read the event.
 */
import {
  TCB_RCV_NXT, TCB_TS_RECENT, TO_FAST_FLOW_FIN, TO_FAST_FLOW_REMOVE, TO_FAST_FLOW_RX_SHUT, TRACE_FLOW, TRACE_FLOW_REMOVED,
} from '../../lib/memif/index.js'
import { sendClosed } from './appevents.js'
import type { App } from './app.js'
import { endControl } from './congestion/control.js'
import type { Connection } from './connection.js'
import { detachBuffers, releaseBuffers } from './buffersize.js'
import { ECONNRESET } from './errno.js'
import { endPath } from './pathmtu.js'
import { sendFlowReset } from './reset.js'
import { reportedError } from './softerror.js'
import type { Stack } from './stack.js'
import { Timer } from './timers.js'
import { traceConnection, traceTimer } from './tracing.js'

/** How long an application's FIN may take from its library to the worker before we send one, microseconds. */
const FIN_PATIENCE_US = 5_000_000

/** Our FIN is queued (CLOSE call, RFC 9293, 3.10.4). */
export function finQueued(stack: Stack, connection: Connection): void {
  if (connection.state === 'ESTABLISHED') stack.connections.setState(connection, 'FIN-WAIT-1')
  else if (connection.state === 'CLOSE-WAIT') stack.connections.setState(connection, 'LAST-ACK')
  else return
  stack.timers.cancel(connection.closeTimer)
}

/** Our FIN is acknowledged (RFC 9293, 3.10.7.4, fifth). */
export function finAcked(stack: Stack, connection: Connection): void {
  if (connection.state === 'CLOSING') return enterTimeWait(stack, connection)
  if (connection.state === 'LAST-ACK') return finish(stack, connection)
  if (connection.state !== 'FIN-WAIT-1') return
  stack.connections.setState(connection, 'FIN-WAIT-2')
  if (connection.isAppClosed) limitFinWait2(stack, connection)
}

/** The peer's FIN arrived in order (RFC 9293, 3.10.7.4, eighth). */
export function finReceived(stack: Stack, connection: Connection): void {
  if (connection.state === 'ESTABLISHED') stack.connections.setState(connection, 'CLOSE-WAIT')
  else if (connection.state === 'FIN-WAIT-1') stack.connections.setState(connection, 'CLOSING')
  else if (connection.state === 'FIN-WAIT-2') enterTimeWait(stack, connection)
}

/**
 * The application closes its end. Its library has told the worker (BUMP_FIN, BUMP_RX_SHUT); `finIsOurs` says that it could not
 * know the flow yet. With `isAbort` the peer gets a RST instead (ABORT call, RFC 9293, 3.10.5).
 */
export function closeByApp(stack: Stack, connection: Connection, isAbort: boolean, finIsOurs = false): void {
  // A second CLOSE does nothing; ABORT still ends what CLOSE began.
  if (connection.isAppClosed && !isAbort) return
  connection.isAppClosed = true
  if (connection.phase === 'kept') return settle(stack, connection)
  if (connection.phase !== 'worker') return
  // RFC 9293, 3.10.5: where both sides have closed nothing is reset, the connection is only forgotten.
  if (isAbort) return abortConnection(stack, connection, 0, connection.state !== 'CLOSING' && connection.state !== 'LAST-ACK')
  const { state } = connection
  const worker = stack.workers[connection.worker]
  if (connection.mayReceive) worker.value(TO_FAST_FLOW_RX_SHUT, connection, finIsOurs ? 1 : 0, 0)
  if (state === 'FIN-WAIT-2') return limitFinWait2(stack, connection)
  if (state !== 'ESTABLISHED' && state !== 'CLOSE-WAIT') return
  if (finIsOurs) worker.flow(TO_FAST_FLOW_FIN, connection)
  else closeAfter(stack, connection, FIN_PATIENCE_US, () => endForApp(stack, connection))
}

/** The application has not said to its worker that it closes, though it has to us. */
function endForApp(stack: Stack, connection: Connection): void {
  const worker = stack.workers[connection.worker]
  worker.value(TO_FAST_FLOW_RX_SHUT, connection, 1, 0)
  worker.flow(TO_FAST_FLOW_FIN, connection)
}

function closeAfter(stack: Stack, connection: Connection, afterUs: number, action: () => void): void {
  stack.timers.cancel(connection.closeTimer)
  connection.closeTimer = new Timer(action)
  stack.timers.set(connection.closeTimer, stack.nowUs + afterUs)
}

/** Nobody reads any more, so a peer that never sends its FIN is not waited for for ever. */
function limitFinWait2(stack: Stack, connection: Connection): void {
  closeAfter(stack, connection, stack.config.tcp.finWait2Us, () => finish(stack, connection))
}

/**
 * Ends a connection that a worker has. `error` goes to the application, a RST to the peer unless `resetPeer` is false.
 */
export function abortConnection(stack: Stack, connection: Connection, error: number, resetPeer = true): void {
  if (connection.phase !== 'worker') return
  connection.error = reportedError(stack, connection, error)
  connection.resetPeer = resetPeer
  finish(stack, connection)
}

/** The peer has sent something that nobody will read (RFC 1122, 4.2.2.13; RFC 2525, 2.17). */
export function resetUnread(stack: Stack, connection: Connection): void {
  stack.stats.add('connectionsReset')
  abortConnection(stack, connection, ECONNRESET)
}

function finish(stack: Stack, connection: Connection): void {
  stack.connections.setState(connection, 'CLOSED')
  removeFlow(stack, connection)
}

function enterTimeWait(stack: Stack, connection: Connection): void {
  const { timeWaits } = stack.connections
  const oldest = timeWaits.first
  // They cost memory for a minute each, and a peer can make us have as many as it likes.
  if (oldest !== null && timeWaits.size >= stack.config.tcp.timeWaitMax) endTimeWait(stack, oldest)
  stack.connections.setState(connection, 'TIME-WAIT')
  removeFlow(stack, connection)
  connection.timer = new Timer(() => {
    traceTimer(stack.trace, connection, 'time-wait')
    endTimeWait(stack, connection)
  })
  restartTimeWait(stack, connection)
}

/** TIME-WAIT begins again: the peer's FIN came once more (RFC 9293, 3.10.7.4, eighth). */
export function restartTimeWait(stack: Stack, connection: Connection): void {
  if (connection.timer) stack.timers.set(connection.timer, stack.nowUs + stack.config.tcp.timeWaitUs)
}

/** The SYN for which TIME-WAIT stood aside was an old one (RFC 9293, 3.6.1 (2)). */
export function resumeTimeWait(stack: Stack, connection: Connection): void {
  stack.connections.setState(connection, 'TIME-WAIT')
  stack.connections.add(connection)
  restartTimeWait(stack, connection)
}

/** The four-tuple is free again. */
export function endTimeWait(stack: Stack, connection: Connection): void {
  stack.timers.cancel(connection.timer)
  stack.connections.setState(connection, 'CLOSED')
  stack.connections.remove(connection)
}

function removeFlow(stack: Stack, connection: Connection): void {
  connection.phase = 'removing'
  connection.isWatched = false
  endPath(stack, connection)
  connection.listener?.waiting.remove(connection.inQueue)
  endControl(stack, connection)
  const { timers } = stack
  timers.cancel(connection.timer)
  timers.cancel(connection.closeTimer)
  timers.cancel(connection.idleTimer)
  timers.cancel(connection.keepTimer)
  timers.cancel(connection.lingerTimer)
  timers.cancel(connection.recovery?.reorderTimer)
  stack.workers[connection.worker].flow(TO_FAST_FLOW_REMOVE, connection)
}

/** The worker has let go of the TCB (TO_SLOW_FLOW_REMOVED). */
export function onFlowRemoved(stack: Stack, connection: Connection): void {
  if (connection.phase !== 'removing') return
  stack.flows.markFree(connection)
  traceConnection(stack.trace, TRACE_FLOW, TRACE_FLOW_REMOVED, connection)
  connection.sndNxt = stack.flows.sndMax(connection)
  connection.rcvNxt = stack.flows.word(connection, TCB_RCV_NXT)
  connection.tsRecent = stack.flows.word(connection, TCB_TS_RECENT)
  if (connection.resetPeer) sendFlowReset(stack, connection)
  if (connection.neighbor) stack.arp.release(connection.neighbor)
  connection.neighbor = null
  if (connection.state !== 'TIME-WAIT') stack.connections.remove(connection)
  if (connection.app !== null) connection.app.flows--
  settle(stack, connection)
}

/** Gives back what the connection holds, as soon as nobody can be using it. */
function settle(stack: Stack, connection: Connection): void {
  const { app } = connection
  if (connection.isAppKnown && !connection.isAppClosed && connection.error === 0) {
    connection.phase = 'kept'
    return
  }
  stack.stats.add('connectionsClosed')
  if (app !== null && !app.isGone) giveBackBuffer(app, connection)
  stack.flows.giveBack(connection)
  connection.phase = 'none'
  connection.app = null
  // TIME-WAIT lasts a minute, and there may be many: it must not keep an application's memory alive, nor what a flow alone needs.
  connection.context = null
  connection.listener = null
  connection.congestion = null
  connection.recovery = null
  connection.closeTimer = null
  connection.idleTimer = null
  connection.keepTimer = null
  connection.lingerTimer = null
  app?.connections.remove(connection.inApp)
  if (app?.isGone) stack.apps.flowsGone(app)
}

function giveBackBuffer(app: App, connection: Connection): void {
  const { context } = connection
  if (!connection.isAppKnown || context === null) return releaseBuffers(app, connection)
  if (connection.isAppClosed) {
    releaseBuffers(app, connection)
    return sendClosed(connection, connection.error)
  }
  const release = detachBuffers(app, connection)
  sendClosed(connection, connection.error, () => context.holdUntilRead(release))
}
