/**
 * `cluster._getServer` of a worker asks the primary for a listener (lib/internal/cluster/child.js). The primary's stays in the kernel,
 * which settles port 0 for all; each worker listens in TAS for itself besides, on the same port, which TAS lets them share.
 */
import cluster from 'node:cluster'
import net from 'node:net'
import type { KernelListener } from '../handle/companions.js'
import { ListenerHandle } from '../handle/listener.js'
import type { Transport } from '../transport.js'
import { newHandle } from './handles.js'
import { replaceMethod } from './replace.js'
import { listenPlace } from './serverlisten.js'

interface Query {
  readonly address?: unknown
  readonly port?: unknown
  readonly addressType?: unknown
  readonly fd?: unknown
  readonly flags?: unknown
}

/** Lets workers of a cluster listen in TAS. Does nothing elsewhere. */
export function hookCluster(transport: Transport): void {
  if (!cluster.isWorker) return
  replaceMethod(cluster, '_getServer', (getServer) => function getServerOnTas(this: unknown, ...args) {
    const [server, query, done] = args as [unknown, Query, (error: number, handle: KernelListener | null) => void]
    const place = typeof query.fd === 'number' ? null : listenPlace(query.address, query.port, query.addressType, query.flags)
    const isOurs = place !== null && server instanceof net.Server && transport.router.listens(place.address, place.port)
    if (!isOurs) return Reflect.apply(getServer, this, args)
    if (transport.session() === null && transport.refusal !== 0) return process.nextTick(done, transport.refusal, null)
    return Reflect.apply(getServer, this, [server, query, (error: number, given: KernelListener | null) => {
      if (error !== 0 || given === null) done(error, given)
      else done(0, new ListenerHandle(transport, { ...place, isShared: true }, (triggerAsyncId) => newHandle(transport, triggerAsyncId), given))
    }])
  })
}
