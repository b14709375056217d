/** bind, connect, and the two addresses. */
import { type SocketAddress, checkAddress } from './address.js'
import { AF_INET } from './constants.js'
import { repeatedError, SocketError, translated } from './errors.js'
import { routeOfOptions } from './ipoptions.js'
import type { TcpSocket } from './socket.js'
import { takeError } from './transfer.js'
import { mayWait, sendDeadline } from './waiting.js'

const ANY: SocketAddress = { family: AF_INET, address: '0.0.0.0', port: 0 }

/** Sockets of this thread that are bound to a port. TAS checks ports when they are used; here a program is told as early as it expects. */
const boundSockets = new Set<TcpSocket>()

/** Remembers the local address, for `connect` or `listen`. Throws SocketError EINVAL, EAFNOSUPPORT, EADDRINUSE. bind(2). */
export function bindSocket(socket: TcpSocket, address: SocketAddress, syscall: string): void {
  checkAddress(address, 0, syscall)
  if (socket.bound !== null || socket.state !== 'idle') throw new SocketError('EINVAL', syscall, 'the socket has an address already')
  const bound = { family: AF_INET, address: address.address, port: address.port }
  for (const other of boundSockets) {
    if (other.bound === null || other.stack.tas !== socket.stack.tas) continue
    if (!overlap(other.bound, bound) || maySharePort(socket, other)) continue
    throw new SocketError('EADDRINUSE', syscall, `${bound.address}:${bound.port} belongs to another socket of this thread`)
  }
  socket.bound = bound
  if (bound.port !== 0) boundSockets.add(socket)
}

function overlap(one: SocketAddress, other: SocketAddress): boolean {
  if (one.port !== other.port) return false
  return one.address === other.address || one.address === ANY.address || other.address === ANY.address
}

/** SO_REUSEPORT on both, or SO_REUSEADDR on both while neither listens (socket(7)). */
function maySharePort(one: TcpSocket, other: TcpSocket): boolean {
  if (one.options.isReusePort && other.options.isReusePort) return true
  return one.options.isReuseAddress && other.options.isReuseAddress && other.state !== 'listening'
}

/** The socket's local port is no longer its own. */
export function unbind(socket: TcpSocket): void {
  boundSockets.delete(socket)
}

/**
 * Connects, waiting unless the socket is non-blocking. Throws SocketError EINPROGRESS, EALREADY, EISCONN, and what the attempt came to.
 * connect(2).
 */
export function connectSocket(socket: TcpSocket, address: SocketAddress, syscall: string): void {
  if (socket.state === 'connecting') {
    if (!mayWait(socket)) socket.stack.poll()
    if (socket.state === 'connecting') {
      if (!mayWait(socket)) throw new SocketError('EALREADY', syscall, 'the connection is being opened')
      awaitConnection(socket, syscall)
      return
    }
  }
  if (socket.error !== 0) throw takeError(socket, syscall)
  if (socket.state !== 'idle') throw new SocketError('EISCONN', syscall, `the socket is ${socket.state}`)
  checkAddress(address, 1, syscall)
  open(socket, address, syscall)
  if (!mayWait(socket)) throw repeatedError('EINPROGRESS', syscall)
  awaitConnection(socket, syscall)
}

function open(socket: TcpSocket, { address, port }: SocketAddress, syscall: string): void {
  const { stack, bound } = socket
  const local = bound === null ? {} : { localAddress: bound.address, localPort: bound.port }
  const sourceRoute = routeOfOptions(socket.options.ipOptions)
  const route = sourceRoute === undefined ? {} : { sourceRoute }
  const connection = translated(syscall, () => stack.context.connect(address, port, { ...socket.options.forConnection(), ...local, ...route }))
  socket.connection = connection
  socket.state = 'connecting'
  stack.enter(connection, socket)
  stack.context.flush()
}

function awaitConnection(socket: TcpSocket, syscall: string): void {
  const deadlineUs = sendDeadline(socket)
  while (socket.state === 'connecting') {
    if (!socket.stack.wait(deadlineUs, syscall)) throw repeatedError('EINPROGRESS', syscall)
  }
  if (socket.error !== 0) throw takeError(socket, syscall)
}

/** The socket's own address. getsockname(2). */
export function localAddressOf(socket: TcpSocket): SocketAddress {
  const { connection, queue, state } = socket
  if (queue !== null) return { family: AF_INET, address: queue.listener.address, port: queue.listener.port }
  if (connection !== null && state !== 'connecting') return { family: AF_INET, address: connection.localAddress, port: connection.localPort }
  return { ...(socket.bound ?? ANY) }
}

/** The peer's address. Throws SocketError ENOTCONN. getpeername(2). */
export function peerAddressOf(socket: TcpSocket, syscall: string): SocketAddress {
  const { connection, state } = socket
  if (connection === null || state !== 'connected') throw new SocketError('ENOTCONN', syscall, 'the socket is not connected')
  return { family: AF_INET, address: connection.remoteAddress, port: connection.remotePort }
}
