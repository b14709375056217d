import { expect, test } from 'vitest'
import { parseOptions } from '../../bench/options.js'
import { BenchUsageError } from '../../bench/program.js'
import { resultRow, type Results } from '../../bench/results.js'
import { median, spread } from '../../bench/statistics.js'
import { readmeTable, terminalTable } from '../../bench/table.js'

test.for([
  [[3], 3], [[3, 1, 2], 2], [[4, 1, 2, 3], 2.5],
] as const)('median: %j -> %d', ([values, expected]) => {
  expect(median(values)).toBe(expected)
})

test('median: nothing measured -> NaN', () => {
  expect(median([])).toBeNaN()
})

test('spread: 90, 100, 110 -> 10 %', () => {
  expect(spread([90, 100, 110])).toBeCloseTo(0.1)
  expect(spread([5])).toBe(0)
})

const LATENCY = { name: 'latency', unit: 'us', lowerIsBetter: true, goal: { factor: 0.5 } }
const RATE = { name: 'rate', unit: 'requests/s', lowerIsBetter: false, goal: { factor: 1.5 } }
const IDLE = { name: 'idle', unit: '%', lowerIsBetter: true, goal: { limit: 1 } }

test.for([
  [LATENCY, 30, 60, true], [LATENCY, 31, 60, false],
  [RATE, 150, 100, true], [RATE, 149, 100, false],
  [IDLE, 0.9, 50, true], [IDLE, 1.1, 50, false],
] as const)('row: %j with TAS %d and node:net %d -> met %s', ([row, tas, nodeNet, met]) => {
  expect(resultRow(row, { tas: [tas], tasEmbedded: [], nodeNet: [nodeNet], cEpoll: [] }).met).toBe(met)
})

test('row: TAS could not be measured -> null, not met nor missed', () => {
  const row = resultRow(LATENCY, { tas: [], tasEmbedded: [], nodeNet: [60], cEpoll: [55] })
  expect(row).toMatchObject({ tas: null, nodeNet: 60, cEpoll: 55, met: null, goal: 'at most 0.5 x node:net' })
})

test('row: a machine that is slow in one run -> the ratio is that of runs side by side', () => {
  const row = resultRow(RATE, { tas: [160, 80, 200], tasEmbedded: [], nodeNet: [100, 50, 80], cEpoll: [] })
  expect(row).toMatchObject({ tas: 160, nodeNet: 80, ratio: 1.6, met: true })
})

test('row: a run that does not count for one of them -> its pair is left out', () => {
  const row = resultRow(RATE, { tas: [null, 140, 300], tasEmbedded: [], nodeNet: [100, 100, null], cEpoll: [] })
  expect(row).toMatchObject({ tas: 220, nodeNet: 100, ratio: 1.4, met: false })
})

test('row: node:net needs nothing -> no ratio, and a limit counts all the same', () => {
  expect(resultRow(IDLE, { tas: [0.2], tasEmbedded: [], nodeNet: [0], cEpoll: [0] })).toMatchObject({ ratio: null, met: true })
})

const results: Results = {
  settings: {
    date: '', node: '20', kernel: '6', cpuModel: 'model', cpus: 2, clientCongestionControl: 'cubic',
    kernelServerCongestionControl: 'bbr', offloads: { server: ['tso'], client: ['gso'] }, link: 'veth', tasOptions: 'defaults',
    runs: 1, seconds: 1, warmup: 1, pin: 'client', cpuNote: 'note',
  },
  rows: [resultRow(RATE, { tas: [123_456], tasEmbedded: [], nodeNet: [100_000], cEpoll: [] })],
}

test('table: a goal missed -> says so, and under which conditions', () => {
  const text = terminalTable(results)
  expect(text).toMatch(/rate.*123,456.*100,000.*1\.23.*at least 1\.5 x node:net.*NOT met/)
  expect(text).toMatch(/client cubic, node:net and C epoll bbr/)
})

test('table: for documents -> the same rows in Markdown', () => {
  expect(readmeTable(results)).toMatch(/^\| .*\n\| ---.*\n\| rate .* NOT met \|\n/)
})

test('options: none -> 5 runs of everything, client pinned', () => {
  expect(parseOptions([])).toMatchObject({ runs: 5, seconds: 4, warmup: 1, pin: 'client', json: null, readme: false })
})

test.for([
  [['--runs', '0'], /--runs: "0"/], [['--runs', '1.5'], /whole/], [['--seconds', 'x'], /--seconds: "x"/],
  [['--pin', 'all'], /--pin: "all"/], [['--rows', 'echo1,no'], /--rows: "no"/], [['--no-such'], /--no-such/], [['word'], /word/],
] as const)('options: %j -> usage error', ([argv, message]) => {
  expect(() => parseOptions(argv)).toThrow(BenchUsageError)
  expect(() => parseOptions(argv)).toThrow(message)
})
