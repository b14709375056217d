/** Rings of several processes read into one order. */
import type { TraceReader } from '../../lib/memif/index.js'
import { decodeEntry, type TraceRecord } from './records.js'

/** A process may be held up between reading its clock and publishing the entry, by a send or for want of a CPU: others' entries wait so long. */
const SETTLE_US = 50_000

export class TraceMerge {
  private readonly reader: Pick<TraceReader, 'rings' | 'read'>
  private readonly epochUs: number
  private waiting: TraceRecord[] = []

  /** `epochUs` is to be added to the monotonic clock for microseconds since 1970. */
  constructor(reader: Pick<TraceReader, 'rings' | 'read'>, epochUs: number) {
    this.reader = reader
    this.epochUs = epochUs
  }

  /** Reads all rings at `nowUs` of the monotonic clock. Returns what is in order by now; with `isLast` all there is. */
  take(nowUs: number, isLast = false): TraceRecord[] {
    for (let ring = 0; ring < this.reader.rings; ring++) {
      this.reader.read(ring, (entry) => {
        const record = decodeEntry(entry, ring, { nowUs, epochUs: this.epochUs })
        if (record !== null) this.waiting.push(record)
      })
    }
    // Stable: entries of one ring stay in their order.
    this.waiting.sort((a, b) => a.timeUs - b.timeUs)
    const untilUs = isLast ? Infinity : this.epochUs + nowUs - SETTLE_US
    const count = this.waiting.findIndex(({ timeUs }) => timeUs > untilUs)
    return this.waiting.splice(0, count < 0 ? this.waiting.length : count)
  }
}
