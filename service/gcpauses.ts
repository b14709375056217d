/**
 * Pauses for garbage collection, counted in microseconds.
 *
 * Node tells them to a PerformanceObserver, but only when its event loop has a turn, and a worker's loop gives it none until the end: what it
 * has to tell would gather. There, V8's GCProfiler is asked now and then, which answers at once, for 4 us and 300 bytes of garbage when there
 * was no collection. The slow path has an event loop, and need not ask. Either costs some 50 us for each collection. Node-API has no callback
 * for collections.
 */
import { PerformanceObserver } from 'node:perf_hooks'
import { GCProfiler } from 'node:v8'
import type { HistogramWriter } from '../lib/memif/index.js'

const US_PER_MS = 1000

/** Counts into `pauses` until the observer that it returns is disconnected. For a process that lives in Node's event loop. */
export function observeGcPauses(pauses: HistogramWriter): PerformanceObserver {
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) pauses.record(Math.round(duration * US_PER_MS))
  })
  observer.observe({ entryTypes: ['gc'] })
  return observer
}

/** The pauses of a process that does not return to Node's event loop, from now on. */
export class GcPauses {
  private readonly pauses: HistogramWriter
  private profiler = startProfiler()

  constructor(pauses: HistogramWriter) {
    this.pauses = pauses
  }

  /** Counts those since the last call. */
  collect(): void {
    const last = this.profiler
    // First, so that none is lost in between.
    this.profiler = startProfiler()
    for (const { cost } of last.stop().statistics) this.pauses.record(Math.round(cost))
  }
}

function startProfiler(): GCProfiler {
  const profiler = new GCProfiler()
  profiler.start()
  return profiler
}
