/**
 * Listeners in the kernel beside one on every address of TAS: so that `localhost` reaches the server, and port and address are as free
 * or taken as without TAS. In a worker of a cluster it is what the primary gives.
 */
import { makeShared, type Shown, unshareId } from '../async.js'
import { UV_EADDRNOTAVAIL } from '../errors.js'
import { OWNER, type SocketName, TCP, TCP_SERVER, type KernelHandle } from '../internals.js'
import { mayHaveLoopback } from '../ipv6.js'
import type { KernelListen } from '../settings.js'

/** What `net.Server` needs of a listener of the kernel; that of a cluster's worker has no more than this. */
export interface KernelListener {
  onconnection?: (this: unknown, status: number, client: unknown) => void
  listen(backlog: number): number
  getsockname?(out: SocketName): number
  ref(): void
  unref(): void
  close(callback?: () => void): void
  [key: symbol]: unknown
}

interface Place {
  readonly address: string
  readonly isIpv6: boolean
  /** Done without where the host has no such address. */
  readonly isOptional: boolean
}

/** Where to listen in the kernel for a listener on `::` or `0.0.0.0`. A mapped address shows clients as a socket on `::` does. */
function places(kind: KernelListen, isIpv6: boolean): readonly Place[] {
  if (kind === 'none') return []
  if (kind === 'all') return [{ address: isIpv6 ? '::' : '0.0.0.0', isIpv6, isOptional: false }]
  if (!isIpv6) return [{ address: '127.0.0.1', isIpv6: false, isOptional: false }]
  const mapped = { address: '::ffff:127.0.0.1', isIpv6: true, isOptional: false }
  return mayHaveLoopback() ? [mapped, { address: '::1', isIpv6: true, isOptional: true }] : [mapped]
}

function open({ address, isIpv6 }: Place, port: number, flags: number, backlog: number, shown: Shown): KernelHandle | number {
  const handle = makeShared(() => new TCP(TCP_SERVER), shown)
  const error = (isIpv6 ? handle.bind6(address, port, flags) : handle.bind(address, port, flags)) || handle.listen(backlog)
  if (error === 0) return handle
  closeAll([handle], shown)
  return error
}

/** The port of a handle of the kernel. */
export function portOf(handle: KernelListener): number {
  const name: SocketName = {}
  handle.getsockname?.(name)
  return name.port ?? 0
}

/**
 * Listens in the kernel. To hooks of `async_hooks` the handles are the one that they stand beside. Returns the handles, or the error of the
 * first that failed. With port 0 all have the port of the first.
 */
export function openCompanions(
  kind: KernelListen, isIpv6: boolean, port: number, flags: number, backlog: number, shown: Shown,
): KernelListener[] | number {
  const handles: KernelListener[] = []
  for (const place of places(kind, isIpv6)) {
    const handle = open(place, handles.length > 0 ? portOf(handles[0]) : port, flags, backlog, shown)
    if (typeof handle !== 'number') {
      handles.push(handle)
    } else if (!(place.isOptional && handle === UV_EADDRNOTAVAIL)) {
      closeAll(handles, shown)
      return handle
    }
  }
  return handles
}

/** Closes handles that `openCompanions` has returned for `shown`, or others. */
export function closeAll(handles: readonly KernelListener[], shown: Shown): void {
  for (const handle of handles) {
    if (handle instanceof TCP) unshareId(handle, shown.getAsyncId())
    handle.close()
  }
}

/** Connections of `companion` come to `handle`, the one that the server knows. */
export function forward(companion: KernelListener, handle: KernelListener): void {
  companion[OWNER] = handle[OWNER]
  companion.onconnection = (status, client) => handle.onconnection?.call(handle, status, client)
}
