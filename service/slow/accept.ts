/** Connections on their way from a listener to an application. */
import {
  CONTEXT_NONE, EV_LISTEN_ACCEPT, EV_LISTEN_CLOSED, EV_LISTEN_NEWCONN, EV_LISTEN_OPEN, LISTEN_REUSEPORT, LISTEN_SILENT,
} from '../../lib/memif/index.js'
import { seqAdd } from '../../lib/wire/index.js'
import type { AppContext } from './app.js'
import { composeEvent } from './appevent.js'
import { introduce, introduction, setContext } from './appevents.js'
import type { Connection } from './connection.js'
import type { ConnOptions } from './connoptions.js'
import { EADDRINUSE, EADDRNOTAVAIL, ECANCELED, EINVAL } from './errno.js'
import { handOver } from './handover.js'
import { dropHandshake } from './handshakeend.js'
import { Listener } from './listeners.js'
import { synWindow } from './negotiate.js'
import { sendReset } from './reset.js'
import type { Stack } from './stack.js'
import { abortConnection } from './teardown.js'
import { tellUrgent } from './urgent.js'

/** A request to listen. `ip` 0 is any address, `port` 0 any free port. */
export interface ListenRequest {
  readonly handle: number
  readonly ip: number
  readonly port: number
  readonly backlog: number
  readonly flags: number
  /** For the connections that it will accept. */
  readonly options: ConnOptions
}

/** Opens a listener and answers EV_LISTEN_OPEN: 0, EADDRINUSE, EADDRNOTAVAIL or EINVAL (port, or handle in use). */
export function openListener(stack: Stack, context: AppContext, request: ListenRequest): void {
  const { handle, ip } = request
  const isHandleFree = !context.listeners.has(handle)
  const port = request.port === 0 ? choosePort(stack, ip) : request.port
  const isShared = (request.flags & LISTEN_REUSEPORT) !== 0
  const isSilent = (request.flags & LISTEN_SILENT) !== 0
  const listener = new Listener(context, handle, { ip, port }, request.backlog, isShared, request.options, isSilent)
  const status = isHandleFree ? checkedAdd(stack, listener) : EINVAL
  if (status === 0) {
    context.listeners.set(handle, listener)
    context.app.listeners.add(listener)
    stack.stats.add('listeners')
  }
  const answer = composeEvent(EV_LISTEN_OPEN, handle, status)
  answer.localIp = ip
  answer.ports = port & 0xffff
  context.send(answer)
}

function checkedAdd(stack: Stack, listener: Listener): number {
  const { ip, port } = listener.address
  if (port > 0xffff || port < -1 || listener.options.sourceRoute !== null) return EINVAL
  if (port === -1) return EADDRINUSE
  if (ip !== 0 && stack.routes.localIndex(ip) < 0) return EADDRNOTAVAIL
  return stack.listeners.add(listener)
}

function choosePort(stack: Stack, ip: number): number {
  return stack.ports.choose(ip, 0, 0, (port) => !stack.listeners.hasPort(port))
}

/**
 * The handshake of a passive open is complete and `reserveFlow` has been called: the application is told, then the
 * worker gets the flow. EV_LISTEN_NEWCONN, if the listener is not silent, always comes before EV_LISTEN_ACCEPT.
 */
export function establishAccepted(stack: Stack, connection: Connection): void {
  if (connection.listener === null) return
  connection.listener.halfOpen.remove(connection.inQueue)
  const listener = takerOf(stack, connection.listener)
  connection.listener = listener
  stack.connections.setState(connection, 'ESTABLISHED')
  stack.stats.add('connectionsAccepted')
  announce(listener, connection)
  const accept = listener.accepts.shift()
  const rcvAdv = seqAdd(connection.rcvNxt, synWindow(stack))
  if (accept === undefined) {
    listener.waiting.add(connection.inQueue)
    handOver(stack, connection, rcvAdv)
  } else {
    handOver(stack, connection, rcvAdv, give(stack, connection, accept.context, accept.handle))
  }
}

/** Who takes a connection of `listener`: it does, unless nobody waits in its accept and somebody does in that of one that shares its port. */
function takerOf(stack: Stack, listener: Listener): Listener {
  if (listener.accepts.length > 0) return listener
  return stack.listeners.sharing(listener).find(({ accepts }) => accepts.length > 0) ?? listener
}

function announce({ context, handle, isSilent }: Listener, { remoteIp, localIp, remotePort, localPort }: Connection): void {
  if (isSilent) return
  const event = composeEvent(EV_LISTEN_NEWCONN, handle)
  event.remoteIp = remoteIp
  event.localIp = localIp
  event.ports = (remotePort << 16) | localPort
  context.send(event)
}

/**
 * A handle waits in accept: it gets the connection that has waited longest, now or later. Where none waits, one of a listener that shares the
 * port: an idle context takes over from a busy one.
 */
export function acceptNext(stack: Stack, listener: Listener, context: AppContext, handle: number): void {
  const connection = listener.waiting.first ?? takeOver(stack, listener)
  if (connection === null) {
    listener.accepts.push({ context, handle })
    context.accepting.set(handle, listener)
    return
  }
  if (give(stack, connection, context, handle) !== CONTEXT_NONE) setContext(stack, connection, context)
}

/** A connection that waits in another listener of the port, which from now on is `listener`'s; null if there is none. */
function takeOver(stack: Stack, listener: Listener): Connection | null {
  const busy = stack.listeners.sharing(listener).find(({ waiting }) => waiting.first !== null)
  const connection = busy?.waiting.first ?? null
  if (connection === null) return null
  busy?.waiting.remove(connection.inQueue)
  connection.listener = listener
  listener.waiting.add(connection.inQueue)
  announce(listener, connection)
  return connection
}

/** Gives `connection` to the application. Returns the context id for its flow. */
function give(stack: Stack, connection: Connection, context: AppContext, handle: number): number {
  const { listener } = connection
  listener?.waiting.remove(connection.inQueue)
  context.accepting.delete(handle)
  connection.context = context
  connection.handle = handle
  connection.isAppKnown = true
  const event = introduction(stack, connection, EV_LISTEN_ACCEPT)
  event.listener = listener?.handle ?? 0
  if (listener !== null) connection.options = listener.options
  connection.listener = null
  const contextId = introduce(stack, connection, context, event)
  tellUrgent(connection)
  return contextId
}

/** The answer to an accept that gets no connection. */
export function refuseAccept(context: AppContext, handle: number, listener: number, status: number): void {
  const event = composeEvent(EV_LISTEN_ACCEPT, handle, status)
  event.listener = listener
  context.send(event)
}

/** A handle waits in accept no longer. Returns false if it did not. */
export function cancelAccept(context: AppContext, handle: number): boolean {
  const listener = context.accepting.get(handle)
  if (listener === undefined) return false
  context.accepting.delete(handle)
  const at = listener.accepts.findIndex((accept) => accept.context === context && accept.handle === handle)
  if (at >= 0) listener.accepts.splice(at, 1)
  return true
}

/** `context` has ended: it waits in accept no longer. */
export function cancelAccepts(context: AppContext): void {
  for (const listener of new Set(context.accepting.values())) listener.accepts = listener.accepts.filter((accept) => accept.context !== context)
  context.accepting.clear()
}

/**
 * Closes a listener: what waits in it is reset, handles in accept get ECANCELED, then EV_LISTEN_CLOSED with `status`.
 */
export function closeListener(stack: Stack, listener: Listener, status = 0): void {
  const { context, handle } = listener
  stack.listeners.remove(listener)
  context.listeners.delete(handle)
  listener.app.listeners.delete(listener)
  stack.stats.add('listeners', -1)
  for (const connection of listener.halfOpen) {
    sendReset(stack, connection)
    dropHandshake(stack, connection)
  }
  for (const connection of listener.waiting) abortConnection(stack, connection, 0)
  for (const accept of listener.accepts.splice(0)) {
    accept.context.accepting.delete(accept.handle)
    refuseAccept(accept.context, accept.handle, handle, ECANCELED)
  }
  context.send(composeEvent(EV_LISTEN_CLOSED, handle, status))
}
