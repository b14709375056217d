/**
 * Which TLS socket stands over a socket that is still connecting (`tls.connect({ socket })`, also TLS within TLS). Its TLSWrap reads the
 * handle of the socket beneath: when that changes, it needs another one, or it would write to a stream that is no more.
 */
import { Socket } from 'node:net'
import { OWNER, type TlsWrap } from '../internals.js'

/** What stands over a socket. */
export interface Above {
  readonly wrap: TlsWrap
  /** Whether the socket beneath had writes of its own waiting: the TLSWrap then waits until it is told that they are done. */
  readonly isAfterWrites: boolean
}

const aboves = new WeakMap<Socket, Above>()

/** `wrap` has been put over `handle`. Sockets that have connected keep their handle. */
export function noteAbove(handle: { [key: symbol]: unknown }, wrap: TlsWrap, isAfterWrites: boolean): void {
  const below = handle[OWNER]
  // A TLS socket owns the handle beneath its TLSWrap where nothing stands between: that is not over it.
  if (below instanceof Socket && below.connecting && Reflect.get(below, '_handle') === handle) aboves.set(below, { wrap, isAfterWrites })
}

/** The TLS socket over `socket`, with its TLSWrap, or null. */
export function secureAbove(socket: Socket): (Above & { readonly secure: Socket }) | null {
  const above = aboves.get(socket)
  const secure = above?.wrap[OWNER]
  if (above === undefined || !(secure instanceof Socket) || Reflect.get(secure, '_handle') !== above.wrap) return null
  return { ...above, secure }
}
