/** Bytes in and out of a socket; the calls that take them in different forms are in transfercalls.ts. */
import { MSG_ERRQUEUE, MSG_OOB, MSG_PEEK, MSG_TRUNC, MSG_WAITALL } from './constants.js'
import { errorOfErrno, repeatedError, SocketError } from './errors.js'
import type { TcpSocket } from './socket.js'
import { mayWait, receiveDeadline, sendDeadline } from './waiting.js'

/**
 * Receives into `buffer`; recv(2) says how. Returns how many bytes, 0 at the end of what the peer sent. `before` bytes have been received by the
 * same call: then no more are waited for without MSG_WAITALL, and errors are left to the next call. Throws SocketError EAGAIN, ENOTCONN, EINVAL,
 * and what ended the connection.
 */
export function receive(socket: TcpSocket, buffer: Uint8Array, flags: number, syscall: string, before = 0): number {
  if ((flags & (MSG_OOB | MSG_ERRQUEUE)) !== 0) refuseFlags(flags, syscall)
  const isPeek = (flags & MSG_PEEK) !== 0
  let got = 0
  let deadlineUs = -1
  let hasLooked = false
  for (;;) {
    if (isPeek) got = 0
    got += (flags & MSG_TRUNC) === 0 ? socket.take(buffer, got, buffer.length - got, isPeek) : socket.discard(buffer.length - got, isPeek)
    if (got >= needed(socket, buffer, flags, before) || !canReceive(socket, before + got, syscall)) return got
    if (mayWait(socket, flags)) {
      if (deadlineUs < 0) deadlineUs = receiveDeadline(socket)
      if (socket.stack.wait(deadlineUs, syscall)) continue
    } else if (!hasLooked) {
      // Once: what comes may be for other sockets, without end.
      hasLooked = true
      if (socket.stack.poll()) continue
    }
    if (before + got > 0) return got
    throw repeatedError('EAGAIN', syscall)
  }
}

/** Bytes without which a receive goes on. What is left in place cannot be more than fits the receive buffer, which is there once it is connected. */
function needed(socket: TcpSocket, buffer: Uint8Array, flags: number, before: number): number {
  if ((flags & MSG_WAITALL) === 0) return before > 0 || buffer.length === 0 ? 0 : 1
  if ((flags & MSG_PEEK) === 0 || socket.connection === null || !socket.isConnected) return buffer.length
  return Math.min(buffer.length, socket.connection.rxBuffer.length)
}

/** Whether more may come. False at the end, or at an error behind `got` bytes that come first. Throws the error otherwise. */
function canReceive(socket: TcpSocket, got: number, syscall: string): boolean {
  if (socket.error !== 0) {
    if (got > 0) return false
    throw takeError(socket, syscall)
  }
  if (socket.isReadEnded) return false
  if (socket.state === 'idle' || socket.state === 'listening') throw new SocketError('ENOTCONN', syscall, 'the socket is not connected')
  return true
}

function refuseFlags(flags: number, syscall: string): never {
  // No error queue has anything in it; urgent data stand in line (SO_OOBINLINE).
  if ((flags & MSG_ERRQUEUE) !== 0) throw repeatedError('EAGAIN', syscall)
  throw new SocketError('EINVAL', syscall, 'MSG_OOB: urgent data are received in line')
}

/**
 * Sends `bytes`; send(2) says how. Returns how many were taken: fewer than given only if the call may not wait any longer, or the connection
 * has ended in between. `before` bytes have been taken by the same call: then errors are left to the next one. Throws SocketError EAGAIN,
 * ENOTCONN, EPIPE, and what ended the connection.
 */
export function transmit(socket: TcpSocket, bytes: Uint8Array, flags: number, syscall: string, before = 0): number {
  let sent = 0
  let deadlineUs = -1
  let hasLooked = false
  for (;;) {
    if (!canSend(socket, before + sent, syscall)) return sent
    if (socket.state === 'connected') sent += socket.put(bytes, sent, bytes.length - sent)
    if ((flags & MSG_OOB) !== 0 && sent > 0) socket.connection?.txUrgent()
    if (sent === bytes.length) {
      socket.stack.context.flush()
      return sent
    }
    if (mayWait(socket, flags)) {
      if (deadlineUs < 0) deadlineUs = sendDeadline(socket)
      if (socket.stack.wait(deadlineUs, syscall)) continue
    } else if (sent === 0 && !hasLooked) {
      hasLooked = true
      socket.stack.poll()
      continue
    }
    socket.stack.context.flush()
    if (before + sent > 0) return sent
    throw repeatedError('EAGAIN', syscall)
  }
}

/** Whether bytes may be sent, now or once there is room. False if the connection has ended behind `sent` bytes; throws if before all. */
function canSend(socket: TcpSocket, sent: number, syscall: string): boolean {
  const { state } = socket
  if (!socket.isWriteShut && (state === 'connected' || state === 'connecting')) return true
  if (sent > 0) return false
  if (socket.error !== 0) throw takeError(socket, syscall)
  if (state === 'ended' || socket.isWriteShut) throw new SocketError('EPIPE', syscall, 'the connection takes nothing more')
  throw new SocketError('ENOTCONN', syscall, 'the socket is not connected')
}

/** The pending error, which is told once. */
export function takeError(socket: TcpSocket, syscall: string): SocketError {
  const { error } = socket
  socket.error = 0
  return errorOfErrno(error, syscall, 'the connection has failed')
}
