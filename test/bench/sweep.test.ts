import { describe, expect, it } from 'vitest'
import { SERVERS, type ServerName } from '../../bench/contenders.js'
import { cumulative, mergeHistograms, percentileUs } from '../../bench/histogram.js'
import { splitOptions } from '../../bench/loads/native.js'
import type { Sample } from '../../bench/sample.js'
import { flatness, sweepCharts, sweepPoints, sweepSection, sweepTable, type SweepSample } from '../../bench/sweepfigures.js'
import { drawSvg } from '../../experiments/plots/charts.js'

function sampled(connections: number, server: ServerName, requestsPerSecond: number, histogram: Sample['histogram'] = []): SweepSample {
  const sample: Sample = {
    requests: requestsPerSecond, seconds: 1, requestsPerSecond, gbitPerSecond: 0, latencyUs: { p50: 0, p99: 0, p999: 0 }, histogram,
    serverCpuSeconds: 0.5, clientCpuSeconds: 0.9, bytesPerConnection: null, failure: null,
  }
  return { connections, server, sample }
}

describe('histogram', () => {
  const few = [[10, 1], [20, 1]] as const
  const many = [[20, 5], [30, 2], [1000, 1]] as const

  it('those of two clients -> the latencies of both, rising', () => {
    expect(mergeHistograms([many, few])).toEqual([[10, 1], [20, 6], [30, 2], [1000, 1]])
  })

  it.each([[0.1, 10], [0.5, 20], [0.9, 30], [0.999, 1000], [1, 1000]])('%d of all -> the latency that they do not exceed', (share, us) => {
    expect(percentileUs(mergeHistograms([few, many]), share)).toBe(us)
  })

  it('no latency -> 0', () => {
    expect(percentileUs([], 0.5)).toBe(0)
  })

  it('cumulative -> the last is all', () => {
    expect(cumulative([[1, 1], [2, 3]])).toEqual([{ us: 1, share: 0.25 }, { us: 2, share: 1 }])
  })
})

describe('clients', () => {
  it('some thousand connections -> one client, as it was asked for', () => {
    const options = { mode: 'echo', connections: 10_000, active: 100 } as const
    expect(splitOptions(options)).toEqual([options])
  })

  it('50,000 connections -> several clients that wait for each other, each with an address and a part of them', () => {
    const split = splitOptions({ mode: 'idle', connections: 49_999 })
    expect(split.map(({ connections }) => connections)).toEqual([12_499, 12_500, 12_500, 12_500])
    expect(new Set(split.map(({ source }) => source)).size).toBe(4)
    expect(split.every((options) => 'hold' in options)).toBe(true)
  })

  it('more than there are addresses for -> refused', () => {
    expect(() => splitOptions({ mode: 'idle', connections: 50_001 })).toThrow(/at most 50000/)
  })
})

describe('sweep', () => {
  const samples = [
    sampled(64, 'tas', 90), sampled(64, 'tas', 110), sampled(64, 'tas', 100), sampled(10_000, 'tas', 85), sampled(50_000, 'tas', 10),
    sampled(1, 'nodeNet', 20, [[50, 9], [90, 1]]), sampled(1, 'tas', 40, [[20, 10]]),
  ]
  const points = sweepPoints(samples)

  it('several runs -> their medians, in the order of connections and servers', () => {
    expect(points.map(({ connections, server, requestsPerSecond }) => [connections, server, requestsPerSecond])).toEqual([
      [1, 'tas', 40], [1, 'nodeNet', 20], [64, 'tas', 100], [10_000, 'tas', 85], [50_000, 'tas', 10],
    ])
  })

  it('flatness -> from 64 to 10,000 connections alone', () => {
    expect(flatness(points, 'tas')).toBe(0.85)
    expect(flatness(points, 'nodeNet')).toBeNull()
  })

  it('table -> a line for each number of connections, "-" where nothing was measured', () => {
    const lines = sweepTable(points, ['a note']).split('\n')
    expect(lines[0].split('|')).toHaveLength(SERVERS.length + 3)
    expect(lines.slice(2, 6)).toEqual([
      '| 1 | 40 | - | 20 | - | - |', '| 64 | 100 | - | - | - | - |', '| 10,000 | 85 | - | - | - | - |', '| 50,000 | 10 | - | - | - | - |',
    ])
    expect(lines.join('\n')).toMatch(/TAS: least by greatest rate .*: 0\.85, met/)
    expect(lines.join('\n')).toMatch(/TAS: CPU of the client .*: 9000\.0 us with 64 connections \(90 % of its CPU\), 10588\.2 us with 10,000/)
  })

  it('plots -> drawn, and shown in the page', async () => {
    const charts = sweepCharts(points)
    expect(charts.map(({ name }) => name)).toEqual(['requests', 'cpu', 'client', 'latency'])
    for (const chart of charts) expect(await drawSvg(chart)).toMatch(/<svg[^]*node:net[^]*<\/svg>/)
    expect(sweepSection(points, charts, [])).toMatch(/!\[Distribution of latency\]\(bench\/latency\.svg\)/)
  })
})
