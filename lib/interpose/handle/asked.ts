/**
 * Sockets that still connect and whose handle has been asked for `isStreamBase`: by somebody who is going to read it in C++. HTTP/2 asks once, when
 * its session is made, and reads whatever handle is there when the socket has connected. That may be another one (hooks/swap.ts).
 */
import { Socket } from 'node:net'
import { OWNER, TCP } from '../internals.js'

const asked = new WeakSet<Socket>()

/** Somebody has asked `handle`. A socket that is connected keeps its handle. */
export function noteAsked(handle: { [key: symbol]: unknown }): void {
  const socket = handle[OWNER]
  if (socket instanceof Socket && socket.connecting) asked.add(socket)
}

/** Whether an earlier handle of `socket` has been asked. */
export function isAsked(socket: Socket): boolean {
  return asked.has(socket)
}

/** Has handles of the kernel note it, which may have to make room for one on TAS. */
export function hookIsStreamBase(): void {
  Object.defineProperty(TCP.prototype, 'isStreamBase', {
    configurable: true, enumerable: true,
    get(this: { [key: symbol]: unknown }) {
      noteAsked(this)
      return true
    },
  })
}
