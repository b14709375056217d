/** From a descriptor to what it stands for. */
import type { Connection } from '../tas/index.js'
import { descriptors } from './descriptors.js'
import { SocketError } from './errors.js'
import { TcpSocket } from './socket.js'

/** The socket behind `fd`. Throws SocketError EBADF, ENOTSOCK. */
export function socketOf(fd: number, syscall: string): TcpSocket {
  const file = descriptors.get(fd, syscall)
  if (file instanceof TcpSocket) return file
  throw new SocketError('ENOTSOCK', syscall, `descriptor ${fd} is an epoll set`)
}

/**
 * The connection of lib/tas behind `fd`, for calls without copies: `rxBuffer` and `rxDone`, `txAlloc` and `txSend`, to be followed by
 * `connection.context.flush()`. It stays the socket's: leave `close`, `txClose`, `move` and the context's `poll` to the calls here. Throws
 * SocketError EBADF, ENOTSOCK, ENOTCONN.
 */
export function connectionOf(fd: number): Connection {
  const { connection, state } = socketOf(fd, 'connectionOf')
  if (connection !== null && state === 'connected') return connection
  throw new SocketError('ENOTCONN', 'connectionOf', `socket ${fd} is not connected`)
}
