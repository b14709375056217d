/** sendfile. */
import { fstatSync, readSync } from 'node:fs'
import { isTasDescriptor } from './descriptors.js'
import { asSystemError, repeatedError, SocketError } from './errors.js'
import { socketOf } from './lookup.js'
import type { TcpSocket } from './socket.js'
import { transmit } from './transfer.js'
import { mayWait } from './waiting.js'

const NOTHING = new Uint8Array(0)
const chunk = new Uint8Array(1 << 16)

/**
 * Sends up to `count` bytes of the kernel's regular file `inFd`, from `offset` on; with null from the file's own position, which moves with
 * what was sent. Returns how many; 0 at the file's end. Throws SocketError EAGAIN, EINVAL, EBADF, EPIPE, ... sendfile(2).
 */
export function sendfile(outFd: number, inFd: number, offset: number | null, count: number): number {
  const socket = socketOf(outFd, 'sendfile')
  if (isTasDescriptor(inFd) || !isRegularFile(inFd)) throw new SocketError('EINVAL', 'sendfile', `descriptor ${inFd} is no regular file`)
  transmit(socket, NOTHING, 0, 'sendfile')
  let sent = 0
  while (sent < count) {
    // No more is read than can be sent, since the file's position cannot go back.
    const room = mayWait(socket) ? chunk.length : roomOf(socket)
    if (room === 0 && sent === 0) throw repeatedError('EAGAIN', 'sendfile')
    const got = readFile(inFd, Math.min(count - sent, chunk.length, room), offset === null ? null : offset + sent)
    if (got === 0) break
    const more = transmit(socket, chunk.subarray(0, got), 0, 'sendfile', sent)
    sent += more
    if (more < got) break
  }
  return sent
}

/** Bytes that can be sent without waiting; word of room will come if that is 0. */
function roomOf(socket: TcpSocket): number {
  if (socket.roomBytes === 0) socket.stack.poll()
  if (socket.roomBytes === 0) socket.readiness()
  return socket.roomBytes
}

function isRegularFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile()
  } catch (error) {
    throw asSystemError(error, 'sendfile')
  }
}

function readFile(fd: number, len: number, position: number | null): number {
  try {
    return len === 0 ? 0 : readSync(fd, chunk, 0, len, position)
  } catch (error) {
    throw asSystemError(error, 'sendfile')
  }
}
