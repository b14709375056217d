import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  COUNTERS_BYTES, HISTOGRAM_BUCKETS, HistogramWriter, INFO_NAMES, slowCounter, SLOW_COUNTERS, slowHistogramBase, WORKER_COUNTERS, workerCounter,
  workerCounterBase, workerHistogramBase, writeCountersHeader, type InfoValues,
} from '../../lib/memif/index.js'
import type { ConnectionRow } from '../../tools/control/connections.js'
import { formatConnections, formatConnectionsJson } from '../../tools/stat/connections.js'
import { distributionOf } from '../../tools/stat/distribution.js'
import { formatJson, formatText, uptime } from '../../tools/stat/format.js'
import { parseStatOptions } from '../../tools/stat/options.js'
import { ratesBetween, readSnapshot, type Snapshot } from '../../tools/stat/snapshot.js'

const PLAIN = { heading: (text: string) => text, dim: (text: string) => text }

function makeCounters(workers = 2): Float64Array {
  const counters = new Float64Array(COUNTERS_BYTES / 8)
  writeCountersHeader(counters, workers, 42, 1_000_000)
  new DataView(counters.buffer).setBigUint64(0, BigInt(COUNTERS_BYTES - 8), true)
  return counters
}

function sample(counters: Float64Array, timeMs: number): Snapshot {
  return readSnapshot(counters, timeMs)
}

describe('stat: snapshot', () => {
  it('every counter of every worker and of the slow path', () => {
    const counters = makeCounters()
    counters[workerCounterBase(1) + workerCounter('rxPackets')] = 7
    counters[slowCounter('apps')] = 3
    const snapshot = sample(counters, 1_005_000)
    expect(snapshot).toMatchObject({ pid: 42, startMs: 1_000_000, timeMs: 1_005_000, slow: { apps: 3 } })
    expect(snapshot.workers.map(({ rxPackets }) => rxPackets)).toEqual([0, 7])
    expect(Object.keys(snapshot.workers[0])).toEqual([...WORKER_COUNTERS])
    expect(Object.keys(snapshot.slow)).toEqual([...SLOW_COUNTERS])
  })

  it('memory that is no counters object -> refused', () => {
    expect(() => sample(new Float64Array(COUNTERS_BYTES / 8), 0)).toThrow('no counters of tas')
    expect(() => sample(new Float64Array(1), 0)).toThrow('no counters of tas')
  })

  it('rates: counts for each second, amounts as they are', () => {
    const counters = makeCounters()
    const before = sample(counters, 1_000_000)
    counters[workerCounterBase(0) + workerCounter('rxPackets')] = 500
    counters[workerCounterBase(0) + workerCounter('flows')] = 9
    counters[slowCounter('listeners')] = 2
    const rates = ratesBetween(before, sample(counters, 1_002_000))
    expect(rates.workers[0]).toMatchObject({ rxPackets: 250, flows: 9 })
    expect(rates.slow).toMatchObject({ listeners: 2 })
  })
})

/** Times of passes of worker 1 and of a pause of the slow path, in `counters`. */
function recordTimes(counters: Float64Array): void {
  const passes = new HistogramWriter(counters, workerHistogramBase(1, 'passUs'))
  for (let us = 1; us <= 1000; us++) passes.record(us)
  new HistogramWriter(counters, slowHistogramBase('gcUs')).record(900)
}

describe('stat: distributions', () => {
  it('values -> each percentile at least the true one and at most a sixteenth above', () => {
    const value = fc.oneof(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 10_000_000 }))
    fc.assert(fc.property(fc.array(value, { minLength: 1, maxLength: 300 }), (values) => {
      const counts = new Float64Array(HISTOGRAM_BUCKETS)
      const writer = new HistogramWriter(counts, 0)
      for (const each of values) writer.record(each)
      const sorted = values.toSorted((a, b) => a - b)
      const { count, ...percentiles } = distributionOf(counts)
      expect(count).toBe(values.length)
      const shares = { p50: 0.5, p90: 0.9, p99: 0.99, p999: 0.999, p9999: 0.9999, max: 1 }
      expect(Object.keys(percentiles)).toEqual(Object.keys(shares))
      for (const [name, share] of Object.entries(shares)) {
        const exact = sorted[Math.ceil(values.length * share) - 1]
        const found = percentiles[name as keyof typeof percentiles]
        expect(found).toBeGreaterThanOrEqual(exact)
        expect(found).toBeLessThanOrEqual(exact * (17 / 16))
      }
    }))
  })

  it('nothing counted -> zeros', () => {
    expect(distributionOf(new Float64Array(HISTOGRAM_BUCKETS))).toEqual({ count: 0, p50: 0, p90: 0, p99: 0, p999: 0, p9999: 0, max: 0 })
  })

  it('between two snapshots -> of what came in between', () => {
    const counters = makeCounters()
    recordTimes(counters)
    const before = sample(counters, 1_000_000)
    new HistogramWriter(counters, workerHistogramBase(1, 'passUs')).record(7)
    const { histograms } = ratesBetween(before, sample(counters, 1_002_000))
    expect(distributionOf(histograms.workers[1]['passUs'])).toMatchObject({ count: 1, p50: 7, max: 7 })
    expect(distributionOf(histograms.slow['gcUs']).count).toBe(0)
  })
})

describe('stat: output', () => {
  it('text: a line for each histogram that has counted something, all with all', () => {
    const counters = makeCounters()
    recordTimes(counters)
    const text = (all: boolean): string[] => formatText(sample(counters, 0), { perSecond: false, all, paint: PLAIN }).trimEnd().split('\n')
    expect(text(false).slice(-3)).toEqual([
      'time, us                         times  p50  p90  p99  p99.9  p99.99    max',
      '  pass with work      worker 1   1,000  511  927  991  1,023   1,023  1,023',
      '  garbage collection  slow path      1  927  927  927    927     927    927',
    ])
    expect(text(true).slice(-5).map((line) => line.slice(2, 31).trimEnd())).toEqual([
      'pass with work      worker 0', 'garbage collection  worker 0', 'pass with work      worker 1', 'garbage collection  worker 1',
      'garbage collection  slow path',
    ])
  })

  it('JSON: distributions since the start, and beside rates those since the sample before', () => {
    const counters = makeCounters()
    const before = sample(counters, 1_000_000)
    recordTimes(counters)
    const now = sample(counters, 1_001_000)
    const json: unknown = JSON.parse(formatJson(now, ratesBetween(now, now)))
    const workers = [{ passUs: { count: 0 } }, { passUs: { count: 1000, p50: 511 } }]
    expect(json).toMatchObject({ times: { slow: { gcUs: { count: 1 } }, workers } })
    expect(json).toMatchObject({ lately: { slow: { gcUs: { count: 0 } }, workers: [{ passUs: { count: 0 } }, { passUs: { count: 0 } }] } })
    expect(JSON.parse(formatJson(now, ratesBetween(before, now)))).toMatchObject({ lately: { workers: [{}, { passUs: { count: 1000 } }] } })
    expect(json).not.toHaveProperty('histograms')
  })

  it('text: aligned, zero counters only with all', () => {
    const counters = makeCounters()
    counters[workerCounterBase(0) + workerCounter('rxBytes')] = 1_234_567
    counters[workerCounterBase(1) + workerCounter('rxPackets')] = 12
    const text = formatText(sample(counters, 1_065_000), { perSecond: false, all: false, paint: PLAIN })
    expect(text).toBe([
      'tas, process 42, running for 1 min 5 s',
      'fast path, workers 0 to 1',
      '  rxPackets             0            12',
      '  rxBytes       1,234,567             0',
      'slow path',
      '  nothing yet',
      '',
    ].join('\n'))
    expect(formatText(sample(counters, 0), { perSecond: true, all: true, paint: PLAIN })).toContain('dropChecksum')
  })

  it('JSON: one line, rates beside the counters', () => {
    const snapshot = sample(makeCounters(), 5)
    const line = formatJson(snapshot, snapshot)
    expect(line.endsWith('\n')).toBe(true)
    expect(line.trimEnd()).not.toContain('\n')
    expect(JSON.parse(line)).toMatchObject({ pid: 42, perSecond: { slow: { apps: 0 } } })
    expect(JSON.parse(formatJson(snapshot, null))).not.toHaveProperty('perSecond')
  })

  it.each([[0, '0 s'], [59_000, '59 s'], [60_000, '1 min 0 s'], [3_700_000, '1 h 1 min'], [90_000_000, '1 d 1 h'], [-5, '0 s']])(
    'uptime: %d ms -> %s', (ms, text) => expect(uptime(ms)).toBe(text))
})

describe('stat: connections', () => {
  const zero = Object.fromEntries(INFO_NAMES.map((name) => [name, 0])) as InfoValues
  const row: ConnectionRow = {
    ...zero, flow: 5, gen: 1, worker: 0, context: 0, state: 'ESTABLISHED', local: '10.0.0.1:80', remote: '10.0.0.2:5000', app: 1, pid: 42, name: 'web', rttUs: 120, rtoUs: 200_000,
    cwndBytes: 14_480, sndWndBytes: 65_535, sentBytes: 1_234_567, heardMs: 7,
  }

  it('text: a line for each, numbers right; TIME-WAIT has no program', () => {
    const text = formatConnections([row, { ...row, ...zero, state: 'TIME-WAIT', remote: '10.0.0.2:5001', app: 0 }], PLAIN)
    expect(text).toBe([
      'state        local        peer           program   rtt us  rto ms    cwnd  peer wnd  in flight  unsent       sent  received  retrans  heard ms',
      'ESTABLISHED  10.0.0.1:80  10.0.0.2:5000  web (42)     120     200  14,480    65,535          0       0  1,234,567         0        0         7',
      'TIME-WAIT    10.0.0.1:80  10.0.0.2:5001  -              0       0       0         0          0       0          0         0        0         0',
      '',
    ].join('\n'))
    expect(formatConnections([], PLAIN)).toBe('no connections\n')
  })

  it('text: a program with control characters in its name -> they do not reach the terminal', () => {
    expect(formatConnections([{ ...row, name: 'a\u001b[2J\nb\u202ec' }], PLAIN)).toContain('a?[2J?b?c (42)')
  })

  it('JSON: one line with every field', () => {
    const line = formatConnectionsJson([row], 5)
    expect(line.indexOf('\n')).toBe(line.length - 1)
    expect(JSON.parse(line)).toEqual({ timeMs: 5, connections: [row] })
  })
})

describe('stat: options', () => {
  it('none -> once, as text, from the socket of the environment or the default one', () => {
    expect(parseStatOptions([], {})).toEqual({ socket: '/run/tas.sock', json: false, all: false, connections: false })
    expect(parseStatOptions([], { TAS_SOCKET: '/tmp/a' })).toMatchObject({ socket: '/tmp/a' })
  })

  it('all of them', () => {
    const argv = ['--json', '--all', '--connections', '--interval=0.5', '--socket', '/tmp/b']
    expect(parseStatOptions(argv, { TAS_SOCKET: '/tmp/a' })).toEqual({ socket: '/tmp/b', json: true, all: true, connections: true, interval: 0.5 })
  })

  it.each([
    [['--bogus=1'], '--bogus: unknown option; see tas stat --help'],
    [['--jsom'], '--jsom: unknown option; see tas stat --help'],
    [['--interval=0'], '--interval: "0": want seconds from 0.1 to 86400, as in 1'],
    [['--interval'], '--interval: value is missing; see tas stat --help'],
    [['--socket='], '--socket: "": want a path, as in /run/tas.sock'],
    [['now'], 'unexpected argument; see tas stat --help'],
  ])('%j -> %s', (argv, message) => {
    expect(() => parseStatOptions(argv, {})).toThrow(new Error(message))
  })
})
