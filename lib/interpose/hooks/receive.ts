/**
 * Handles that come from another process by `process.send` (hooks/send.ts). Node turns them into sockets and servers in the listener of
 * 'internalMessage' that each channel has first (setupChannel of lib/internal/child_process.js).
 */
import { ChildProcess } from 'node:child_process'
import type { EventEmitter } from 'node:events'
import { isMainThread } from 'node:worker_threads'
import type { ListenerHandle } from '../handle/listener.js'
import { showNames } from '../handle/named.js'
import type { KernelHandle } from '../internals.js'
import { hasHandle, type ListenerNote, type Note, noteOf } from '../notes.js'
import type { Transport } from '../transport.js'
import { leaveToWorkers } from './cluster.js'
import { newListener } from './handles.js'
import { type Method, replaceMethod } from './replace.js'

const EVENT = 'internalMessage'

/** Makes of received handles what they stand for. */
export function hookReceive(transport: Transport): void {
  if (isMainThread) receiveFrom(transport, process)
  replaceMethod(ChildProcess.prototype, 'spawn', (spawn) => function spawnAndReceive(this: unknown, ...args) {
    const result = Reflect.apply(spawn, this, args)
    receiveFrom(transport, this as EventEmitter)
    return result
  })
}

/** Does nothing where there is no channel. */
function receiveFrom(transport: Transport, target: EventEmitter): void {
  const handler = target.listeners(EVENT)[0] as Method | undefined
  if (handler === undefined) return
  let before: Note | null = null
  target.off(EVENT, handler)
  target.prependListener(EVENT, function receive(this: unknown, ...args: unknown[]) {
    const [message, handle] = args
    const note = noteOf(message)
    if (note?.kind === 'listens') leaveToWorkers(note)
    else if (note !== null) before = note
    if (note !== null || !hasHandle(message)) return Reflect.apply(handler, this, args)
    const own = handle === undefined || before === null ? handle : standFor(transport, handle as KernelHandle, before)
    before = null
    return Reflect.apply(handler, this, [message, own])
  })
}

function standFor(transport: Transport, handle: KernelHandle, note: Note): unknown {
  if (note.kind === 'listener') return listenerFor(transport, handle, note)
  if (note.kind === 'connection') showNames(handle, note.names)
  return handle
}

function listenerFor(transport: Transport, handle: KernelHandle, { place, isPlaceholder }: ListenerNote): ListenerHandle {
  if (isPlaceholder) handle.close()
  return newListener(transport, place, isPlaceholder ? null : handle)
}
