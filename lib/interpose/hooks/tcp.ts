/**
 * `TCP.prototype.connect` and `connect6`: every connection comes by here after name resolution; `bind` and `bind6` before. Catches handles
 * that `net` and `tls` have made themselves: attempts of happy eyeballs but the first, TLS sockets before hooks/tls.ts was in place.
 */
import { Socket } from 'node:net'
import { ownerOf } from '../handle/connection.js'
import { type KernelHandle, type Request, TCP } from '../internals.js'
import { isWildcard } from '../routing.js'
import type { Transport } from '../transport.js'
import { isKernelForGood, toTas } from './handles.js'
import { replaceMethod } from './replace.js'

/** Routes connections by address and port. */
export function hookTcpConnect(transport: Transport): void {
  for (const name of ['connect', 'connect6'] as const) {
    replaceMethod(TCP.prototype, name, (connect) => function connectByRoute(this: unknown, ...args) {
      const handle = this as KernelHandle
      const [request, address, port] = args as [Request, string, number]
      const socket = changeable(handle)
      if (socket === null || !transport.router.connects(address, port)) return Reflect.apply(connect, this, args)
      return toTas(transport, handle, socket)[name](request, address, port)
    })
  }
}

/** Binds to TAS's addresses. What is bound to no address is TAS's until its destination is known. */
export function hookTcpBind(transport: Transport): void {
  const { router } = transport
  for (const name of ['bind', 'bind6'] as const) {
    replaceMethod(TCP.prototype, name, (bind) => function bindByRoute(this: unknown, ...args) {
      const handle = this as KernelHandle
      const [address, port, flags] = args as [string, number, number | undefined]
      const socket = changeable(handle)
      const isTas = socket !== null && (isWildcard(address) ? router.mayConnect() : router.isOwn(address))
      return isTas ? toTas(transport, handle, socket)[name](address, port, flags) : Reflect.apply(bind, this, args)
    })
  }
}

/** The socket of `handle` if that may be exchanged, or null: one with a descriptor has been bound, in the kernel. */
function changeable(handle: KernelHandle): Socket | null {
  const socket = ownerOf(handle)
  return socket instanceof Socket && !isKernelForGood(handle) && handle.fd < 0 ? socket : null
}
