/** The end of a handle. */
import { TCP, TCP_SOCKET } from '../internals.js'

/**
 * Calls `callback` when libuv would for a handle that is closed now: in the closing phase, behind the callbacks of setImmediate (uv_run in
 * libuv's src/unix/core.c). A handle of the kernel's TCP that was never used has no descriptor and tells the time.
 */
export function whenClosed(callback: () => void): void {
  new TCP(TCP_SOCKET).close(callback)
}
