/**
 * `wrap` of internalBinding('tls_wrap'), which `_tls_wrap.js` looks up at each call. A handle learns here which TLSWrap reads it, so that
 * an error reaches it (JSStream can only tell C++ of an end). `tls` is not loaded before the program does: some replace it. When it is
 * in use, `TLSSocket.prototype._wrapHandle` is given a handle of TAS where it would make a TCP handle (tls.connect without a socket).
 */
import { createRequire } from 'node:module'
import { Socket } from 'node:net'
import { ConnectionHandle } from '../handle/connection.js'
import type { StreamAbove } from '../handle/stream.js'
import { type KernelHandle, OWNER, tlsBinding, TLSWrap, type TlsWrap } from '../internals.js'
import type { Transport } from '../transport.js'
import { noteAbove } from './above.js'
import { newHandle } from './handles.js'
import { replaceMethod } from './replace.js'

const require = createRequire(import.meta.url)

/** Puts handles of TAS beneath TLS sockets. */
export function hookTls(transport: Transport): void {
  let isLoaded = false
  replaceMethod(tlsBinding, 'wrap', (wrap) => function wrapStream(this: unknown, ...args) {
    if (!isLoaded) {
      isLoaded = true
      hookWrapHandle(transport)
      hookEarlyRequests()
    }
    const above = Reflect.apply(wrap, this, args)
    const [handle, , , isAfterWrites] = args
    if (handle instanceof ConnectionHandle || handle instanceof TLSWrap) handle.above = above as StreamAbove
    if (handle instanceof ConnectionHandle) ownReading(handle)
    noteAbove(handle as KernelHandle, above as TlsWrap, isAfterWrites === true)
    return above
  })
}

/** TLSSocket redefines `reading` of the handle, which a second one can do again only if it was the handle's own, as that of TCP is. */
function ownReading(handle: ConnectionHandle): void {
  if (Object.hasOwn(handle, 'reading')) return
  Object.defineProperty(handle, 'reading', { configurable: true, enumerable: true, writable: true, value: handle.reading })
}

function hookWrapHandle(transport: Transport): void {
  const { TLSSocket } = require('node:tls') as typeof import('node:tls')
  replaceMethod(TLSSocket.prototype, '_wrapHandle', (wrapHandle) => function wrapHandleOfTas(this: unknown, ...args) {
    const [socket, handle, ...others] = args
    const options = Reflect.get(this as object, '_tlsOptions') as { pipe?: unknown; isServer?: unknown }
    const isGiven = handle || options.pipe || !transport.router.mayConnect()
    const made = isGiven ? handle : newHandleOf(this, transport)
    const wrap = Reflect.apply(wrapHandle, this, [socket, made, ...others]) as TlsWrap
    if (options.isServer !== true) keepRequests(this as Socket, wrap)
    return wrap
  })
}

function newHandleOf(socket: unknown, transport: Transport): ConnectionHandle {
  const handle = newHandle(transport)
  handle[OWNER] = socket
  return handle
}

/** What the program has asked of a TLSWrap before the connection, and none asks of one that takes its place. */
function keepRequests(socket: Socket, wrap: TlsWrap): void {
  // TLSSocket asks for sessions when 'session' gets its first listener.
  if (socket.listenerCount('session') > 0) wrap.enableSessionCallbacks()
  for (const [name, args] of early.get(socket) ?? []) wrap[name](...args)
}

/** Methods of TLSWrap whose effect would be lost, and how each socket that connects has called them. */
const KEPT = ['setMaxSendFragment', 'enableTrace'] as const
const early = new WeakMap<Socket, Map<typeof KEPT[number], readonly unknown[]>>()

function hookEarlyRequests(): void {
  for (const name of KEPT) {
    replaceMethod(TLSWrap.prototype, name, (request) => function noteRequest(this: unknown, ...args) {
      const socket = (this as TlsWrap)[OWNER]
      if (socket instanceof Socket && socket.connecting) early.set(socket, new Map(early.get(socket)).set(name, args))
      return Reflect.apply(request, this, args)
    })
  }
}
