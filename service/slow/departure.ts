/** How what applications and contexts leave behind ends. */
import { CONTEXT_NONE, TO_FAST_FLOW_CONTEXT } from '../../lib/memif/index.js'
import { cancelAccepts, closeListener } from './accept.js'
import type { AppContext } from './app.js'
import type { Connection } from './connection.js'
import { abortHandshake } from './handshakeend.js'
import { serveLastRequests } from './requests.js'
import type { Stack } from './stack.js'
import { abortConnection, closeByApp } from './teardown.js'

/** Ends a connection that nobody will close, in whatever state it is; one that was being closed in good order is reset as well. */
export function abandon(stack: Stack, connection: Connection): void {
  if (connection.isOpening) return abortHandshake(stack, connection)
  if (connection.phase === 'worker') abortConnection(stack, connection, 0)
  closeByApp(stack, connection, true)
}

/**
 * A context has ended, and its application goes on. What it had asked to close is closed in good order, since the buffers are the application's;
 * its other connections are reset, its listeners closed. Nothing is sent to it any more.
 */
export function endContext(stack: Stack, context: AppContext): void {
  context.end()
  serveLastRequests(stack, context)
  for (const listener of [...context.listeners.values()]) closeListener(stack, listener)
  cancelAccepts(context)
  for (const connection of context.app.connections) if (connection.context === context) leaveBehind(stack, connection)
}

/** The worker first: it must not wait for room in a ring that nobody reads. */
function leaveBehind(stack: Stack, connection: Connection): void {
  if (connection.isWithWorker) stack.workers[connection.worker].flow(TO_FAST_FLOW_CONTEXT, connection, CONTEXT_NONE)
  if (!connection.isAppClosed) abandon(stack, connection)
  connection.context = null
}
