/** The end of a handle. */
import { TCP, TCP_SOCKET } from '../internals.js'

/**
 * Calls `callback` when libuv would for a handle that is closed now: in the closing phase, behind the callbacks of setImmediate (uv_run in
 * libuv's src/unix/core.c). A handle of the kernel's TCP that was never used has no descriptor and tells the time. It is closed in a
 * setImmediate, since events of TAS come in one: what the program asks for from there comes a turn later than from a kernel's event.
 */
export function whenClosed(callback: () => void): void {
  setImmediate(closeHandle, callback)
}

function closeHandle(callback: () => void): void {
  new TCP(TCP_SOCKET).close(callback)
}
