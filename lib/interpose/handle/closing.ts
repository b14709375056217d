/** The end of a handle. */
import { Pipe, PIPE_SOCKET, runTicks } from '../internals.js'
import { Batches } from './batches.js'

const batches = new Batches<() => void>(closeAll)
/** What waits for the closing phase of this turn of the event loop. */
let closing: (() => void)[] = []

/**
 * Calls `callback` when libuv would for a handle that is closed now: in the closing phase, behind the callbacks of setImmediate (uv_run in
 * libuv's src/unix/core.c). A pipe that was never used has no descriptor and tells the time, to all that are closed in the same turn; hooks of
 * `async_hooks` see it, and would take a handle of the kernel's TCP for a connection. It is closed in a setImmediate, since events of TAS come
 * in one: what the program asks for from there comes a turn later than from a kernel's event. `turn`: that in which it is closed (`Transport.turn`).
 */
export function whenClosed(turn: number, callback: () => void): void {
  batches.add(turn, callback)
}

function closeAll(callbacks: readonly (() => void)[]): void {
  if (closing.length === 0) new Pipe(PIPE_SOCKET).close(tellClosed)
  for (const callback of callbacks) closing.push(callback)
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
    if (callbacks.length > 0) closeAll(callbacks)
  }
}
