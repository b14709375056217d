/**
 * `Socket.prototype.connect` without a handle makes a TCP handle (lib/net.js). A handle of TAS is there before, so that `_handle` stays
 * the same from connect() on; if a name turns out to be an address that is not TAS's, it is exchanged (handles.ts).
 */
import net from 'node:net'
import { REINITIALIZE } from '../internals.js'
import type { Transport } from '../transport.js'
import { newHandle } from './handles.js'
import { replaceMethod } from './replace.js'

interface Target {
  readonly host: string
  readonly port: number
}

/** Where connect() with these arguments goes, or null for what is no TCP. Arguments come as they were given or normalized before. */
function targetOf(args: readonly unknown[]): Target | null {
  const [first, second] = args
  const options: unknown = Array.isArray(first) ? first[0] : first
  if (typeof options === 'object' && options !== null) {
    const { host, port, path } = options as { host?: unknown; port?: unknown; path?: unknown }
    return path === undefined || path === null ? target(host, port) : null
  }
  const isPath = typeof options === 'string' && !(Number(options) >= 0)
  return isPath ? null : target(typeof second === 'string' ? second : undefined, options)
}

function target(host: unknown, port: unknown): Target | null {
  const number = Number(port)
  return Number.isInteger(number) ? { host: typeof host === 'string' && host !== '' ? host : 'localhost', port: number } : null
}

function mayBeTas({ router }: Transport, { host, port }: Target): boolean {
  if (net.isIP(host) !== 0) return router.connects(host, port)
  return host !== 'localhost' && router.mayConnect()
}

/** Gives sockets that connect a handle of TAS. */
export function hookSocketConnect(transport: Transport): void {
  replaceMethod(net.Socket.prototype, 'connect', (connect) => function connectOverTas(this: unknown, ...args) {
    if (this instanceof net.Socket && !this.destroyed && Reflect.get(this, '_handle') === null) {
      const where = targetOf(args)
      if (where !== null && mayBeTas(transport, where)) Reflect.get(this, REINITIALIZE).call(this, newHandle(transport))
    }
    return Reflect.apply(connect, this, args)
  })
}
