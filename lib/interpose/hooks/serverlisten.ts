/**
 * `Server.prototype._listen2` (setupListenHandle of lib/net.js) makes and binds a handle unless the server has one, then listens. A
 * handle of TAS is there before; whatever fails does so in its `listen`, so that Node builds its own error. Address and type are filled
 * in as Node would have: `::` where the kernel has IPv6.
 */
import cluster from 'node:cluster'
import { existsSync } from 'node:fs'
import net from 'node:net'
import { ListenerHandle, type ListenPlace } from '../handle/listener.js'
import { IPV6_ONLY, REUSE_PORT, TCP } from '../internals.js'
import type { Transport } from '../transport.js'
import { newHandle } from './handles.js'
import { replaceMethod } from './replace.js'

let ipv6: boolean | null = null

/** Whether a socket can be bound to `::`; found out once. */
function hasIpv6(): boolean {
  // The file is there if the kernel has IPv6 at all, and nobody hears of a look at it.
  ipv6 ??= existsSync('/proc/net/if_inet6') || canBindIpv6()
  return ipv6
}

function canBindIpv6(): boolean {
  const probe = new TCP(1)
  const isBound = probe.bind6('::', 0) === 0
  probe.close()
  return isBound
}

/** What to listen on for the arguments of `_listen2`, or null for what is no TCP or only IPv6. */
export function listenPlace(address: unknown, port: unknown, addressType: unknown, flags: unknown): ListenPlace | null {
  if (typeof port !== 'number' || port < 0 || (addressType !== 4 && addressType !== 6)) return null
  const bits = typeof flags === 'number' ? flags : 0
  const isAny = typeof address !== 'string' || address === ''
  const isIpv6 = isAny ? hasIpv6() : addressType === 6
  if (isIpv6 && (bits & IPV6_ONLY) !== 0) return null
  const anywhere = isIpv6 ? '::' : '0.0.0.0'
  return { address: isAny ? anywhere : address, port, isIpv6, flags: bits, isShared: (bits & REUSE_PORT) !== 0 }
}

/** The server by which the primary of a cluster listens for its workers (lib/internal/cluster/round_robin_handle.js): connections are sent. */
function isOfCluster(server: net.Server): boolean {
  if (!cluster.isPrimary || Object.keys(cluster.workers ?? {}).length === 0) return false
  const [first] = server.listeners('connection')
  return first?.name === 'fail'
}

/** Gives servers that listen a handle of TAS. */
export function hookServerListen(transport: Transport): void {
  replaceMethod(net.Server.prototype, '_listen2', (listen) => function listenOnTas(this: unknown, ...args) {
    const [address, port, addressType, backlog, fd, flags] = args
    const place = typeof fd === 'number' ? null : listenPlace(address, port, addressType, flags)
    const server = this as net.Server & { _handle: unknown }
    const isFree = place !== null && !server._handle && !isOfCluster(server)
    if (!isFree || !transport.router.listens(place.address, place.port)) return Reflect.apply(listen, this, args)
    server._handle = new ListenerHandle(transport, place, (triggerAsyncId) => newHandle(transport, triggerAsyncId))
    return Reflect.apply(listen, this, [place.address, port, place.isIpv6 ? 6 : 4, backlog, fd, flags])
  })
}
