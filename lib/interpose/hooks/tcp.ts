/**
 * `TCP.prototype.connect` and `connect6`: every connection comes by here after name resolution. Catches handles that `net` and `tls` have
 * made themselves: attempts of happy eyeballs but the first, TLS sockets before hooks/tls.ts was in place.
 */
import { Socket } from 'node:net'
import { ownerOf } from '../handle/connection.js'
import { type KernelHandle, type Request, TCP } from '../internals.js'
import type { Transport } from '../transport.js'
import { isKernelForGood, toTas } from './handles.js'
import { replaceMethod } from './replace.js'

/** Routes connections by address and port. */
export function hookTcpConnect(transport: Transport): void {
  for (const name of ['connect', 'connect6'] as const) {
    replaceMethod(TCP.prototype, name, (connect) => function connectByRoute(this: unknown, ...args) {
      const handle = this as KernelHandle
      const [request, address, port] = args as [Request, string, number]
      const socket = ownerOf(handle)
      // One with a descriptor has been bound, in the kernel.
      const isFree = socket instanceof Socket && !isKernelForGood(handle) && handle.fd < 0
      if (!isFree || !transport.router.connects(address, port)) return Reflect.apply(connect, this, args)
      return toTas(transport, handle, socket)[name](request, address, port)
    })
  }
}
