/**
 * `postMessage(message, [socket])` moves a socket or a server to another thread (kTransfer of lib/net.js, from Node 24 on). Each thread is an
 * application of its own for TAS: the connection stays, and the far end of a relay moves, as to another process (send.ts); a server is
 * closed here and opened there.
 */
import { Server, Socket } from 'node:net'
import { ConnectionHandle } from '../handle/connection.js'
import { ListenerHandle, type ListenPlace } from '../handle/listener.js'
import { type Names, showNames, shownNames } from '../handle/named.js'
import { TRANSFER, type KernelHandle, type TransferSymbols } from '../internals.js'
import type { Transport } from '../transport.js'
import { newListener } from './handles.js'
import { replaceMethod } from './replace.js'
import { forConnection, sharedPlace } from './send.js'

/** What a thread tells the other beside what Node does: all of it can be cloned. */
interface Moved {
  handle: KernelHandle | null
  tasNames?: Names
  tasPlace?: ListenPlace
}

/** Lets sockets and servers on TAS move to another thread. */
export function hookTransfer(transport: Transport): void {
  if (TRANSFER === null) return
  hookSockets(TRANSFER)
  hookServers(transport, TRANSFER)
}

function hookSockets({ list, transfer, deserialize }: TransferSymbols): void {
  replaceMethod(Socket.prototype, list, (nested) => function handlesOfSocket(this: unknown) {
    // Node's own refusals come first.
    const handles = Reflect.apply(nested, this, []) as readonly unknown[]
    const [handle] = handles
    if (!(handle instanceof ConnectionHandle)) return handles
    forConnection(handle)
    return Reflect.apply(nested, this, [])
  })
  replaceMethod(Socket.prototype, transfer, (move) => function moveSocket(this: unknown) {
    const names = shownNames(handleOf(this) ?? {})
    const moved = Reflect.apply(move, this, []) as { data: Moved }
    if (names !== undefined) moved.data.tasNames = names
    return moved
  })
  replaceMethod(Socket.prototype, deserialize, (adopt) => function adoptSocket(this: unknown, data) {
    Reflect.apply(adopt, this, [data])
    const { handle, tasNames } = data as Moved
    if (tasNames !== undefined) showNames(handle as KernelHandle, tasNames)
  })
}

function hookServers(transport: Transport, { list, transfer, deserialize }: TransferSymbols): void {
  const places = new WeakMap<ListenerHandle, ListenPlace>()
  replaceMethod(Server.prototype, list, (nested) => function handlesOfServer(this: unknown) {
    const handles = Reflect.apply(nested, this, []) as readonly unknown[]
    const [handle] = handles
    if (!(handle instanceof ListenerHandle)) return handles
    // Before the server is given up: it may be refused.
    places.set(handle, sharedPlace(transport, handle))
    return []
  })
  replaceMethod(Server.prototype, transfer, (move) => function moveServer(this: unknown) {
    const handle = handleOf(this)
    const moved = Reflect.apply(move, this, []) as { data: Moved }
    if (!(handle instanceof ListenerHandle)) return moved
    handle.close()
    return { ...moved, data: { ...moved.data, handle: null, tasPlace: places.get(handle) } }
  })
  replaceMethod(Server.prototype, deserialize, (adopt) => function adoptServer(this: unknown, data) {
    const { tasPlace, ...others } = data as Moved
    const own = tasPlace === undefined ? data : { ...others, handle: newListener(transport, tasPlace) }
    Reflect.apply(adopt, this, [own])
  })
}

function handleOf(owner: unknown): object | null {
  return Reflect.get(owner as object, '_handle') as object | null
}
