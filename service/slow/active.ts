/** Active open: our SYN, and what comes back (RFC 9293, 3.10.1 and 3.10.7.3). */
import { EV_CONN_OPEN } from '../../lib/memif/index.js'
import { TCP_ACK, TCP_RST, TCP_SYN } from '../../lib/wire/index.js'
import type { AppContext } from './app.js'
import { composeEvent } from './appevent.js'
import { asksForEcn } from './congestion/algorithms.js'
import { Connection } from './connection.js'
import type { ConnOptions } from './connoptions.js'
import { EADDRINUSE, EADDRNOTAVAIL, ECONNREFUSED, EHOSTUNREACH, EINVAL, ENETUNREACH, ENOBUFS, EPERM } from './errno.js'
import { releaseBuffers, takeBuffers } from './buffersize.js'
import { reserveFlow } from './handover.js'
import { enterSynReceived } from './handshake.js'
import { acknowledgeSynAck, establishOpened, failOpening } from './handshakeend.js'
import type { FourTuple } from './isn.js'
import { measureHandshake } from './handshaketime.js'
import { type Opening, sendUntilAnswered, waitToSend } from './handshaketimer.js'
import { acknowledgesSyn, sendSyn, takeOffer } from './negotiate.js'
import { refuse } from './reset.js'
import type { Segment, Stack } from './stack.js'

/** How often a SYN that asks for ECN is repeated as it is: it may just have been lost. */
const ECN_RETRIES = 2

const SYN: Opening = {
  retriesMax: (stack) => stack.config.tcp.handshakeRetries,
  send: (stack, connection) => {
    // RFC 3168, 6.1.1.1: no reply to a SYN with ECN: ask without it.
    if (connection.retries > ECN_RETRIES) connection.asksEcn = false
    sendSyn(stack, connection)
  },
}

/** A request to connect. `localIp` and `localPort` 0 leave the choice to TAS. */
export interface OpenRequest extends FourTuple {
  readonly handle: number
  readonly options: ConnOptions
}

/** Begins an active open. The answer is EV_CONN_OPEN, now or when the handshake has ended. */
export function openConnection(stack: Stack, context: AppContext, request: OpenRequest): void {
  const connection = prepare(stack, context, request)
  if (typeof connection === 'number') {
    stack.stats.add('connectionsFailed')
    context.send(composeEvent(EV_CONN_OPEN, request.handle, connection))
    return
  }
  stack.connections.add(connection)
  context.app.connections.add(connection.inApp)
  context.opening.set(request.handle, connection)
  stack.connections.setState(connection, 'SYN-SENT')
  if (connection.neighbor === null) return
  waitToSend(stack, connection)
  stack.arp.resolve(connection.neighbor, (found) => onResolved(stack, connection, found))
}

/** A connection with address, port, buffers and neighbour, or the error number that prevents it. */
function prepare(stack: Stack, context: AppContext, request: OpenRequest): Connection | number {
  const { sourceRoute } = request.options
  const refusal = sourceRoute === null ? 0 : routeRefusal(stack, request.remoteIp)
  if (refusal !== 0) return refusal
  const route = stack.routes.chooseVia(request.remoteIp, sourceRoute)
  if (request.remotePort === 0) return EINVAL
  if (route === null) return ENETUNREACH
  const localIp = request.localIp === 0 ? route.sourceIp : request.localIp
  if (stack.routes.localIndex(localIp) < 0) return EADDRNOTAVAIL
  const localPort = choosePort(stack, { ...request, localIp })
  if (localPort < 0) return request.localPort === 0 ? EADDRNOTAVAIL : EADDRINUSE
  const tuple = { ...request, localIp, localPort }
  const connection = new Connection(tuple, true)
  connection.handle = request.handle
  connection.options = request.options
  connection.askedUs = stack.nowUs
  connection.sourceRoute = sourceRoute
  connection.startAt(stack.hash.initialSequence(tuple, stack.nowUs))
  connection.asksEcn = asksForEcn(stack, connection)
  return equip(stack, context, connection, route.nextHop)
}

/** Why a connection to `remoteIp` can have no source route: --ip-source-route was not given, or it does not leave this host. */
function routeRefusal(stack: Stack, remoteIp: number): number {
  if (!stack.config.tcp.sourceRoutes) return EPERM
  return stack.routes.localIndex(remoteIp) >= 0 ? EINVAL : 0
}

function equip(stack: Stack, context: AppContext, connection: Connection, nextHop: number): Connection | number {
  if (stack.flows.available === 0 || !takeBuffers(stack, context.app, connection)) return ENOBUFS
  const neighbor = stack.arp.acquire(nextHop)
  if (neighbor === null) {
    releaseBuffers(context.app, connection)
    return EHOSTUNREACH
  }
  connection.app = context.app
  connection.context = context
  connection.neighbor = neighbor
  return connection
}

function choosePort(stack: Stack, tuple: FourTuple): number {
  const isFree = (localPort: number): boolean => stack.connections.find({ ...tuple, localPort }) === null
  if (tuple.localPort !== 0) return isFree(tuple.localPort) ? tuple.localPort : -1
  const { localIp, remoteIp, remotePort } = tuple
  // A connection to itself (RFC 9293, 3.5, figure 8) is for those who ask for it by naming both ports.
  const isItself = (port: number): boolean => localIp === remoteIp && port === remotePort
  const isGood = (port: number): boolean => !isItself(port) && !stack.listeners.hasPort(port) && isFree(port)
  const choose = (isWanted: (port: number) => boolean): number => stack.ports.choose(localIp, remoteIp, remotePort, isWanted)
  if (stack.steering.active === 1) return choose(isGood)
  // The port decides which worker the answers come to.
  const worker = stack.steering.nextWorker()
  const port = choose((localPort) => stack.steering.workerOf({ ...tuple, localPort }) === worker && isGood(localPort))
  return port >= 0 ? port : choose(isGood)
}

function onResolved(stack: Stack, connection: Connection, found: boolean): void {
  if (connection.state !== 'SYN-SENT') return
  if (!found) return failOpening(stack, connection, EHOSTUNREACH)
  sendUntilAnswered(stack, connection, SYN)
}

/** A segment for a connection in SYN-SENT (RFC 9293, 3.10.7.3). */
export function receiveInSynSent(stack: Stack, connection: Connection, segment: Segment): void {
  const { tcp } = segment
  const hasAck = (tcp.flags & TCP_ACK) !== 0
  if (hasAck && !acknowledgesSyn(connection, tcp.ack)) return refuse(stack, segment)
  if ((tcp.flags & TCP_RST) !== 0) return hasAck ? receiveRefusal(stack, connection) : undefined
  if ((tcp.flags & TCP_SYN) === 0) return
  if (hasAck) return receiveSynAck(stack, connection, segment)
  // Simultaneous open (RFC 9293, 3.5, figure 7).
  takeOffer(stack, connection, tcp)
  enterSynReceived(stack, connection)
}

function receiveRefusal(stack: Stack, connection: Connection): void {
  if (connection.asksEcn) return askWithoutEcn(stack, connection)
  stack.stats.add('resetsReceived')
  failOpening(stack, connection, ECONNREFUSED)
}

/** RFC 3168, 6.1.1.1: a RST in answer to a SYN with ECN may mean the ECN bits only. */
function askWithoutEcn(stack: Stack, connection: Connection): void {
  connection.asksEcn = false
  stack.stats.add('handshakeRetransmits')
  sendSyn(stack, connection)
}

function receiveSynAck(stack: Stack, connection: Connection, segment: Segment): void {
  takeOffer(stack, connection, segment.tcp)
  measureHandshake(stack, connection, segment.tcp.options.timestamps)
  // No TCB at the moment: the peer repeats its SYN-ACK, or the timer ends the attempt.
  if (!reserveFlow(stack, connection)) return
  stack.timers.cancel(connection.timer)
  connection.timer = null
  establishOpened(stack, connection, acknowledgeSynAck(stack, connection))
}
