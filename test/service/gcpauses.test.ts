/** Pauses for garbage collection, forced, are counted by both kinds of process. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { HISTOGRAM_BUCKETS, HistogramWriter } from '../../lib/memif/index.js'
import { GcPauses, observeGcPauses } from '../../service/gcpauses.js'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function turnOfEventLoop(): Promise<void> {
  return new Promise((resolve) => { setImmediate(resolve) })
}

function total(counts: Float64Array): number {
  return counts.reduce((sum, count) => sum + count)
}

describe('pauses for garbage collection', () => {
  it('a process that does not return to the event loop: collections -> counted when asked, each once', () => {
    const counts = new Float64Array(HISTOGRAM_BUCKETS)
    const pauses = new GcPauses(new HistogramWriter(counts, 0))
    collect()
    collect()
    expect(total(counts)).toBe(0)
    pauses.collect()
    const first = total(counts)
    expect(first).toBeGreaterThanOrEqual(2)
    // A whole collection takes more than a microsecond.
    expect(counts[0]).toBe(0)
    collect()
    pauses.collect()
    expect(total(counts)).toBeGreaterThan(first)
    expect(total(counts)).toBeLessThan(2 * first + 2)
  })

  it('a process in the event loop: a collection -> counted at a later turn; disconnected: not any more', async () => {
    const counts = new Float64Array(HISTOGRAM_BUCKETS)
    const observer = observeGcPauses(new HistogramWriter(counts, 0))
    collect()
    for (let turn = 0; turn < 10 && total(counts) === 0; turn++) await turnOfEventLoop()
    expect(total(counts)).toBeGreaterThanOrEqual(1)
    observer.disconnect()
    const before = total(counts)
    collect()
    for (let turn = 0; turn < 10; turn++) await turnOfEventLoop()
    expect(total(counts)).toBe(before)
  })
})
