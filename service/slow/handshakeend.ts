/** How a handshake ends: as a connection of its application, or with an error. */
import { EV_CONN_OPEN } from '../../lib/memif/index.js'
import { seqAdd } from '../../lib/wire/index.js'
import { composeEvent } from './appevent.js'
import { introduce, introduction } from './appevents.js'
import type { Connection } from './connection.js'
import { releaseBuffers } from './buffersize.js'
import { handOver } from './handover.js'
import { sendAck } from './negotiate.js'
import { sendReset } from './reset.js'
import { reportedError } from './softerror.js'
import type { Stack } from './stack.js'
import { closeByApp, resumeTimeWait } from './teardown.js'

/** Forgets a connection that never got a flow, and all that it held. */
export function releaseHandshake(stack: Stack, connection: Connection): void {
  stack.timers.cancel(connection.timer)
  connection.timer = null
  stack.connections.setState(connection, 'CLOSED')
  stack.connections.remove(connection)
  connection.listener?.halfOpen.remove(connection.inQueue)
  connection.app?.connections.remove(connection.inApp)
  connection.context?.opening.delete(connection.handle)
  if (connection.neighbor) stack.arp.release(connection.neighbor)
  connection.neighbor = null
  if (connection.buffer >= 0 && connection.app !== null) releaseBuffers(connection.app, connection)
}

/** Ends a handshake: a peer that has heard our sequence number gets a RST. */
export function abortHandshake(stack: Stack, connection: Connection): void {
  if (connection.state === 'SYN-RECEIVED') sendReset(stack, connection)
  releaseHandshake(stack, connection)
}

/** A handshake came to nothing. An accept never fails for that: the program hears nothing of a passive open. */
export function failHandshake(stack: Stack, connection: Connection, error: number): void {
  if (connection.isActive) failOpening(stack, connection, error)
  else dropHandshake(stack, connection)
}

/** A passive open came to nothing; the application never knew of it. */
export function dropHandshake(stack: Stack, connection: Connection): void {
  const { follows } = connection
  stack.stats.add('connectionsFailed')
  releaseHandshake(stack, connection)
  if (follows) resumeTimeWait(stack, follows)
}

/** An active open failed: its application gets EV_CONN_OPEN with the error. */
export function failOpening(stack: Stack, connection: Connection, error: number): void {
  const { context, handle } = connection
  stack.stats.add('connectionsFailed')
  const status = reportedError(stack, connection, error)
  releaseHandshake(stack, connection)
  context?.send(composeEvent(EV_CONN_OPEN, handle, status))
}

/**
 * An active open succeeded; `reserveFlow` has been called. Our acknowledgment goes out at once, the application
 * is told, the worker gets the flow. `rcvAdv` is the right edge of the window the peer knows.
 */
export function establishOpened(stack: Stack, connection: Connection, rcvAdv: number): void {
  const { context, handle } = connection
  context?.opening.delete(handle)
  connection.isAppKnown = context !== null
  stack.connections.setState(connection, 'ESTABLISHED')
  stack.stats.add('connectionsOpened')
  if (context === null) return closeOrphan(stack, connection, rcvAdv)
  handOver(stack, connection, rcvAdv, introduce(stack, connection, context, introduction(stack, connection, EV_CONN_OPEN)))
}

/** The application has closed it before it was open: our FIN follows at once (RFC 9293, 3.10.4, SYN-RECEIVED). */
function closeOrphan(stack: Stack, connection: Connection, rcvAdv: number): void {
  handOver(stack, connection, rcvAdv)
  closeByApp(stack, connection, false, true)
}

/** The acknowledgment of a SYN-ACK. Returns the right edge of the window it advertises. */
export function acknowledgeSynAck(stack: Stack, connection: Connection): number {
  const field = Math.min(2 ** (connection.rxLog2 - connection.rcvWscale), 0xffff)
  sendAck(stack, connection, field)
  return seqAdd(connection.rcvNxt, field * 2 ** connection.rcvWscale)
}
