/** Waiting for conditions instead of sleeping and hoping. */

const LOOK_EVERY_MS = 10

/** Resolves after `ms` milliseconds. */
export function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}

/**
 * Looks every 10 ms until `look` returns something other than undefined and false, and returns it.
 * Throws Error naming `what` after `timeoutMs`.
 */
export async function until<T>(
  what: string, look: () => T | Promise<T>, timeoutMs = 10_000,
): Promise<Exclude<T, undefined | false>> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const value = await look()
    if (value !== undefined && value !== false) return value as Exclude<T, undefined | false>
    if (performance.now() > deadline) throw new Error(`timed out after ${timeoutMs / 1000} s: ${what}`)
    await pause(LOOK_EVERY_MS)
  }
}

/** `promise`, or an Error naming `what` if it takes longer than `timeoutMs`. */
export async function within<T>(what: string, promise: Promise<T>, timeoutMs = 10_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`timed out after ${timeoutMs / 1000} s: ${what}`)), timeoutMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
