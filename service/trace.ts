/** The trace region of the service (lib/memif/trace.ts), and who wants to see what. */
import { setWantedKinds, TRACE_ENTRIES_OFFSET, traceRegionBytes, writeTraceHeader } from '../lib/memif/index.js'
import { closeFd, createRegion, punchHole, reopenReadOnly } from '../native/index.js'
import type { UndoStack } from './undo.js'

/** The trace region. */
export interface TraceMemory {
  readonly buffer: ArrayBufferLike
  readonly lenBytes: number
  /** Writable descriptor for workers. */
  readonly fd: number
  /** For tools. */
  readonly readOnlyFd: number
  /** From now on these kinds are traced, a bit for each. With none the memory is given back. */
  want(kinds: number): void
}

/** Creates the region, let go by `undo`; nothing is traced yet. */
export function createTrace(workers: number, undo: UndoStack): TraceMemory {
  const lenBytes = traceRegionBytes(workers)
  const { fd, buffer } = createRegion('tas-trace', lenBytes)
  undo.add('the trace region', () => closeFd(fd))
  const readOnlyFd = reopenReadOnly(fd)
  undo.add('the trace region for tools', () => closeFd(readOnlyFd))
  const words = new Int32Array(buffer)
  writeTraceHeader(words, workers)
  return {
    buffer, lenBytes, fd, readOnlyFd,
    want: (kinds) => {
      setWantedKinds(words, kinds)
      // A worker may be writing its last entries: they take a page or two until tracing begins again.
      if (kinds === 0) punchHole(fd, TRACE_ENTRIES_OFFSET, lenBytes - TRACE_ENTRIES_OFFSET)
    },
  }
}
