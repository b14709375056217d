/**
 * `Server.prototype._listen2` (setupListenHandle of lib/net.js) makes and binds a handle unless the server has one, then listens. A
 * handle of TAS is there before; whatever fails does so in its `listen`, so that Node builds its own error. Address and type are filled
 * in as Node would have: `::` where the kernel has IPv6.
 */
import cluster from 'node:cluster'
import net from 'node:net'
import type { KernelListener } from '../handle/companions.js'
import type { Transport } from '../transport.js'
import { hasWorkers, listenerForWorkers } from './cluster.js'
import { newListener } from './handles.js'
import { listenAlone } from './handout.js'
import { listenPlace } from './listenplace.js'
import { replaceMethod } from './replace.js'

/** The server by which the primary of a cluster listens for its workers (lib/internal/cluster/round_robin_handle.js): connections are sent. */
function isOfCluster(server: net.Server): boolean {
  if (!hasWorkers()) return false
  const [first] = server.listeners('connection')
  return first?.name === 'fail'
}

/** Whether the primary of a cluster, which has the program's TAS, can listen for this process. */
function isForPrimary(transport: Transport): boolean {
  return cluster.isWorker && process.connected && !transport.isForOthers
}

/** What a server has in place of a listener that it does not get. */
function refused(error: number): KernelListener {
  return { listen: () => error, ref: () => undefined, unref: () => undefined, close: () => undefined }
}

/** Gives servers that listen a handle of TAS. */
export function hookServerListen(transport: Transport): void {
  replaceMethod(net.Server.prototype, '_listen2', (listen) => function listenOnTas(this: unknown, ...args) {
    const [address, port, addressType, backlog, fd, flags] = args
    const place = typeof fd === 'number' ? null : listenPlace(address, port, addressType, flags)
    const server = this as net.Server & { _handle: unknown }
    const isFree = place !== null && !server._handle
    if (!isFree || !transport.router.listens(place.address, place.port)) return Reflect.apply(listen, this, args)
    const listenBy = (handle: KernelListener | null): unknown => {
      if (handle === null) return Reflect.apply(listen, this, args)
      server._handle = handle
      return Reflect.apply(listen, this, [place.address, port, place.isIpv6 ? 6 : 4, backlog, fd, flags])
    }
    if (isOfCluster(server)) return listenBy(listenerForWorkers(transport, place))
    if (!isForPrimary(transport)) return listenBy(newListener(transport, place))
    const query = { address, port, addressType, backlog, fd, flags }
    return listenAlone(server, place, query, (error, handle) => void listenBy(handle ?? refused(error)))
  })
}
