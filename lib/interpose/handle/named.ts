/** Handles of the kernel that stand for a connection of TAS: they show its addresses in place of their own. */
import type { KernelHandle, SocketName } from '../internals.js'

/** The two ends of a connection, as `getsockname` and `getpeername` show them. */
export interface Names {
  readonly local: Readonly<SocketName>
  readonly remote: Readonly<SocketName>
}

const shown = new WeakMap<object, Names>()

/** Lets `handle` show `names`. */
export function showNames(handle: KernelHandle, names: Names): void {
  shown.set(handle, names)
  handle.getsockname = (out) => tell(out, names.local)
  handle.getpeername = (out) => tell(out, names.remote)
}

/** What `handle` has been given to show, or undefined. */
export function shownNames(handle: object): Names | undefined {
  return shown.get(handle)
}

/** The names of `handle` itself. */
export function namesOf(handle: Pick<KernelHandle, 'getsockname' | 'getpeername'>): Names {
  const local: SocketName = {}
  const remote: SocketName = {}
  handle.getsockname(local)
  handle.getpeername(remote)
  return { local, remote }
}

function tell(out: SocketName, name: Readonly<SocketName>): number {
  Object.assign(out, name)
  return 0
}
