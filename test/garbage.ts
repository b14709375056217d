/** What a piece of code leaves for the garbage collector. */
import { PerformanceObserver } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect } from 'vitest'

/** Below one object of 16 bytes a round at 200,000 rounds, 3 MB, and above what the measurement itself leaves. */
const GROWN_BYTES_MAX = 1_000_000

/** Collects once, calls `run`, and expects that it made no garbage: no collection, and a heap that has not grown. */
export async function expectNoGarbage(run: () => void): Promise<void> {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  if (typeof collect === 'function') collect()
  let collections = 0
  const observer = new PerformanceObserver((list) => { collections += list.getEntries().length })
  await new Promise((resolve) => setImmediate(resolve))
  observer.observe({ entryTypes: ['gc'] })
  const before = process.memoryUsage().heapUsed
  run()
  const grownBytes = process.memoryUsage().heapUsed - before
  await new Promise((resolve) => setImmediate(resolve))
  observer.disconnect()
  expect(collections).toBe(0)
  expect(grownBytes).toBeLessThan(GROWN_BYTES_MAX)
}
