/** `handle instanceof TCP`: asked by `resetAndDestroy`, `listen(handle)` and `process.send` (lib/net.js, lib/internal/child_process.js). */
import { ConnectionHandle } from '../handle/connection.js'
import { ListenerHandle } from '../handle/listener.js'
import { TCP } from '../internals.js'

/** Makes handles on TAS instances of TCP. */
export function hookInstanceOf(): void {
  const isInstance = Function.prototype[Symbol.hasInstance]
  Object.defineProperty(TCP, Symbol.hasInstance, {
    configurable: true,
    value: (value: unknown) => value instanceof ConnectionHandle || value instanceof ListenerHandle || isInstance.call(TCP, value),
  })
}
