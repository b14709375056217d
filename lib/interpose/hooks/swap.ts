/**
 * Another handle beneath a socket that has one: what happy eyeballs does for every attempt but the first, by
 * `Socket.prototype[kReinitializeHandle]` (lib/net.js, internalConnectMultiple).
 */
import type { Socket } from 'node:net'
import { BUFFER_GENERATOR, OWNER, REINITIALIZE } from '../internals.js'

type Handle = { [key: symbol]: unknown }

/** Properties of a socket that are not in its public type. */
interface SocketInside {
  _handle: unknown
  ssl?: unknown
  [key: symbol]: unknown
}

/** Puts `handle` beneath `socket`; the one that is there is closed. For a TLS socket beneath a new TLSWrap. */
export function swapHandle(socket: Socket, handle: Handle): void {
  const inside = socket as unknown as SocketInside
  const reinitialize = inside[REINITIALIZE]
  if (typeof reinitialize !== 'function') throw new TypeError('the socket cannot change its handle')
  handle[OWNER] = socket
  // It resets the state of the stream, which `end()` before `connect` may have changed, and asks for one more buffer.
  const generator = BUFFER_GENERATOR === null ? null : inside[BUFFER_GENERATOR]
  Object.defineProperty(socket, '_undestroy', { configurable: true, value: () => undefined })
  if (BUFFER_GENERATOR !== null) inside[BUFFER_GENERATOR] = null
  try {
    reinitialize.call(socket, handle)
  } finally {
    Reflect.deleteProperty(socket, '_undestroy')
    if (BUFFER_GENERATOR !== null) inside[BUFFER_GENERATOR] = generator
  }
  // TLSSocket sets `ssl` to the TLSWrap that has just been closed.
  if (inside.ssl !== undefined && inside._handle !== handle) inside.ssl = inside._handle
}
