/**
 * Sockets from one thread to another that shares the application (`Stack.share`, `init({ share })`): what SCM_RIGHTS of unix(7) is between
 * processes. `postMessage` carries what `give_fd` returns.
 */
import { constants } from 'node:os'
import type { HandedConnection, HandedListener } from '../tas/index.js'
import { AcceptQueue } from './accepting.js'
import type { SocketAddress } from './address.js'
import { descriptors } from './descriptors.js'
import { SocketError, translated } from './errors.js'
import { socketOf } from './lookup.js'
import { SocketOptions, type PackedOptions } from './options.js'
import { TcpSocket } from './socket.js'
import { init, type Stack } from './stack.js'

const { ECONNRESET, ENOTCONN } = constants.errno

/** A socket on its way to another thread. Its fields are for `take_fd` alone. */
export interface HandedSocket {
  readonly connection: HandedConnection | null
  readonly listener: HandedListener | null
  readonly backlog: number
  readonly bound: SocketAddress | null
  readonly options: PackedOptions
  readonly isNonBlocking: boolean
  readonly isReadShut: boolean
}

/**
 * Gives a socket to another thread. A connected one leaves this thread: `fd` is closed here, unread bytes and options go with it. A listening one
 * stays, and the other thread accepts from it as well; whichever waits longest gets the next connection. Throws SocketError EBUSY if the socket
 * has a duplicate or an epoll set watches it, ENOTCONN, EINVAL after SHUT_WR or if it listened before `share` was called, EBADF, ENOTSOCK.
 */
export function give_fd(fd: number): HandedSocket {
  const socket = socketOf(fd, 'give_fd')
  const { queue, bound, isNonBlocking, isReadShut } = socket
  const rest = { bound, isNonBlocking, isReadShut, options: socket.options.pack() }
  if (queue !== null && socket.state === 'listening') {
    if (!queue.isShared) throw new SocketError('EINVAL', 'give_fd', 'the socket listened before share() was called: call it first')
    return { ...rest, connection: null, backlog: queue.backlog, listener: translated('give_fd', () => queue.listener.share()) }
  }
  const connection = letGo(socket)
  descriptors.remove(fd, 'give_fd')
  return { ...rest, connection, listener: null, backlog: 0 }
}

function letGo(socket: TcpSocket): HandedConnection {
  const { connection, stack } = socket
  if (connection === null || !socket.isConnected) throw new SocketError('ENOTCONN', 'give_fd', 'the socket is neither connected nor listening')
  if (socket.descriptors > 1) throw new SocketError('EBUSY', 'give_fd', 'another descriptor stands for the socket: close it first')
  if (socket.isWatched) throw new SocketError('EBUSY', 'give_fd', 'an epoll set watches the socket: take it out first')
  const handed = translated('give_fd', () => connection.release())
  stack.leave(connection)
  socket.connection = null
  socket.state = 'ended'
  return handed
}

/**
 * Takes a socket that another thread has given; waits until it is here. Returns its descriptor in this thread. Can be called once for a connection,
 * in any number of threads for a listener. Throws SocketError EXDEV unless this thread shares the application, EMFILE, ENETDOWN.
 */
export function take_fd(handed: HandedSocket, stack: Stack = init()): number {
  const socket = new TcpSocket(stack, handed.isNonBlocking, SocketOptions.unpack(handed.options))
  socket.bound = handed.bound
  socket.isReadShut = handed.isReadShut
  if (handed.listener !== null) joinListener(socket, handed.listener, handed.backlog)
  else if (handed.connection !== null) adopt(socket, handed.connection)
  return descriptors.add(socket, false, 'take_fd')
}

function joinListener(socket: TcpSocket, handed: HandedListener, backlog: number): void {
  const listener = translated('take_fd', () => socket.stack.context.joinListener(handed))
  socket.queue = new AcceptQueue(socket, listener, backlog, true)
  socket.state = 'listening'
}

function adopt(socket: TcpSocket, handed: HandedConnection): void {
  const { stack, answers } = socket
  const connection = translated('take_fd', () => stack.context.adopt(handed))
  socket.connection = connection
  socket.state = 'connected'
  stack.enter(connection, socket)
  while (answers.moved < 0 && socket.isConnected) stack.wait(Infinity, 'take_fd')
  // It ended while nobody had it: what a kernel would say at the next call.
  if (socket.error === ENOTCONN) socket.error = ECONNRESET
}
