/**
 * Workers of a cluster ask the primary for a listener (lib/internal/cluster/child.js). Each listens on TAS for itself; TAS lets them share
 * the port. The primary settles the port: for every address in the kernel, where it stays; for one of TAS's own, which the kernel does not
 * have, on TAS, until the first worker listens there. A TAS of the program's own is the primary's alone (handout.ts).
 */
import cluster from 'node:cluster'
import net from 'node:net'
import { UV_EADDRINUSE } from '../errors.js'
import type { KernelListener } from '../handle/companions.js'
import { ListenerHandle, type ListenPlace } from '../handle/listener.js'
import { type ListensNote, messageOf } from '../notes.js'
import { isWildcard } from '../routing.js'
import type { Transport } from '../transport.js'
import { newListener } from './handles.js'
import { type Answered, hookHandout, listenerThatHandsOut } from './handout.js'
import { listenPlace } from './listenplace.js'
import { replaceMethod } from './replace.js'

interface Query {
  readonly address?: unknown
  readonly port?: unknown
  readonly addressType?: unknown
  readonly fd?: unknown
  readonly flags?: unknown
}

/** Lets workers of a cluster listen in TAS. */
export function hookCluster(transport: Transport): void {
  if (!transport.isForOthers) hookHandout()
  else if (cluster.isWorker) hookWorker(transport)
  else hookPrimary(transport)
}

/** Whether this is the primary of a cluster that has workers. */
export function hasWorkers(): boolean {
  return cluster.isPrimary && Object.keys(cluster.workers ?? {}).length > 0
}

/** What the primary listens by for its workers, null for a handle of the kernel. */
export function listenerForWorkers(transport: Transport, place: ListenPlace): ListenerHandle | null {
  if (!transport.isForOthers) return listenerThatHandsOut(transport, place)
  return isWildcard(place.address) ? null : holdForWorkers(transport, place)
}

const held = new Set<ListenerHandle>()

/** What the primary listens by until a worker does: connections that come before are sent to workers, as Node does with those of the kernel. */
function holdForWorkers(transport: Transport, place: ListenPlace): ListenerHandle {
  const handle = newListener(transport, { ...place, isShared: true })
  handle.afterListen = () => held.add(handle)
  handle.afterClose = () => held.delete(handle)
  return handle
}

/** A worker listens. */
export function leaveToWorkers({ address, port }: ListensNote): void {
  for (const handle of held) {
    if (handle.place.address !== address || handle.port !== port) continue
    held.delete(handle)
    handle.standBack()
  }
}

/** SCHED_NONE: workers get a handle that the primary has bound (lib/internal/cluster/shared_handle.js). */
function hookPrimary(transport: Transport): void {
  replaceMethod(net, '_createServerHandle', (create) => function createHandleOnTas(this: unknown, ...args) {
    const [address, port, addressType, fd, flags] = args
    const place = hasWorkers() && typeof fd !== 'number' ? listenPlace(address, port, addressType, flags) : null
    const isOurs = place !== null && !isWildcard(place.address) && transport.router.listens(place.address, place.port)
    if (!isOurs) return Reflect.apply(create, this, args)
    const handle = holdForWorkers(transport, place)
    return handle.listen(1) || handle
  })
}

function hookWorker(transport: Transport): void {
  replaceMethod(cluster, '_getServer', (getServer) => function getServerOnTas(this: unknown, ...args) {
    const [server, query, done] = args as [unknown, Query, Answered]
    const place = typeof query.fd === 'number' ? null : listenPlace(query.address, query.port, query.addressType, query.flags)
    const isOurs = place !== null && server instanceof net.Server && transport.router.listens(place.address, place.port)
    if (!isOurs) return Reflect.apply(getServer, this, args)
    return Reflect.apply(getServer, this, [server, query, (error: number, given: KernelListener | null) => {
      if (error !== 0 || given === null) return done(error, given)
      if (transport.claims.isFree(place)) return done(0, workerListener(transport, place, given))
      // The primary lets workers share an address of TAS's; a worker has it once.
      given.close()
      done(UV_EADDRINUSE, null)
    }])
  })
}

/** `given`: what the primary has answered, or sent. */
function workerListener(transport: Transport, place: ListenPlace, given: KernelListener): ListenerHandle {
  const handle = given instanceof ListenerHandle ? given : newListener(transport, { ...place, isShared: true }, given)
  if (!isWildcard(place.address)) handle.afterListen = (port) => tellPrimary(place.address, port)
  return handle
}

function tellPrimary(address: string, port: number): void {
  // Without a callback an error would be the program's.
  if (process.connected) process.send?.(messageOf({ kind: 'listens', address, port }), undefined, undefined, () => undefined)
}
