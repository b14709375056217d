import { describe, expect, it } from 'vitest'
import { SERVERS } from '../../bench/contenders.js'
import { countTargets, emptyRuns, hasFailed, resultRow, type Results, type Runs } from '../../bench/results.js'
import { median, spread } from '../../bench/statistics.js'
import { readmeTable, terminalTable } from '../../bench/table.js'
import type { Target } from '../../bench/targets.js'

const LATENCY = { id: 'latency', name: 'latency', unit: 'us', lowerIsBetter: true }
const RATE = { id: 'rate', name: 'rate', unit: 'requests/s', lowerIsBetter: false }
const IDLE = { id: 'idle', name: 'idle', unit: '%', lowerIsBetter: true }
const TARGETS: readonly Target[] = [
  { row: 'latency', of: 'tas', bound: 'at most', figure: 0.5, times: 'nodeNet' },
  { row: 'rate', of: 'tas', bound: 'at least', figure: 1.5, times: 'nodeNet' },
  { row: 'rate', of: 'tasEmbedded', bound: 'at least', figure: 1.2, times: 'cEpoll' },
  { row: 'idle', of: 'tas', bound: 'at most', figure: 1, times: null },
]

function row(of: typeof LATENCY, runs: Partial<Runs>, limits: Partial<Runs> = {}) {
  return resultRow(of, { ...emptyRuns(), ...runs }, { ...emptyRuns(), ...limits }, TARGETS)
}

describe('statistics', () => {
  it.each([
    [[3], 3], [[3, 1, 2], 2], [[4, 1, 2, 3], 2.5],
  ])('median: %j -> %d', (values, expected) => {
    expect(median(values)).toBe(expected)
  })

  it('median: nothing measured -> NaN', () => {
    expect(median([])).toBeNaN()
  })

  it('spread: 90, 100, 110 -> 10 %', () => {
    expect(spread([90, 100, 110])).toBeCloseTo(0.1)
    expect(spread([5])).toBe(0)
  })
})

describe('row', () => {
  it.each([
    [LATENCY, 30, 60, true], [LATENCY, 31, 60, false],
    [RATE, 150, 100, true], [RATE, 149, 100, false],
    [IDLE, 0.9, 50, true], [IDLE, 1.1, 50, false],
  ])('%j with TAS %d and node:net %d -> met %s', (of, tas, nodeNet, met) => {
    expect(row(of, { tas: [tas], nodeNet: [nodeNet] }).targets[0].met).toBe(met)
  })

  it('each mode of TAS -> its own targets, beside the server they name', () => {
    const { targets } = row(RATE, { tas: [160], tasEmbedded: [110], nodeNet: [100], cEpoll: [100] })
    expect(targets).toMatchObject([{ of: 'tas', reached: 1.6, met: true }, { of: 'tasEmbedded', reached: 1.1, met: false }])
  })

  it('TAS could not be measured -> null, not met nor missed', () => {
    expect(row(LATENCY, { nodeNet: [60], cEpoll: [55] })).toMatchObject({
      tas: null, nodeNet: 60, cEpoll: 55, targets: [{ target: 'at most 0.5 x nodeNet', reached: null, met: null }],
    })
  })

  it('a machine that is slow in one run -> the ratio is that of runs side by side', () => {
    const { tas, nodeNet, targets } = row(RATE, { tas: [160, 80, 200], nodeNet: [100, 50, 80] })
    expect({ tas, nodeNet, reached: targets[0].reached }).toEqual({ tas: 160, nodeNet: 80, reached: 1.6 })
  })

  it('a run that does not count for one of them -> its pair is left out', () => {
    const { tas, targets } = row(RATE, { tas: [null, 140, 300], nodeNet: [100, 100, null] })
    expect({ tas, reached: targets[0].reached }).toEqual({ tas: 220, reached: 1.4 })
  })

  it('node:net needs nothing -> no ratio, but a figure of its own unit counts', () => {
    expect(row(LATENCY, { tas: [1], nodeNet: [0] }).targets[0].met).toBeNull()
    expect(row(IDLE, { tas: [0.2], nodeNet: [0] }).targets[0].met).toBe(true)
  })

  it('the client has its CPU full before the target -> that is beyond it; it has some to spare -> not', () => {
    const runs = { tas: [140], tasEmbedded: [115], nodeNet: [100], cEpoll: [100] }
    expect(row(RATE, runs, { tas: [145], tasEmbedded: [130] }).targets).toMatchObject([
      { met: false, most: 1.45, isBeyondClient: true }, { met: false, most: 1.3, isBeyondClient: false },
    ])
  })

  it('met, or no figure of the client -> not beyond it', () => {
    expect(row(RATE, { tas: [160], nodeNet: [100] }, { tas: [165] }).targets[0]).toMatchObject({ met: true, isBeyondClient: false })
    expect(row(RATE, { tas: [140], nodeNet: [100] }, { tas: [null] }).targets[0]).toMatchObject({ most: null, isBeyondClient: false })
  })

  it('every run failed -> says so; not measured -> does not', () => {
    const failed = row(RATE, { tas: [null, null] })
    expect(hasFailed(failed, 'tas')).toBe(true)
    expect(hasFailed(failed, 'bun')).toBe(false)
  })
})

const results: Results = {
  settings: {
    date: '', node: '20', bun: '1.4', kernel: '6', cpuModel: 'model', cpus: 2, clientCongestionControl: 'cubic',
    kernelServerCongestionControl: 'bbr', offloads: { server: ['tso'], client: ['gso'] }, link: 'veth', tasOptions: 'defaults',
    runs: 1, seconds: 1, warmup: 1, pin: 'client', cpuNote: 'note',
  },
  rows: [row(RATE, { tas: [123_456], nodeNet: [100_000], bun: [null] }, { tas: [130_000] })],
  failed: [{ what: 'echo bun', reason: 'reset 3\nand more' }],
  leftOut: [{ what: 'http', reason: 'wrk is not installed' }],
}

describe('table', () => {
  it('a goal missed -> says so, and under which conditions', () => {
    const text = terminalTable(results)
    expect(text).toMatch(/rate.*123,456.*100,000.*failed.*at least 1\.5 x node:net: NOT met \(1\.23; client's limit 1\.3\)/)
    expect(text).toMatch(/client cubic, servers on the kernel bbr/)
  })

  it('for documents -> the same rows in Markdown, one line each', () => {
    const lines = readmeTable(results).split('\n')
    expect(lines[0].split('|')).toHaveLength(SERVERS.length + 6)
    expect(lines[2]).toMatch(/^\| rate \| requests\/s \| 123,456 \| - \| 100,000 \| - \| failed \| at least .* NOT met/)
  })

  it('what failed and what was left out -> below it, with the reason', () => {
    const text = readmeTable(results)
    expect(text).toMatch(/Not counted: echo bun: reset 3\./)
    expect(text).toMatch(/Left out: http: wrk is not installed\./)
    expect(text).toMatch(/Targets: 0 met, 1 NOT met, 1 not measured\./)
    expect(text).toMatch(/Of those not met 1 are beyond what this client/)
    expect(countTargets(results.rows)).toEqual({ met: 0, missed: 1, unknown: 1, beyondClient: 1 })
  })
})
