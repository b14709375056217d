import { describe, expect, it } from 'vitest'
import {
  setWantedKinds, TRACE_ENTRIES, TRACE_FLOW, TRACE_FRAME_BYTES, TRACE_FRAME_KEPT, TRACE_FRAME_LEN, TRACE_FRAME_MAX, TRACE_KIND, TRACE_KINDS,
  TRACE_RX, TRACE_SLEEP, TRACE_TIME_US, TRACE_TX, TRACE_VALUES, tracedBytes, TracedSleepMark, TraceReader, traceRegionBytes, TraceWriter,
  writeTraceHeader,
} from '../../lib/memif/index.js'
import * as memif from '../../lib/memif/index.js'
import { segmentFrame } from '../slow/frames.js'

function region(workers = 1): ArrayBuffer {
  const memory = new ArrayBuffer(traceRegionBytes(workers))
  writeTraceHeader(new Int32Array(memory), workers)
  return memory
}

/** First value of each entry there is. */
function values(reader: TraceReader, ring = 0): number[] {
  const seen: number[] = []
  reader.read(ring, (entry) => void seen.push(entry[TRACE_VALUES]))
  return seen
}

function writeValue(writer: TraceWriter, value: number): void {
  writer.connection(TRACE_FLOW, 0, -1, 0, 0, 0, 0, value, 0, 0, 0)
}

describe('trace: kinds', () => {
  it('numbers of kinds -> their places among the names', () => {
    const constants: Readonly<Record<string, unknown>> = memif
    TRACE_KINDS.forEach((name, number) => expect(constants[`TRACE_${name.toUpperCase()}`], name).toBe(number))
  })

  it('a fresh region -> nothing is wanted; then what is set', () => {
    const memory = region()
    const writer = new TraceWriter(memory, 0, () => 0)
    const wanted = (): number[] => TRACE_KINDS.flatMap((_, kind) => writer.wants(kind) ? [kind] : [])
    expect(wanted()).toEqual([])
    setWantedKinds(new Int32Array(memory), (1 << TRACE_RX) | (1 << TRACE_SLEEP))
    expect(wanted()).toEqual([TRACE_RX, TRACE_SLEEP])
    setWantedKinds(new Int32Array(memory), 0)
    expect(wanted()).toEqual([])
    expect(TraceWriter.off().wants(TRACE_RX)).toBe(false)
  })
})

describe('trace: ring', () => {
  it('entries of each ring -> read in order, once, with the time of their stamp; those before the reader are not', () => {
    const memory = region(2)
    let now = 0xffff_fff0
    const [slow, worker] = [0, 2].map((ring) => new TraceWriter(memory, ring, () => now))
    writeValue(slow, 1)
    const reader = new TraceReader(memory)
    slow.stamp()
    now += 5
    writeValue(slow, 2)
    slow.stamp()
    writeValue(slow, 3)
    writeValue(worker, 4)
    const times: number[] = []
    reader.read(0, (entry) => void times.push(entry[TRACE_TIME_US], entry[TRACE_VALUES]))
    expect(times).toEqual([-16, 2, -11, 3])
    expect([reader.rings, values(reader), values(reader, 1), values(reader, 2), values(reader, 2), reader.lost]).toEqual([3, [], [], [4], [], 0])
  })

  it('more than it holds -> the oldest are overwritten and counted', () => {
    const memory = region()
    const writer = new TraceWriter(memory, 0, () => 0)
    const reader = new TraceReader(memory)
    const count = 2 * TRACE_ENTRIES + 7
    for (let value = 0; value < count; value++) writeValue(writer, value)
    const seen = values(reader)
    expect(seen).toEqual(Array.from({ length: TRACE_ENTRIES - 1 }, (_, i) => count - TRACE_ENTRIES + 1 + i))
    expect(reader.lost).toBe(count - seen.length)
  })

  it('overwritten while it is read -> what is handed out is whole, the rest counted', () => {
    const memory = region()
    const writer = new TraceWriter(memory, 0, () => 0)
    const reader = new TraceReader(memory)
    let next = 0
    const write = (count: number): void => {
      for (let i = 0; i < count; i++) writeValue(writer, next++)
    }
    write(TRACE_ENTRIES - 1)
    const seen: number[] = []
    reader.read(0, (entry) => {
      seen.push(entry[TRACE_VALUES])
      if (seen.length === 10) write(100)
    })
    seen.push(...values(reader))
    expect(seen.slice(9, 12)).toEqual([9, 100, 101])
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen.length + reader.lost).toBe(next)
  })

  it('a writer that is replaced -> the next goes on behind its last entry', () => {
    const memory = region()
    const reader = new TraceReader(memory)
    writeValue(new TraceWriter(memory, 1, () => 0), 1)
    writeValue(new TraceWriter(memory, 1, () => 0), 2)
    expect(values(reader, 1)).toEqual([1, 2])
  })

  it('counts beyond 2^32 -> go on', () => {
    const memory = region()
    const words = new Int32Array(memory)
    words[32] = -3
    const writer = new TraceWriter(memory, 0, () => 0)
    const reader = new TraceReader(memory)
    for (let value = 0; value < 6; value++) writeValue(writer, value)
    expect(values(reader)).toEqual([0, 1, 2, 3, 4, 5])
    for (let value = 6; value < 12; value++) writeValue(writer, value)
    expect([values(reader), reader.lost]).toEqual([[6, 7, 8, 9, 10, 11], 0])
  })

  it('memory that is none of this version -> refused', () => {
    expect(() => new TraceReader(new ArrayBuffer(8192))).toThrow('not a trace region')
    const memory = region()
    expect(() => new TraceReader(memory.slice(0, 8192))).toThrow('not a trace region')
    expect(() => region(17)).toThrow(RangeError)
  })
})

describe('trace: frames', () => {
  const segment = segmentFrame({ seq: 1, flags: 24, payload: new Uint8Array(500) })

  it('a TCP segment -> its headers alone, and how long it was', () => {
    const memory = region()
    const reader = new TraceReader(memory)
    new TraceWriter(memory, 0, () => 0).frame(TRACE_TX, 1, segment, 0, segment.length, 9000)
    reader.read(0, (entry) => {
      expect([entry[TRACE_KIND], entry[TRACE_FRAME_LEN], entry[TRACE_FRAME_KEPT]]).toEqual([TRACE_TX | (1 << 8), 9000, 54])
      expect(new Uint8Array(entry.buffer, TRACE_FRAME_BYTES * 4, 54)).toEqual(segment.subarray(0, 54))
    })
    expect.assertions(2)
  })

  it('anything else, and lengths that lie -> no more than there is room for', () => {
    expect(tracedBytes(new Uint8Array(1500), 0, 1500)).toBe(TRACE_FRAME_MAX)
    expect(tracedBytes(new Uint8Array(10), 0, 10)).toBe(10)
    const longest = segment.slice()
    longest[14] = 0x4f
    longest.fill(0xf0, 14 + 60 + 12, 14 + 60 + 13)
    expect(tracedBytes(longest, 0, longest.length)).toBe(TRACE_FRAME_MAX)
    expect(tracedBytes(segment, 0, 40)).toBe(40)
  })
})

describe('trace: sleeping mark', () => {
  it('set and cleared -> the mark is as ever, two entries; cleared again -> none', () => {
    const memory = region()
    const doorbell = new Int32Array(1)
    const mark = new TracedSleepMark(doorbell, 0, new TraceWriter(memory, 0, () => 0))
    const reader = new TraceReader(memory)
    mark.set()
    expect(doorbell[0]).toBe(1)
    mark.clear()
    setWantedKinds(new Int32Array(memory), 1 << TRACE_SLEEP)
    for (const step of ['set', 'clear', 'clear'] as const) mark[step]()
    expect(doorbell[0] & 1).toBe(0)
    const seen: number[] = []
    reader.read(0, (entry) => void seen.push(entry[TRACE_KIND]))
    expect(seen).toEqual([TRACE_SLEEP | (1 << 8), TRACE_SLEEP])
  })
})
