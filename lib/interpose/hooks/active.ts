/**
 * `process._getActiveHandles`, `_getActiveRequests` and `getActiveResourcesInfo` (src/node_process_methods.cc) tell what keeps a process alive: tools
 * ask them. C++ knows handles of libuv alone, so those on TAS are added.
 */
import { ownerOf } from '../handle/connection.js'
import { ListenerHandle } from '../handle/listener.js'
import { TCP } from '../internals.js'
import type { LiveHandle, Transport } from '../transport.js'
import { replaceMethod } from './replace.js'

/** Names of the kinds of handles and requests, as C++ has them. */
const SOCKET = 'TCPSocketWrap'
const SERVER = 'TCPServerWrap'
const CONNECT = 'ConnectWrap'

/** Adds handles on TAS to what tools are told of a process. */
export function hookActive(transport: Transport): void {
  const referenced = (): LiveHandle[] => [...transport.live].filter((handle) => handle.hasRef())
  extend('_getActiveHandles', (found) => withHandles(found, referenced()))
  extend('getActiveResourcesInfo', (found) => withNames(found, referenced()))
  extend('_getActiveRequests', (found) => [...found, ...[...transport.live].flatMap((handle) => handle.openRequest ?? [])])
}

function extend(name: string, add: (found: readonly unknown[]) => unknown[]): void {
  if (typeof Reflect.get(process, name) !== 'function') return
  replaceMethod(process, name, (list) => function listWithTas(this: unknown, ...args) {
    return add(Reflect.apply(list, this, args) as unknown[])
  })
}

/** A server is there once, however many handles of the kernel it has beside that of TAS. */
function withHandles(found: readonly unknown[], handles: readonly LiveHandle[]): unknown[] {
  const owners = handles.map((handle) => shownFor(handle))
  const servers = new Set(owners.filter((_, index) => handles[index] instanceof ListenerHandle))
  return [...found.filter((one) => !servers.has(one)), ...owners]
}

/** As AsyncWrap::GetOwner. */
function shownFor(handle: LiveHandle): unknown {
  const owner = ownerOf(handle)
  return typeof owner === 'object' && owner !== null ? owner : handle
}

function withNames(found: readonly unknown[], handles: readonly LiveHandle[]): unknown[] {
  const names: unknown[] = []
  const left = [...found]
  for (const handle of handles) {
    if (handle instanceof ListenerHandle) {
      for (const kernel of handle.kernelHandles) if (isActive(kernel)) left.splice(left.indexOf(SERVER), 1)
      names.push(SERVER)
    } else {
      names.push(SOCKET)
      if (handle.openRequest) names.push(CONNECT)
    }
  }
  return [...names, ...left]
}

/** What a worker of a cluster has in place of a listener is not known to C++. */
function isActive(kernel: object): boolean {
  return kernel instanceof TCP && kernel.hasRef()
}
