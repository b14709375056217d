/**
 * Timers and the clock of Node as they are when this is loaded. A program may put others in their place (fake timers of test libraries), which do not
 * go on by themselves: what is at work beneath it must.
 */
export const { setImmediate, setTimeout, clearTimeout, setInterval, clearInterval, queueMicrotask } = globalThis
export const nextTick = process.nextTick.bind(process)
/** Milliseconds, monotonic. */
export const nowMs = performance.now.bind(performance)
