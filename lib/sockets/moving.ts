/** A socket that goes to another context of the same Tas. */
import { errorOfErrno, SocketError, translated } from './errors.js'
import type { TcpSocket } from './socket.js'
import type { Stack } from './stack.js'

/** How long the old context is not looked at: an end that came before the move stands there, and does not wake who waits for the new one. */
const LOOK_US = 1_000

/** Moves the connection and waits until it has arrived. Throws SocketError ENOTCONN, EBUSY, EXDEV, and what TAS says against it. */
export function moveSocket(socket: TcpSocket, stack: Stack, syscall: string): void {
  const { connection, stack: old, answers } = socket
  if (connection === null || socket.state !== 'connected') throw new SocketError('ENOTCONN', syscall, 'the socket is not connected')
  if (stack === old) return
  if (socket.isWatched) throw new SocketError('EBUSY', syscall, 'an epoll set watches the socket: take it out first')
  answers.moved = -1
  translated(syscall, () => connection.move(stack.context))
  // CONN_MOVED comes to the new context, an end before it to either.
  stack.enter(connection, socket)
  old.context.flush()
  while (answers.moved < 0 && socket.isConnected) {
    old.poll()
    stack.wait(stack.deadline(LOOK_US), syscall)
  }
  if (answers.moved !== 0 || !socket.isConnected) stack.leave(connection)
  if (answers.moved < 0) throw new SocketError('ENOTCONN', syscall, 'the connection has ended')
  if (answers.moved > 0) throw errorOfErrno(answers.moved, syscall, 'the connection stays where it was')
  old.leave(connection)
  socket.movedTo(stack)
}
