/**
 * `process.send(message, socket)` hands the descriptor of a handle to another process (lib/internal/child_process.js, LibuvStreamWrap). A
 * handle of TAS has none, so another goes in its place: the far end of a relay for a connection, for a server that of its listener in the
 * kernel. A note before the message says what it stands for (receive.ts).
 */
import { getSystemErrorName } from 'node:util'
import { ConnectionHandle } from '../handle/connection.js'
import { ListenerHandle, type ListenPlace } from '../handle/listener.js'
import { shownNames } from '../handle/named.js'
import { farEndOf } from '../handle/relay.js'
import { type KernelHandle, Pipe } from '../internals.js'
import { type Note, withNote } from '../notes.js'
import type { Transport } from '../transport.js'
import { replaceMethod } from './replace.js'
import { swapHandle } from './swap.js'

/** What is written must stay until it is sent; of what Node has written Node sees to that. */
const WRITTEN = Symbol('tasjs.written')

interface Substitute {
  readonly handle: KernelHandle
  readonly note: Note
}

/** Sends handles of the kernel in place of handles of TAS. */
export function hookSend(transport: Transport): void {
  for (const name of ['writeUtf8String', 'writeBuffer']) {
    replaceMethod(Pipe.prototype, name, (write) => function writeToChannel(this: unknown, ...args) {
      const [request, message, handle, ...others] = args
      const substitute = typeof handle === 'object' && handle !== null ? substituteFor(transport, handle) : null
      if (substitute === null) return Reflect.apply(write, this, args)
      const written = withNote(substitute.note, message)
      if (typeof request === 'object' && request !== null) Reflect.set(request, WRITTEN, written)
      return Reflect.apply(write, this, [request, written, substitute.handle, ...others])
    })
  }
}

/** What is sent for `handle`, null if it can be sent itself. */
function substituteFor(transport: Transport, handle: object): Substitute | null {
  if (handle instanceof ListenerHandle) return forListener(transport, handle)
  const far = handle instanceof ConnectionHandle ? forConnection(handle) : handle as KernelHandle
  const names = shownNames(far)
  return names === undefined ? null : { handle: far, note: { kind: 'connection', names } }
}

/** What leaves this thread in the place of `handle`, and is beneath its socket from now on. Throws Error if there is none to be had. */
export function forConnection(handle: ConnectionHandle): KernelHandle {
  if (!handle.isLendable) throw refused('a socket on TAS', 'it is not connected')
  const far = farEnd(handle)
  if (typeof far === 'number') throw refused('a socket on TAS', `${getSystemErrorName(far)} on 127.0.0.1`)
  return far
}

/** Whether another process can get the connection, which has been accepted. From then on it can until it is over. */
export function canBeSent(handle: ConnectionHandle): boolean {
  return typeof farEnd(handle) !== 'number'
}

function farEnd(handle: ConnectionHandle): KernelHandle | number {
  return farEndOf(handle, (socket, kernel) => swapHandle(socket, kernel as KernelHandle & { [key: symbol]: unknown }))
}

function forListener(transport: Transport, handle: ListenerHandle): Substitute {
  const place = sharedPlace(transport, handle)
  const sent = handle.sendable()
  if (typeof sent === 'number') throw refused('a server on TAS', getSystemErrorName(sent))
  return { handle: sent.handle, note: { kind: 'listener', place, isPlaceholder: sent.isPlaceholder } }
}

/** Where others may listen beside `handle` from now on. Throws Error if that cannot be. */
export function sharedPlace(transport: Transport, handle: ListenerHandle): ListenPlace {
  if (!transport.isForOthers) throw refused('a server on TAS', 'no other process or thread has a TAS of this program\'s own')
  const error = handle.share()
  if (error !== 0) throw refused('a server on TAS', getSystemErrorName(error))
  return { ...handle.place, port: handle.port, isShared: true }
}

function refused(what: string, why: string): Error {
  return Object.assign(new Error(`${what} cannot be sent to another process or thread: ${why}`), { code: 'ERR_INVALID_HANDLE_TYPE' })
}
