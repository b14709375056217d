/** A trace region in memory, and what was written to one of its rings as `tas trace` shows it. */
import { setWantedKinds, TRACE_KINDS, TraceReader, traceRegionBytes, TraceWriter, writeTraceHeader } from '../lib/memif/index.js'
import { decodeEntry, type TraceRecord } from '../tools/trace/records.js'
import { describe } from '../tools/trace/text.js'

export class TestTrace {
  readonly writer: TraceWriter
  private readonly ring: number
  private readonly reader: TraceReader
  private readonly words: Int32Array

  /** Ring 0 is the slow path's. Everything is wanted unless `kinds` says otherwise; times are those of `nowUs`. */
  constructor(ring: number, nowUs: () => number, kinds = 2 ** TRACE_KINDS.length - 1) {
    const memory = new ArrayBuffer(traceRegionBytes(1))
    this.words = new Int32Array(memory)
    writeTraceHeader(this.words, 1)
    this.ring = ring
    this.writer = new TraceWriter(memory, ring, nowUs)
    this.reader = new TraceReader(memory)
    this.want(kinds)
  }

  want(kinds: number): void {
    setWantedKinds(this.words, kinds)
  }

  /** What was written since the last call. */
  records(): TraceRecord[] {
    const seen: TraceRecord[] = []
    this.reader.read(this.ring, (entry) => {
      const record = decodeEntry(entry, this.ring, { nowUs: 0, epochUs: 0 })
      if (record !== null) seen.push(record)
    })
    return seen
  }

  /** The same as text: kind and what happened. */
  lines(): string[] {
    return this.records().map((record) => `${record.kind} ${describe(record)}`)
  }
}
