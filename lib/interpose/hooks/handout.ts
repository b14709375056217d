/**
 * Clusters of a program with a TAS of its own, which is the primary's: it listens for its workers, and each connection is sent to one of them, as by
 * `process.send(message, socket)`. Who gets it is Node's to say, as without TAS (lib/internal/cluster/round_robin_handle.js).
 */
import cluster from 'node:cluster'
import { EventEmitter } from 'node:events'
import { syncBuiltinESMExports } from 'node:module'
import type net from 'node:net'
import type { KernelListener } from '../handle/companions.js'
import type { ListenerHandle, ListenPlace } from '../handle/listener.js'
import type { Transport } from '../transport.js'
import { newListener } from './handles.js'
import { replaceMethod } from './replace.js'
import { canBeSent } from './send.js'

/** Hears what the primary has answered: 0 and what stands for its listener, or an error. */
export type Answered = (error: number, handle: KernelListener | null) => void
/** `cluster._getServer` of a worker. */
type Ask = (this: unknown, server: unknown, query: object, done: Answered) => void

/** What `net.Server` has inside. */
type Listening = net.Server & { readonly _listeningId?: number }

/**
 * There is no handle that processes could share (SCHED_NONE), so the primary takes connections of all servers. The policy stays what the program has
 * chosen wherever it looks.
 */
export function hookHandout(): void {
  if (cluster.isWorker) return
  replaceMethod(cluster, 'setupPrimary', (setup) => function setupRoundRobin(this: unknown, ...args) {
    const chosen = cluster.schedulingPolicy
    if (chosen === cluster.SCHED_NONE) cluster.schedulingPolicy = cluster.SCHED_RR
    try {
      return Reflect.apply(setup, this, args)
    } finally {
      cluster.schedulingPolicy = chosen
    }
  })
  Reflect.set(cluster, 'setupMaster', cluster.setupPrimary)
  // What is imported by its name was read before.
  syncBuiltinESMExports()
}

/** What the primary listens by for its workers. */
export function listenerThatHandsOut(transport: Transport, place: ListenPlace): ListenerHandle {
  const handle = newListener(transport, place)
  // Node takes it for granted that a handle can be sent: what it throws later would end the primary.
  handle.admits = canBeSent
  return handle
}

/**
 * A server that is its worker's alone (`exclusive`): without TAS the worker listens by itself, here the primary does so for it. `done` is not called
 * if the server is closed before the answer.
 */
export function listenAlone(server: net.Server, place: ListenPlace, query: object, done: Answered): void {
  const asking = server as Listening
  const id = asking._listeningId
  // Part of what the primary tells servers apart by; no descriptor, as it is below 0.
  const own = place.isShared ? {} : { fd: -(cluster.worker?.id ?? 0) }
  const ask = Reflect.get(cluster, '_getServer') as Ask
  // The primary hears nothing of it when it listens.
  Reflect.apply(ask, cluster, [new EventEmitter(), { ...query, ...own }, (error: number, handle: KernelListener | null) => {
    if (asking._listeningId === id) done(error, handle)
    else handle?.close()
  }])
}
