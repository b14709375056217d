/** What a piece of code leaves for the garbage collector. */
import { PerformanceObserver } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect } from 'vitest'

/** Below one object of 16 bytes a round at 200,000 rounds, 3 MB, and above what the measurement itself leaves. */
const GROWN_BYTES_MAX = 1_000_000
/** What is not compiled yet makes garbage. Compilers work beside us, as fast as the machine has time for them. */
const RUNS_MAX = 10

interface Garbage {
  readonly collections: number
  readonly isLittle: boolean
}

async function garbageOf(run: () => void): Promise<Garbage> {
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
  return { collections, isLittle: grownBytes < GROWN_BYTES_MAX }
}

/**
 * Calls `run` until it has made no garbage once: no collection, and a heap that has not grown. Garbage of its own would be there each
 * time. Returns how often it was called.
 */
export async function expectNoGarbage(run: () => void): Promise<number> {
  setFlagsFromString('--expose-gc')
  let garbage: Garbage = { collections: 0, isLittle: false }
  for (let runs = 1; runs <= RUNS_MAX; runs++) {
    garbage = await garbageOf(run)
    if (garbage.collections === 0 && garbage.isLittle) return runs
  }
  expect(garbage).toEqual({ collections: 0, isLittle: true })
  return RUNS_MAX
}
