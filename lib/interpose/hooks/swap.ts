/**
 * Another handle beneath a socket that has one: what happy eyeballs does for every attempt but the first, by
 * `Socket.prototype[kReinitializeHandle]` (lib/net.js, internalConnectMultiple).
 */
import { Socket } from 'node:net'
import { BUFFER_GENERATOR, OWNER, REINITIALIZE } from '../internals.js'
import { type Above, secureOf, takeAbove } from './above.js'
import { replaceMethod } from './replace.js'

type Handle = { [key: symbol]: unknown }

/** Properties of a socket that are not in its public type. */
interface SocketInside {
  _handle: unknown
  ssl?: unknown
  [key: symbol]: unknown
}

/** Puts `handle` beneath `socket`; the one that is there is closed. For a TLS socket beneath a new TLSWrap. */
export function swapHandle(socket: Socket, handle: Handle): void {
  handle[OWNER] = socket
  exchange(socket, handle)
}

/** Lets TLS sockets follow when the socket beneath them gets another handle, from here or from Node. */
export function hookReinitialize(): void {
  replaceMethod(Socket.prototype, REINITIALIZE, (reinitialize) => function reinitializeHandle(this: unknown, ...args) {
    const below = this as Socket
    const aboves = takeAbove(below)
    Reflect.apply(reinitialize, below, args)
    for (const above of aboves) follow(above, below)
  })
}

function exchange(socket: Socket, handle: Handle): void {
  const inside = socket as unknown as SocketInside
  const reinitialize = inside[REINITIALIZE]
  if (typeof reinitialize !== 'function') throw new TypeError('the socket cannot change its handle')
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

/** The TLS socket of `wrap` gets a TLSWrap over the handle that `below` has now. */
function follow({ wrap, isAfterWrites }: Above, below: Socket): void {
  const secure = secureOf(wrap)
  if (secure === null) return
  // Its own `close` would close what is beneath; TLSSocket closes it when it has the next one.
  Object.defineProperty(wrap, 'close', { configurable: true, value: () => wrap.destroySSL() })
  const wrapHandle: unknown = Reflect.get(secure, '_wrapHandle')
  if (typeof wrapHandle !== 'function') throw new TypeError('the TLS socket cannot change its handle')
  Object.defineProperty(secure, '_wrapHandle', { configurable: true, value: (_: unknown, handle: unknown) => {
    const next = wrapHandle.call(secure, null, handle, isAfterWrites) as { _parentWrap?: unknown }
    next._parentWrap = below
    return next
  } })
  try {
    exchange(secure, Reflect.get(below, '_handle') as Handle)
  } finally {
    Reflect.deleteProperty(secure, '_wrapHandle')
  }
}
