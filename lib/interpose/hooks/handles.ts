/** Makes handles, and exchanges those of TAS and of the kernel beneath a socket. */
import { Socket } from 'node:net'
import { isAsked } from '../handle/asked.js'
import type { KernelListener } from '../handle/companions.js'
import { ConnectionHandle, ownerOf } from '../handle/connection.js'
import { ListenerHandle, type ListenPlace } from '../handle/listener.js'
import { type KernelHandle, TCP, TCP_SOCKET } from '../internals.js'
import type { Transport } from '../transport.js'
import { swapHandle } from './swap.js'

/** A handle for `transport`, not yet connected. `triggerAsyncId`: what it comes from if that is not who runs now. */
export function newHandle(transport: Transport, triggerAsyncId?: number): ConnectionHandle {
  return new ConnectionHandle(transport, toKernel, triggerAsyncId)
}

/** A listener for `transport`, whose connections get handles of this kind. `given`: one of the kernel, whose port it takes. */
export function newListener(transport: Transport, place: ListenPlace, given: KernelListener | null = null): ListenerHandle {
  return new ListenerHandle(transport, place, (triggerAsyncId) => newHandle(transport, triggerAsyncId), given)
}

/** Kernel handles that are in their place for good: hooks/tcp.ts leaves them alone. */
const kernelForGood = new WeakSet<object>()

/** Whether `handle` has been given to a socket whose connection is not TAS's. */
export function isKernelForGood(handle: object): boolean {
  return kernelForGood.has(handle)
}

/** Where a name has turned out to be an address that TAS does not serve. Throws TypeError for a handle that no socket has. */
function toKernel(handle: ConnectionHandle): KernelHandle {
  const socket = ownerOf(handle)
  if (!(socket instanceof Socket)) throw new TypeError('the handle belongs to no socket')
  const kernel = new TCP(TCP_SOCKET)
  kernelForGood.add(kernel)
  swapHandle(socket, kernel)
  handle.options.carryTo(kernel)
  if (handle.isUnreferenced) kernel.unref()
  return kernel
}

/** The other way round, for `kernel`, which has not been bound. Returns the handle that is beneath its socket now. */
export function toTas(transport: Transport, kernel: KernelHandle, socket: Socket): ConnectionHandle {
  const handle = newHandle(transport)
  const isUnreferenced = !kernel.hasRef()
  swapHandle(socket, handle)
  if (isUnreferenced) handle.unref()
  if (isAsked(socket)) handle.readNatively()
  return handle
}
