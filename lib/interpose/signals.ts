/**
 * Signals that end a program because it does not handle them: no exit handler runs then, and an embedded TAS is gone without a word to its
 * peers. While the program has no listener for such a signal there is one here; with one of its own everything is as Node has it.
 */
import { queueMicrotask } from '../tas/timers.js'

/** Those that ask a program to end. */
const FATAL = ['SIGHUP', 'SIGINT', 'SIGTERM'] as const

/** Calls `leave` when such a signal is about to end the process, which it then does as without this. */
export function beforeFatalSignal(leave: () => void): void {
  for (const signal of FATAL) guard(signal, leave)
}

function guard(signal: NodeJS.Signals, leave: () => void): void {
  const die = (): void => {
    try {
      leave()
    } finally {
      // Without a listener the signal does what it always does.
      process.off(signal, die)
      process.kill(process.pid, signal)
    }
  }
  process.on('newListener', (name, listener) => {
    // A moment later: Node stops watching for a signal that has no listener, and this one's is not there yet.
    if (name === signal && listener !== die) queueMicrotask(() => { if (process.listenerCount(signal) > 1) process.off(signal, die) })
  })
  process.on('removeListener', (name, listener) => {
    if (name === signal && listener !== die && process.listenerCount(signal) === 0) process.on(signal, die)
  })
  if (process.listenerCount(signal) === 0) process.on(signal, die)
}
