import { describe, expect, it } from 'vitest'
import * as memif from '../../lib/memif/index.js'

const words = ['REMOTE_IP', 'PORTS', 'FLAGS', 'RCV_NXT', 'RCV_READ', 'RCV_ADV', 'SND_UNA', 'SND_NXT', 'SND_MAX', 'SND_END', 'SND_WND',
  'TS_RECENT', 'RX_BASE', 'TX_BASE', 'BUFFER', 'OOO_START', 'OOO_END', 'SND_LIMIT', 'RTT_SEQ', 'RTT_START_US', 'SRTT_US8',
  'RTTVAR_US4', 'ACKED_BYTES', 'ECN_BYTES', 'HEARD_MS', 'CWND', 'RATE_KBPS', 'TX_BUFFER'] as const

/** [first byte, length] of every TCB field, read off the exported names. */
function tcbFields(): [string, number, number][] {
  const table: Readonly<Record<string, unknown>> = memif
  const fields: [string, number, number][] = []
  for (const [name, value] of Object.entries(table)) {
    if (!name.startsWith('TCB_') || typeof value !== 'number' || name === 'TCB_BYTES' || name === 'TCB_WORDS') continue
    if (name.endsWith('_U8')) fields.push([name, value, 1])
    else if (name.endsWith('_U16')) fields.push([name, value * 2, 2])
    else fields.push([name, value * 4, 4])
  }
  return fields
}

describe('TCB', () => {
  it('layout: every field -> inside 128 bytes and nobody else’s', () => {
    const owner = new Array<string | undefined>(memif.TCB_BYTES)
    for (const [name, first, length] of tcbFields()) {
      for (let byte = first; byte < first + length; byte++) {
        expect(byte, name).toBeLessThan(memif.TCB_BYTES)
        expect(owner[byte], `${name} at byte ${byte}`).toBeUndefined()
        owner[byte] = name
      }
    }
    expect(owner.filter((name) => name === undefined)).toHaveLength(0)
    expect(tcbFields().filter(([name]) => !/_U(8|16)$/.test(name))).toHaveLength(words.length)
  })

  it('layout: what nearly every packet reads -> in the first cache line', () => {
    for (const name of words.slice(0, words.indexOf('OOO_START'))) {
      const field = tcbFields().find(([other]) => other === `TCB_${name}`)
      expect(field?.[1], name).toBeLessThan(memif.CACHE_LINE_BYTES)
    }
  })

  it('flags: every bit -> used once', () => {
    const table: Readonly<Record<string, unknown>> = memif
    const bits = Object.entries(table).filter(([name]) => name.startsWith('FLAG_')).map(([, value]) => Number(value))
    expect(bits.every((bit) => bit > 0 && (bit & (bit - 1)) === 0)).toBe(true)
    expect(new Set(bits).size).toBe(bits.length)
  })
})

/** Asserts that [start, end) spans do not overlap. */
function expectDisjoint(spans: [number, number][]): void {
  const sorted = [...spans].sort((a, b) => a[0] - b[0])
  for (let i = 1; i < sorted.length; i++) expect(sorted[i][0]).toBeGreaterThanOrEqual(sorted[i - 1][1])
}

describe('state region', () => {
  const shape = { workers: 3, flows: 1024, toSlowEntries: 256, toFastEntries: 128, packetAreaBytes: 65536 }

  it('layout: all parts of all workers -> disjoint, aligned and inside', () => {
    const places = memif.placeState(shape)
    const spans: [number, number][] = [
      [places.neighborsWord * 4, places.neighborsWord * 4 + memif.NEIGHBORS_MAX * memif.NEIGHBOR_WORDS * 4],
      [places.tcbOffset, places.tcbOffset + shape.flows * memif.TCB_BYTES],
      [places.movesWord * 4, (places.movesWord + shape.flows * memif.MOVE_WORDS) * 4],
    ]
    for (const worker of places.workers) {
      spans.push([worker.flowTableWord * 4, (worker.flowTableWord + worker.flowTableEntries * memif.FLOW_ENTRY_WORDS) * 4])
      for (const ring of [worker.toSlow, worker.toFast]) {
        spans.push([ring.ring.firstWord * 4, ring.areaOffset], [ring.areaOffset, ring.areaOffset + ring.areaBytes])
        expect(ring.areaOffset % memif.CACHE_LINE_BYTES).toBe(0)
      }
      spans.push([worker.ownWord * 4, worker.ownWord * 4 + 64])
    }
    expectDisjoint(spans)
    for (const [, end] of spans) expect(end).toBeLessThanOrEqual(places.totalBytes)
    expect(places.tcbOffset % memif.CACHE_LINE_BYTES).toBe(0)
  })

  it('header: written and read back -> the same shape; another version -> refused', () => {
    const buffer = new ArrayBuffer(memif.placeState(shape).totalBytes)
    const view = new Int32Array(buffer)
    memif.writeStateHeader(view, shape)
    expect(memif.readStateHeader(view)).toEqual(shape)
    expect(new memif.StateView(buffer).places).toEqual(memif.placeState(shape))
    view[memif.STATE_VERSION]++
    expect(() => new memif.StateView(buffer)).toThrow(/layout version/)
  })

  it('layout: a size that is no power of two -> RangeError', () => {
    expect(() => memif.placeState({ ...shape, flows: 1000 })).toThrow(RangeError)
  })
})

describe('application region', () => {
  const shape = { regionBytes: 1 << 30, workers: 2, kinBytes: 4096, koutBytes: 8192, fastEntries: 64 }

  it('layout: rings of all contexts -> disjoint and before the buffers', () => {
    const spans: [number, number][] = [[0, memif.PAGE_BYTES]]
    for (let context = 0; context < memif.CONTEXTS_MAX; context++) {
      const places = memif.placeContext(shape, context)
      spans.push([places.sleepingWord * 4, places.sleepingWord * 4 + 4])
      for (const ring of [places.kin, places.kout, ...places.events, ...places.bumps]) {
        spans.push([ring.firstWord * 4, ring.firstWord * 4 + memif.ringBytes(ring.capacity, ring.entryWords)])
      }
    }
    expectDisjoint(spans)
    for (const [, end] of spans) expect(end).toBeLessThanOrEqual(memif.buffersOffset(shape))
  })

  it('header: written and read back -> the same shape', () => {
    const view = new Int32Array(1024)
    memif.writeAppRegionHeader(view, shape)
    expect(memif.readAppRegionHeader(view)).toEqual(shape)
    expect(memif.readAppPollIntervalUs(view)).toBe(0)
    memif.writeAppRegionHeader(view, shape, 0xffff_ffff)
    expect(memif.readAppPollIntervalUs(view)).toBe(0xffff_ffff)
  })

  it('context: an id out of range -> RangeError', () => {
    expect(() => memif.placeContext(shape, memif.CONTEXTS_MAX)).toThrow(RangeError)
    expect(() => memif.placeContext(shape, -1)).toThrow(RangeError)
  })
})

describe('counters', () => {
  it('names: every list -> fits its block and repeats no name', () => {
    for (const list of [memif.WORKER_COUNTERS, memif.SLOW_COUNTERS]) {
      expect(list.length).toBeLessThanOrEqual(memif.COUNTER_BLOCK)
      expect(new Set<string>(list).size).toBe(list.length)
    }
  })

  it('region: every block and histogram -> overlaps nothing and lies within', () => {
    const workers = Array.from({ length: memif.WORKERS_MAX }, (_, worker) => worker)
    const blocks = [0, memif.SLOW_COUNTER_BASE, ...workers.map(memif.workerCounterBase)]
    const histograms = [
      ...memif.SLOW_HISTOGRAMS.map(memif.slowHistogramBase),
      ...workers.flatMap((worker) => memif.WORKER_HISTOGRAMS.map((name) => memif.workerHistogramBase(worker, name))),
    ]
    const spans: [number, number][] = [
      ...blocks.map((base): [number, number] => [base, base + memif.COUNTER_BLOCK]),
      ...histograms.map((base): [number, number] => [base, base + memif.HISTOGRAM_BUCKETS]),
    ]
    expectDisjoint(spans)
    expect(Math.max(...spans.map(([, end]) => end)) * 8).toBe(memif.COUNTERS_BYTES)
  })
})
