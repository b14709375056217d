/** Calls from `socket` to `close`, under their C names. docs/sockets.md says what is different. */
import { acceptSocket, listenSocket } from './accepting.js'
import { fillAddress, type SocketAddress } from './address.js'
import { shutdownSocket } from './closing.js'
import { bindSocket, connectSocket, localAddressOf, peerAddressOf } from './connecting.js'
import { AF_INET, IPPROTO_TCP, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } from './constants.js'
import { descriptors } from './descriptors.js'
import { SocketError } from './errors.js'
import { socketOf } from './lookup.js'
import { moveSocket } from './moving.js'
import { TcpSocket } from './socket.js'
import { init, type Stack } from './stack.js'

const TYPE_FLAGS = SOCK_NONBLOCK | SOCK_CLOEXEC

/**
 * Makes a TCP socket, of `stack` where there are several. Connects to TAS if `init` has not. Returns its descriptor. Throws SocketError
 * EAFNOSUPPORT, EPROTONOSUPPORT, EINVAL, EMFILE. socket(2).
 */
export function socket(domain: number, type: number, protocol = 0, stack: Stack = init()): number {
  if (domain !== AF_INET) throw new SocketError('EAFNOSUPPORT', 'socket', `domain ${domain}: want AF_INET (${AF_INET})`)
  if ((type & ~TYPE_FLAGS) !== SOCK_STREAM) throw new SocketError('EPROTONOSUPPORT', 'socket', `type ${type}: want SOCK_STREAM (${SOCK_STREAM})`)
  if (protocol !== 0 && protocol !== IPPROTO_TCP) throw new SocketError('EPROTONOSUPPORT', 'socket', `protocol ${protocol}: want IPPROTO_TCP`)
  return descriptors.add(new TcpSocket(stack, (type & SOCK_NONBLOCK) !== 0), (type & SOCK_CLOEXEC) !== 0, 'socket')
}

/** Closes a descriptor of a socket or epoll set. Throws SocketError EBADF. close(2). */
export function close(fd: number): void {
  descriptors.remove(fd, 'close')
}

/** Ends receiving, sending or both (`how`: SHUT_*). Throws SocketError ENOTCONN, EINVAL. shutdown(2). */
export function shutdown(fd: number, how: number): void {
  shutdownSocket(socketOf(fd, 'shutdown'), how, 'shutdown')
}

/** Gives the socket its local address. Throws SocketError EINVAL, EADDRINUSE, EAFNOSUPPORT. bind(2). */
export function bind(fd: number, address: SocketAddress): void {
  bindSocket(socketOf(fd, 'bind'), address, 'bind')
}

/** Opens a connection. Throws SocketError EINPROGRESS, EALREADY, EISCONN, ECONNREFUSED, ETIMEDOUT, ... connect(2). */
export function connect(fd: number, address: SocketAddress): void {
  connectSocket(socketOf(fd, 'connect'), address, 'connect')
}

/** Waits for connections from now on, at most `backlog` not accepted ones. Throws SocketError EADDRINUSE, EADDRNOTAVAIL, EINVAL. listen(2). */
export function listen(fd: number, backlog: number): void {
  listenSocket(socketOf(fd, 'listen'), backlog, 'listen')
}

/** Takes a connection; `peer`, if given, gets its address. Returns its descriptor. Throws SocketError EAGAIN, EINVAL, EMFILE. accept(2). */
export function accept(fd: number, peer: SocketAddress | null = null): number {
  return acceptAs(fd, peer, 0, 'accept')
}

/** As `accept`, with SOCK_NONBLOCK and SOCK_CLOEXEC for the new descriptor. accept4(2). */
export function accept4(fd: number, peer: SocketAddress | null, flags: number): number {
  if ((flags & ~TYPE_FLAGS) !== 0) throw new SocketError('EINVAL', 'accept4', `flags ${flags}: want SOCK_NONBLOCK or SOCK_CLOEXEC`)
  return acceptAs(fd, peer, flags, 'accept4')
}

function acceptAs(fd: number, peer: SocketAddress | null, flags: number, syscall: string): number {
  const child = acceptSocket(socketOf(fd, syscall), syscall)
  child.isNonBlocking = (flags & SOCK_NONBLOCK) !== 0
  const { connection } = child
  if (peer !== null && connection !== null) fillAddress(peer, connection.remoteAddress, connection.remotePort)
  return descriptors.add(child, (flags & SOCK_CLOEXEC) !== 0, syscall)
}

/** The local address; 0.0.0.0 and port 0 where there is none yet. Throws SocketError EBADF, ENOTSOCK. getsockname(2). */
export function getsockname(fd: number): SocketAddress {
  return localAddressOf(socketOf(fd, 'getsockname'))
}

/** The peer's address. Throws SocketError ENOTCONN. getpeername(2). */
export function getpeername(fd: number): SocketAddress {
  return peerAddressOf(socketOf(fd, 'getpeername'), 'getpeername')
}

/**
 * Hands the socket's connection over to `stack`, the one of `init` if left out: its events arrive at that stack's context from then on. The
 * descriptor stays. Throws SocketError ENOTCONN, EBUSY while an epoll set watches it, EXDEV if the stack belongs to another Tas. tas_move_conn
 * of the original.
 */
export function move_conn(fd: number, stack: Stack = init()): void {
  moveSocket(socketOf(fd, 'move_conn'), stack, 'move_conn')
}
