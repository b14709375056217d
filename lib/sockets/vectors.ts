/** Bytes in several buffers (struct iovec), taken as one. */
import { MSG_PEEK } from './constants.js'
import { SocketError } from './errors.js'
import type { TcpSocket } from './socket.js'
import { receive, transmit } from './transfer.js'

const IOV_MAX = 1024

/** As `receive`, filling one buffer after the other. Throws SocketError EINVAL for more than 1024 as well. */
export function receiveVector(socket: TcpSocket, iov: readonly Uint8Array[], flags: number, syscall: string): number {
  checkVector(iov, syscall)
  if ((flags & MSG_PEEK) !== 0) return peekVector(socket, iov, flags, syscall)
  let got = 0
  for (let i = 0; i < iov.length; i++) {
    const more = receive(socket, iov[i], flags, syscall, got)
    got += more
    if (more < iov[i].length) break
  }
  return got
}

/** What is only looked at has to be looked at in one piece. */
function peekVector(socket: TcpSocket, iov: readonly Uint8Array[], flags: number, syscall: string): number {
  const all = new Uint8Array(iov.reduce((sum, { length }) => sum + length, 0))
  const got = receive(socket, all, flags, syscall)
  let at = 0
  for (const buffer of iov) {
    const end = Math.min(at + buffer.length, got)
    buffer.set(all.subarray(at, end))
    at = end
  }
  return got
}

/** As `transmit`, one buffer after the other. Throws SocketError EINVAL for more than 1024 as well. */
export function transmitVector(socket: TcpSocket, iov: readonly Uint8Array[], flags: number, syscall: string): number {
  checkVector(iov, syscall)
  let sent = 0
  for (let i = 0; i < iov.length; i++) {
    const more = transmit(socket, iov[i], flags, syscall, sent)
    sent += more
    if (more < iov[i].length) break
  }
  return sent
}

function checkVector(iov: readonly Uint8Array[], syscall: string): void {
  if (iov.length > IOV_MAX) throw new SocketError('EINVAL', syscall, `${iov.length} buffers: want at most ${IOV_MAX}`)
}
