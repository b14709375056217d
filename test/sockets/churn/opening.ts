/** Steps of a churn run that make sockets: socket, bind, listen, connect, accept, give_fd, take_fd, move_conn. */
import {
  accept4, AF_INET, connect, getpeername, getsockname, give_fd, listen, move_conn, setsockopt, SO_RCVTIMEO, SO_REUSEPORT, SO_SNDTIMEO,
  SOCK_NONBLOCK, SOCK_STREAM, socket, SOL_SOCKET, take_fd, type HandedSocket,
} from '../../../lib/sockets/index.js'
import { addressOf, type Churn } from './churn.js'
import { closeFd } from './closing.js'
import { demand, Sock } from './model.js'
import type { Thread } from './world.js'

const PORTS = 4
const FIRST_PORT = 80
const TIMEOUTS_US = [3_000, 200_000, 60_000_000]
const US_PER_S = 1_000_000

export function openSocket(churn: Churn, thread: Thread, isNonBlocking = churn.draw.chance(0.6)): Sock {
  const { draw, model } = churn
  const sock = new Sock(thread, isNonBlocking)
  const type = SOCK_STREAM | (isNonBlocking ? SOCK_NONBLOCK : 0)
  const { value: fd } = churn.attempt('socket', thread.name, () => socket(AF_INET, type, 0, thread.stack))
  model.opened(fd, sock)
  sock.receiveTimeoutUs = draw.pick(TIMEOUTS_US)
  sock.sendTimeoutUs = draw.pick(TIMEOUTS_US)
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, timeValue(sock.receiveTimeoutUs))
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, timeValue(sock.sendTimeoutUs))
  return sock
}

function timeValue(us: number): { tv_sec: number; tv_usec: number } {
  return { tv_sec: Math.floor(us / US_PER_S), tv_usec: us % US_PER_S }
}

function somePort({ draw }: Churn): number {
  return FIRST_PORT + draw.below(PORTS)
}

/** A new listener. `listen` waits for TAS. */
export function listenStep(churn: Churn, thread: Thread): void {
  const { draw, model, world } = churn
  const sock = openSocket(churn, thread)
  const fd = churn.fdOf(sock)
  const port = somePort(churn)
  const record = model.port(thread.host, port)
  if (draw.chance(0.5)) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, 1)
  const isBound = churn.bind(sock, port)
  const backlog = draw.pick([1, 2, 8, 64])
  const { code } = isBound ? churn.attempt('listen', `${fd} ${port}`, () => { world.blocking(thread, () => { listen(fd, backlog) }) }) : { code: 'unbound' }
  demand(code === '' || !isBound || (code === 'EADDRINUSE' && record.usedUs > -Infinity), () => `listen ${fd} at ${port}: ${code}`)
  if (code !== '') return closeFd(churn, fd)
  sock.phase = 'listening'
  record.open++
  record.changedUs = record.usedUs = world.nowUs
}

/** Connects a socket, or goes on with one that is connecting. */
export function connectStep(churn: Churn, sock: Sock, mayBlock: boolean): void {
  const { draw, world, model } = churn
  const wasIdle = sock.phase === 'idle'
  if (wasIdle) {
    if (sock.boundPort === 0 && draw.chance(0.2)) churn.bind(sock, 5000 + draw.below(3))
    const host = draw.chance(0.1) ? -1 : draw.below(2)
    sock.target = { host, port: draw.chance(0.1) ? 5000 + draw.below(3) : somePort(churn), startUs: world.nowUs }
    sock.side = model.newSide(world.nowUs)
    sock.side.isBound = sock.boundPort > 0
    if (sock.boundPort > 0) model.port(sock.thread.host, sock.boundPort).usedUs = world.nowUs
  }
  const { target } = sock
  if (target === null || (!sock.isNonBlocking && !mayBlock)) return abandonTarget(sock, wasIdle)
  const fd = churn.fdOf(sock)
  const to = { address: world.address(target.host), port: target.port }
  const run = (): void => { connect(fd, to) }
  const { code, tookUs } = churn.attempt('connect', `${fd} ${to.address}:${to.port}`, () => {
    if (sock.isNonBlocking) run()
    else world.blocking(sock.thread, run)
  })
  if (code === '' || code === 'EISCONN') {
    demand(!sock.isNonBlocking || !wasIdle, () => `connect ${fd}: a non-blocking one came back with ${code}`)
    churn.connected(sock)
  } else if (code === 'EINPROGRESS') {
    demand(wasIdle ? sock.isNonBlocking || tookUs >= sock.sendTimeoutUs : tookUs >= sock.sendTimeoutUs, () => `connect ${fd}: EINPROGRESS after ${tookUs} us`)
    sock.phase = 'connecting'
  } else if (code === 'EALREADY') demand(!wasIdle && sock.isNonBlocking, () => `connect ${fd}: EALREADY`)
  else churn.connectFailed(sock, code)
}

function abandonTarget(sock: Sock, wasIdle: boolean): void {
  if (!wasIdle) return
  if (sock.side !== null) sock.side.isClosed = true
  sock.side = null
  sock.target = null
}

/** Takes a connection. */
export function acceptStep(churn: Churn, listener: Sock, mayBlock: boolean): Sock | null {
  const { draw, world } = churn
  if (!listener.isNonBlocking && !mayBlock) return null
  const fd = churn.fdOf(listener)
  const isNonBlocking = draw.chance(0.6)
  const peer = { address: '', port: 0 }
  const run = (): number => accept4(fd, peer, isNonBlocking ? SOCK_NONBLOCK : 0)
  const { code, value, tookUs } = churn.attempt('accept', `${fd}`, () => listener.isNonBlocking ? run() : world.blocking(listener.thread, run))
  if (code === 'EAGAIN') {
    demand(listener.isNonBlocking || tookUs >= listener.receiveTimeoutUs, () => `accept ${fd}: EAGAIN after ${tookUs} us`)
    return null
  }
  if (code === 'EINVAL' && churn.model.isOrphan(listener)) return null
  demand(code === '', () => `accept ${fd}: ${code}`)
  return accepted(churn, listener, value, isNonBlocking, `${peer.address}:${peer.port}`)
}

function accepted(churn: Churn, listener: Sock, fd: number, isNonBlocking: boolean, peer: string): Sock {
  const { model, world } = churn
  const { thread } = listener
  const sock = new Sock(thread, isNonBlocking)
  sock.phase = 'open'
  sock.receiveTimeoutUs = listener.receiveTimeoutUs
  sock.sendTimeoutUs = listener.sendTimeoutUs
  sock.side = model.newSide(world.nowUs)
  model.opened(fd, sock)
  const local = addressOf(() => getsockname(fd))
  const wanted = `${world.address(thread.host)}:${listener.boundPort}`
  demand(local === wanted, () => `socket ${fd}, accepted at ${wanted}, is at ${local}`)
  const remote = addressOf(() => getpeername(fd))
  demand(remote === '' || remote === peer, () => `socket ${fd}: accept says ${peer}, getpeername ${remote}`)
  model.addressed(sock.side, local, peer)
  churn.checkFlags(sock)
  return sock
}

/** A socket on its way to another thread. */
export interface Handed {
  readonly sock: Sock
  readonly handed: HandedSocket
  readonly isListener: boolean
  /** When it was given. */
  readonly isNonBlocking: boolean
}

/** Gives a socket away. Returns it if it went. */
export function giveStep(churn: Churn, sock: Sock): Handed | null {
  const { model } = churn
  const fd = churn.fdOf(sock)
  const { side } = sock
  const isListener = sock.phase === 'listening'
  let handed: HandedSocket | null = null
  const { code } = churn.attempt('give_fd', `${fd}`, () => { handed = give_fd(fd) })
  if (isListener) demand(code === '' || (code === 'ENOTCONN' && model.isOrphan(sock)), () => `give_fd ${fd}: ${code}`)
  else if (code === 'EBUSY') demand(sock.fds.size > 1 || model.isWatched(sock), () => `give_fd ${fd}: EBUSY`)
  else if (code === 'EINVAL') demand(side?.isFinished === true, () => `give_fd ${fd}: EINVAL`)
  else if (code === 'ENOTCONN') demand(side !== null && (side.hasFailed || side.canBeReset || side.isFinished), () => `give_fd ${fd}: ENOTCONN`)
  else demand(code === '' && sock.fds.size === 1 && !model.isWatched(sock), () => `give_fd ${fd}: ${code}`)
  if (handed === null) return null
  if (!isListener) model.closed(fd)
  return { sock, handed, isListener, isNonBlocking: sock.isNonBlocking }
}

/** Takes in `thread` what was given. `take_fd` waits for TAS. */
export function takeStep(churn: Churn, { sock, handed, isListener, isNonBlocking }: Handed, thread: Thread): void {
  const { model, world } = churn
  const { value: fd, code } = churn.attempt('take_fd', thread.name, () => world.blocking(thread, () => take_fd(structuredClone(handed), thread.stack)))
  demand(code === '', () => `take_fd: ${code}`)
  if (!isListener) {
    sock.thread = thread
    model.opened(fd, sock)
    churn.checkFlags(sock)
    return
  }
  const joined = new Sock(thread, isNonBlocking)
  Object.assign(joined, { phase: 'listening', boundPort: sock.boundPort, receiveTimeoutUs: sock.receiveTimeoutUs, origin: sock.origin ?? sock })
  model.opened(fd, joined)
}

/** To the other stack of its thread. */
export function moveStep(churn: Churn, sock: Sock): void {
  const { model, world } = churn
  const other = world.threads.find(({ owner, stack }) => owner === sock.thread.owner && stack !== sock.thread.stack)
  if (other === undefined) return
  const fd = churn.fdOf(sock)
  const { code } = churn.attempt('move_conn', `${fd} ${other.name}`, () => { world.blocking(sock.thread, () => { move_conn(fd, other.stack) }) })
  const { side } = sock
  if (code === 'EBUSY') demand(model.isWatched(sock), () => `move_conn ${fd}: EBUSY`)
  else if (code === 'ENOTCONN') demand(side !== null && (side.hasFailed || side.canBeReset || side.isFinished), () => `move_conn ${fd}: ENOTCONN`)
  else {
    demand(code === '' && !model.isWatched(sock), () => `move_conn ${fd}: ${code}`)
    sock.thread = other
  }
}
