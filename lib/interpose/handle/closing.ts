/** The end of a handle. */
import { Pipe, PIPE_SOCKET, runTicks } from '../internals.js'

/** What waits for the closing phase of this turn of the event loop. */
let closing: (() => void)[] = []

/**
 * Calls `callback` when libuv would for a handle that is closed now: in the closing phase, behind the callbacks of setImmediate (uv_run in
 * libuv's src/unix/core.c). A pipe that was never used has no descriptor and tells the time, to all that are closed in the same turn; hooks of
 * `async_hooks` see it, and would take a handle of the kernel's TCP for a connection.
 */
export function whenClosed(callback: () => void): void {
  if (closing.length === 0) new Pipe(PIPE_SOCKET).close(tellClosed)
  closing.push(callback)
}

/** libuv has the handle first that was closed last. */
function tellClosed(): void {
  const callbacks = closing
  closing = []
  try {
    while (callbacks.length > 0) {
      callbacks.pop()?.()
      // As behind each callback of libuv.
      runTicks()
    }
  } finally {
    // Only after an exception of the program's: the others come in a turn of their own.
    for (const callback of callbacks) whenClosed(callback)
  }
}
