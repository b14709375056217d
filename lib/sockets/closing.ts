/** shutdown and close. */
import { SHUT_RD, SHUT_RDWR, SHUT_WR } from './constants.js'
import { unbind } from './connecting.js'
import { SocketError } from './errors.js'
import type { TcpSocket } from './socket.js'

const US_PER_S = 1_000_000

/** Ends receiving, sending or both; on a listening socket, listening. Throws SocketError EINVAL, ENOTCONN. shutdown(2). */
export function shutdownSocket(socket: TcpSocket, how: number, syscall: string): void {
  if (how !== SHUT_RD && how !== SHUT_WR && how !== SHUT_RDWR) {
    throw new SocketError('EINVAL', syscall, `how ${how}: want SHUT_RD, SHUT_WR or SHUT_RDWR`)
  }
  if (socket.state === 'listening') {
    if (how !== SHUT_WR) stopListening(socket)
    return
  }
  const { connection } = socket
  if (connection === null || socket.state !== 'connected') throw new SocketError('ENOTCONN', syscall, 'the socket is not connected')
  if (how !== SHUT_WR) socket.isReadShut = true
  if (how !== SHUT_RD && !socket.isWriteShut) {
    socket.isWriteShut = true
    connection.txClose()
    socket.stack.context.flush()
  }
  socket.shut()
}

function stopListening(socket: TcpSocket): void {
  socket.queue?.close()
  socket.queue = null
  socket.state = 'idle'
  socket.stack.context.flush()
  socket.shut()
}

/** The last descriptor is closed. Waits if SO_LINGER says so. close(2). */
export function closeSocket(socket: TcpSocket, syscall: string): void {
  unbind(socket)
  if (socket.state === 'listening') stopListening(socket)
  if (socket.state === 'connected' && socket.options.lingerS > 0) linger(socket, syscall)
  const { connection, stack } = socket
  if (connection === null) return
  if (socket.state === 'connecting' || socket.options.lingerS === 0) connection.abort()
  else connection.close()
  stack.abandon(connection)
  socket.connection = null
}

/** Waits until all is acknowledged; not if received bytes are unread, since that resets the connection. */
function linger(socket: TcpSocket, syscall: string): void {
  const { connection, stack, options } = socket
  stack.poll()
  if (connection === null || socket.availableBytes > 0) return
  connection.txClose()
  const deadlineUs = stack.deadline(options.lingerS * US_PER_S)
  while (!socket.isDelivered && socket.state === 'connected' && socket.availableBytes === 0) {
    if (!stack.wait(deadlineUs, syscall)) return
  }
}
