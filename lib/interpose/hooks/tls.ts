/**
 * `wrap` of internalBinding('tls_wrap'), which `_tls_wrap.js` looks up at each call. A handle learns here which TLSWrap reads it, so that
 * an error reaches it (JSStream can only tell C++ of an end). `tls` is not loaded before the program does: some replace it. When it is
 * in use, `TLSSocket.prototype._wrapHandle` is given a handle of TAS where it would make a TCP handle (tls.connect without a socket).
 */
import { createRequire } from 'node:module'
import { ConnectionHandle } from '../handle/connection.js'
import type { StreamAbove } from '../handle/stream.js'
import { OWNER, tlsBinding } from '../internals.js'
import type { Transport } from '../transport.js'
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
    }
    const above = Reflect.apply(wrap, this, args)
    const [handle] = args
    if (handle instanceof ConnectionHandle) handle.above = above as StreamAbove
    return above
  })
}

function hookWrapHandle(transport: Transport): void {
  const { TLSSocket } = require('node:tls') as typeof import('node:tls')
  replaceMethod(TLSSocket.prototype, '_wrapHandle', (wrapHandle) => function wrapHandleOfTas(this: unknown, ...args) {
    const [socket, handle, ...others] = args
    const options = Reflect.get(this as object, '_tlsOptions') as { pipe?: unknown }
    if (handle || options.pipe || !transport.router.mayConnect()) return Reflect.apply(wrapHandle, this, args)
    const made = newHandle(transport)
    made[OWNER] = this
    return Reflect.apply(wrapHandle, this, [socket, made, ...others])
  })
}
