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

/** The undermost first; more than one stands over a socket only by mistake, but none may be left over a stream that is no more. */
const aboves = new WeakMap<Socket, readonly Above[]>()

/** `wrap` has been put over `handle`. Sockets that have connected keep their handle. */
export function noteAbove(handle: { [key: symbol]: unknown }, wrap: TlsWrap, isAfterWrites: boolean): void {
  const below = handle[OWNER]
  // A TLS socket owns the handle beneath its TLSWrap where nothing stands between: that is not over it.
  const isOver = below instanceof Socket && below.connecting && Reflect.get(below, '_handle') === handle
  if (isOver) aboves.set(below, [...aboves.get(below) ?? [], { wrap, isAfterWrites }])
}

/** What stands over `socket` now, to be put over its next handle: forgotten here, as each is noted anew then. */
export function takeAbove(socket: Socket): readonly Above[] {
  const above = aboves.get(socket) ?? []
  aboves.delete(socket)
  return above
}

/** The TLS socket of a TLSWrap, or null if it has another, or none any more. */
export function secureOf(wrap: TlsWrap): Socket | null {
  const secure = wrap[OWNER]
  return secure instanceof Socket && Reflect.get(secure, '_handle') === wrap ? secure : null
}
