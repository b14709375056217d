/** Requests of applications. All that they say is checked: type, handle, flow, generation, owner, context. */
import {
  APP_SLOW_ENTRY_WORDS, AS_BACKLOG, AS_CONTEXT, AS_FLAGS, AS_FLOW, AS_GEN_WORKER, AS_HANDLE, AS_LISTENER, AS_LOCAL_IP,
  AS_OPTION, AS_PORTS, AS_REMOTE_IP, AS_TYPE, AS_VALUE, CLOSE_ABORT, CLOSE_LINGER, CONTEXT_NONE, EV_CONN_CLOSED, EV_CONN_INFO,
  EV_CONN_MOVED, EV_CONN_OPEN, EV_CONN_OPTION, EV_LISTEN_OPEN, MOVE_HANDED, MOVE_LET_GO, OPTION_VALUES_MAX, REQ_CONN_CLOSE, REQ_CONN_INFO,
  REQ_CONN_MOVE, REQ_CONN_OPEN, REQ_CONN_OPTION, REQ_LISTEN_ACCEPT, REQ_LISTEN_CLOSE, REQ_LISTEN_OPEN, TO_FAST_FLOW_CONTEXT,
} from '../../lib/memif/index.js'
import { acceptNext, cancelAccept, closeListener, openListener, refuseAccept } from './accept.js'
import { openConnection } from './active.js'
import type { AppContext } from './app.js'
import { composeEvent } from './appevent.js'
import { answerTo, type Asked, eventAbout, introduce, sendInfo, setContext } from './appevents.js'
import { orderAgain } from './autotune.js'
import type { Connection } from './connection.js'
import { EINVAL, ENOTCONN } from './errno.js'
import { abortHandshake } from './handshakeend.js'
import { linger } from './linger.js'
import type { Listener } from './listeners.js'
import { changeOption } from './optionchange.js'
import type { Stack } from './stack.js'
import { connectionInfo } from './tcpinfo.js'
import { closeByApp } from './teardown.js'
import { tellUrgent } from './urgent.js'

/** Requests of one context in one poll. */
const REQUESTS_PER_POLL = 64

/** Requests whose effect outlives the context that asks. */
const LAST_REQUESTS = new Set([REQ_CONN_CLOSE, REQ_CONN_MOVE, REQ_CONN_OPTION])

/** A copy of the entry: the application could change the original while we look at it. */
const entry = new Int32Array(APP_SLOW_ENTRY_WORDS)

/** Serves waiting requests of `context`; none while its answers have no room. Returns how many. */
export function serveRequests(stack: Stack, context: AppContext): number {
  let served = 0
  while (served < REQUESTS_PER_POLL && !context.isBlocked && !context.app.isGone && take(context)) {
    served++
    serveEntry(stack, context)
  }
  return served
}

/**
 * Serves what a context that has ended had asked for before, as far as its connections go on without it. At most as much as its ring holds:
 * somebody may go on writing.
 */
export function serveLastRequests(stack: Stack, context: AppContext): void {
  for (let left = context.requestsMax; left > 0 && take(context); left--) {
    if (LAST_REQUESTS.has(entry[AS_TYPE])) serveEntry(stack, context)
  }
}

/** Takes the next request. Returns false if there is none. */
function take({ requests }: AppContext): boolean {
  const at = requests.peek()
  if (at < 0) return false
  for (let i = 0; i < APP_SLOW_ENTRY_WORDS; i++) entry[i] = requests.words[at + i]
  requests.next()
  return true
}

function serveEntry(stack: Stack, context: AppContext): void {
  stack.stats.add('appRequests')
  if (!serve(stack, context)) complain(stack, context)
}

/** Returns false for a request that makes no sense. */
function serve(stack: Stack, context: AppContext): boolean {
  switch (entry[AS_TYPE]) {
    case REQ_LISTEN_OPEN: return listenOpen(stack, context)
    case REQ_LISTEN_CLOSE: return listenClose(stack, context)
    case REQ_LISTEN_ACCEPT: return listenAccept(stack, context)
    case REQ_CONN_OPEN: return connOpen(stack, context)
    case REQ_CONN_CLOSE: return connClose(stack, context)
    case REQ_CONN_MOVE: return connMove(stack, context)
    case REQ_CONN_OPTION: return connOption(stack, context)
    case REQ_CONN_INFO: return connInfo(stack, context)
    default: return false
  }
}

function complain(stack: Stack, { app, id }: AppContext): void {
  stack.stats.add('appBadRequests')
  if (!stack.complaintLimit.allow(stack.nowUs)) return
  const fields = { app: app.id, name: app.name, pid: app.pid, context: id, type: entry[AS_TYPE] }
  stack.log.warn(fields, 'senseless request of an application')
}

function listenOpen(stack: Stack, context: AppContext): boolean {
  const handle = entry[AS_HANDLE]
  const port = entry[AS_PORTS]
  const { options, status } = context.takeStaged(handle)
  if (status !== 0) {
    context.send(composeEvent(EV_LISTEN_OPEN, handle, status))
    return true
  }
  openListener(stack, context, {
    handle, options, ip: entry[AS_LOCAL_IP], port: port < 0 ? 0x10000 : port,
    backlog: entry[AS_BACKLOG], flags: entry[AS_FLAGS],
  })
  return true
}

function listenClose(stack: Stack, context: AppContext): boolean {
  const listener = context.listeners.get(entry[AS_HANDLE])
  if (listener) closeListener(stack, listener)
  return listener !== undefined
}

function listenAccept(stack: Stack, context: AppContext): boolean {
  const handle = entry[AS_HANDLE]
  const listener = entry[AS_CONTEXT] === 0 ? context.listeners.get(entry[AS_LISTENER]) : joinedListener(context)
  const isHandleFree = !context.accepting.has(handle)
  if (listener && isHandleFree) acceptNext(stack, listener, context, handle)
  else refuseAccept(context, handle, entry[AS_LISTENER], EINVAL)
  // A listener may be closed while the request is on its way; the same handle twice is a mistake.
  return isHandleFree
}

/** That of another context, null if it is closed: the context, and the handle, may be somebody else's by now. */
function joinedListener({ app }: AppContext): Listener | null {
  const listener = app.context(entry[AS_CONTEXT] - 1)?.listeners.get(entry[AS_LISTENER]) ?? null
  return listener?.address.ip === entry[AS_LOCAL_IP] && listener.address.port === entry[AS_PORTS] ? listener : null
}

function connOpen(stack: Stack, context: AppContext): boolean {
  const handle = entry[AS_HANDLE]
  const { options, status } = context.takeStaged(handle)
  if (context.opening.has(handle) || status !== 0) {
    context.send(composeEvent(EV_CONN_OPEN, handle, status || EINVAL))
    return status !== 0
  }
  const ports = entry[AS_PORTS]
  openConnection(stack, context, {
    handle, options, remoteIp: entry[AS_REMOTE_IP], remotePort: ports >>> 16, localIp: entry[AS_LOCAL_IP], localPort: ports & 0xffff,
  })
  return true
}

function connClose(stack: Stack, context: AppContext): boolean {
  const isAbort = (entry[AS_FLAGS] & CLOSE_ABORT) !== 0
  if (entry[AS_FLOW] === -1) return closeUnopened(stack, context, isAbort)
  const connection = named(stack, context)
  if (connection === null) return isLate(stack, context)
  closeAndLinger(stack, connection, isAbort)
  return true
}

function closeAndLinger(stack: Stack, connection: Connection, isAbort: boolean, finIsOurs = false): void {
  if (connection.isAppClosed) return
  closeByApp(stack, connection, isAbort, finIsOurs)
  if ((entry[AS_FLAGS] & CLOSE_LINGER) !== 0) linger(stack, connection, Math.max(entry[AS_VALUE], 0))
}

function connOption(stack: Stack, context: AppContext): boolean {
  const handle = entry[AS_HANDLE]
  const flow = entry[AS_FLOW]
  const option = entry[AS_OPTION]
  const values = [...entry.subarray(AS_VALUE, AS_VALUE + OPTION_VALUES_MAX)]
  if (flow === -1) {
    context.stageOption(handle, option, values, stack.algorithms.choices)
    return true
  }
  const connection = named(stack, context)
  const status = connection === null ? ENOTCONN : changeOption(stack, connection, option, values)
  const answer = answerTo(asked(), EV_CONN_OPTION, status)
  answer.values = [option]
  context.send(answer)
  return connection === null ? isLate(stack, context) : status !== EINVAL
}

/** The answer goes to the context that asks: if it does not read, no more of its requests are served. */
function connInfo(stack: Stack, context: AppContext): boolean {
  const connection = named(stack, context)
  if (connection !== null) {
    sendInfo(context, asked(), connectionInfo(stack, connection))
    return true
  }
  context.send(answerTo(asked(), EV_CONN_INFO, ENOTCONN))
  return isLate(stack, context)
}

/** What the request says of a connection. */
function asked(): Asked {
  return { handle: entry[AS_HANDLE], flow: entry[AS_FLOW], genWorker: entry[AS_GEN_WORKER] }
}

/** The connection that the request names, if it is this application's. */
function named(stack: Stack, context: AppContext): Connection | null {
  const connection = stack.flows.find(entry[AS_FLOW], entry[AS_GEN_WORKER])
  if (connection === null || connection.app !== context.app || !connection.isAppKnown) return null
  return connection.handle === entry[AS_HANDLE] ? connection : null
}

/** A flow that has ended meanwhile is no mistake of the application; an impossible one, or another's, is. */
function isLate(stack: Stack, context: AppContext): boolean {
  const flow = entry[AS_FLOW]
  if (flow < 0 || flow >= stack.state.shape.flows) return false
  const present = stack.flows.find(flow, entry[AS_GEN_WORKER])
  return present === null || present.app === null || (present.app === context.app && !present.isAppKnown)
}

/** Ends an attempt to connect or a pending accept; the answer is EV_CONN_CLOSED with flow -1 and status 0. */
function closeUnopened(stack: Stack, context: AppContext, isAbort: boolean): boolean {
  const handle = entry[AS_HANDLE]
  const opening = context.opening.get(handle)
  if (opening) {
    endOpening(stack, context, opening, isAbort)
  } else if (!cancelAccept(context, handle)) {
    closeJustOpened(stack, context, handle, isAbort)
    return true
  }
  context.send(composeEvent(EV_CONN_CLOSED, handle))
  return true
}

/** CLOSE and ABORT before a connection is open (RFC 9293, 3.10.4 and 3.10.5). */
function endOpening(stack: Stack, context: AppContext, opening: Connection, isAbort: boolean): void {
  if (opening.state === 'SYN-RECEIVED' && !isAbort) {
    // The peer has our SYN: its handshake is brought to an end, and our FIN follows.
    context.opening.delete(opening.handle)
    opening.context = null
    return
  }
  abortHandshake(stack, opening)
}

/** The request crossed the event that says the connection is open. One that failed meanwhile needs nothing. */
function closeJustOpened(stack: Stack, context: AppContext, handle: number, isAbort: boolean): void {
  for (const connection of context.app.connections) {
    if (connection.context !== context || connection.handle !== handle || !connection.isAppKnown) continue
    // The library did not know the flow, so it cannot have sent a FIN.
    return closeAndLinger(stack, connection, isAbort, true)
  }
}

function connMove(stack: Stack, context: AppContext): boolean {
  const connection = named(stack, context)
  const isHanded = (entry[AS_FLAGS] & MOVE_HANDED) !== 0
  if (connection === null) {
    if (isHanded) context.send(answerTo({ ...asked(), handle: entry[AS_VALUE] }, EV_CONN_MOVED, ENOTCONN))
    return isLate(stack, context)
  }
  if ((entry[AS_FLAGS] & MOVE_LET_GO) !== 0) return letGo(stack, context, connection)
  const target = context.app.context(entry[AS_CONTEXT])
  if (target === null) {
    context.send(eventAbout(connection, EV_CONN_MOVED, EINVAL))
    return false
  }
  connection.context = target
  if (isHanded) connection.handle = entry[AS_VALUE]
  if (introduce(stack, connection, target, eventAbout(connection, EV_CONN_MOVED)) !== CONTEXT_NONE) setContext(stack, connection, target)
  if (isHanded) tellAgain(stack, connection)
  return true
}

/** No thread has the connection until one asks for it, unless one has done so already. */
function letGo(stack: Stack, context: AppContext, connection: Connection): boolean {
  if (connection.context !== context) return true
  connection.context = null
  if (connection.isWithWorker) stack.workers[connection.worker].flow(TO_FAST_FLOW_CONTEXT, connection, CONTEXT_NONE)
  return true
}

/** What the context before was told while no thread had the connection, it has not read. */
function tellAgain(stack: Stack, connection: Connection): void {
  orderAgain(stack, connection)
  tellUrgent(connection)
}
