/**
 * Experiment 1, after figures 1, 13 and 14 of DCTCP (SIGCOMM 2010): long flows through one 10 Gbit/s port that marks beyond K, beside what
 * loss-based control makes of the same port.
 */
import type { CongestionControl } from '../../lib/memif/index.js'
import { jainIndex, mean, percentile, sum } from '../measure/statistics.js'
import { measureRates, sampleQueue, since, type Sample } from '../measure/sampler.js'
import type { Chart, Point } from '../plots/charts.js'
import type { Experiment, Goal, Result, RunOptions, Table } from '../report/experiment.js'
import { percentText, trimmed } from '../report/markdown.js'
import { goodputKbps, MARKING_PORT, startBulk } from './bulk.js'

const MARK_PACKETS = MARKING_PORT.markPackets
const BUF_BYTES = 1 << 20
const SAMPLE_US = 20
const PLOTTED_US = 8_000

/** Around K: half of the time at least K/2 and at most 3K/2, and hardly ever beyond 2K. */
const MEDIAN_LEAST = MARK_PACKETS / 2
const MEDIAN_MOST = 1.5 * MARK_PACKETS
const P95_MOST = 2 * MARK_PACKETS
const AROUND_K = `median ${trimmed(MEDIAN_LEAST)} to ${trimmed(MEDIAN_MOST)}, 95 % below ${P95_MOST}`
/** Of what the port can carry. */
const THROUGHPUT_LEAST = 0.95

const ALGORITHMS = ['dctcp-win', 'dctcp-rate', 'cubic', 'reno'] as const satisfies readonly CongestionControl[]
type Algorithm = (typeof ALGORITHMS)[number]

function usesMarks(algorithm: Algorithm): boolean {
  return algorithm.startsWith('dctcp')
}

interface Run {
  readonly algorithm: Algorithm
  readonly flows: number
  readonly utilization: number
  readonly queue: { readonly p5: number; readonly p50: number; readonly p95: number; readonly max: number; readonly mean: number }
  readonly jain: number
  readonly markedShare: number
  readonly lostShare: number
}

interface Observed {
  readonly run: Run
  /** When measuring began. */
  readonly fromUs: number
  readonly samples: readonly Sample[]
}

interface Times {
  readonly warmUpUs: number
  readonly measuredUs: number
}

function observe(algorithm: Algorithm, flows: number, { warmUpUs, measuredUs }: Times, seed: number): Observed {
  const bulk = startBulk({
    seed, port: MARKING_PORT, senders: Math.min(flows, 10), flows, spreadUs: 2_000, bufBytes: BUF_BYTES,
    cc: { algorithm }, tcp: { ecn: usesMarks(algorithm) ? 'on' : 'off' },
  })
  const { bottleneck, fabric, startUs } = bulk
  const samples = sampleQueue(fabric, bottleneck, SAMPLE_US)
  fabric.pass(warmUpUs)
  const before = { sent: bottleneck.sentPackets, marked: bottleneck.marked, dropped: bottleneck.dropped }
  const rates = measureRates(fabric, bulk.flows, measuredUs)
  const queue = since(samples, startUs + warmUpUs)
  const sent = bottleneck.sentPackets - before.sent
  return {
    samples, fromUs: startUs + warmUpUs,
    run: {
      algorithm, flows, jain: jainIndex(rates), utilization: sum(rates) / goodputKbps(MARKING_PORT.rateKbps),
      queue: {
        p5: percentile(queue, 0.05), p50: percentile(queue, 0.5), p95: percentile(queue, 0.95), max: percentile(queue, 1), mean: mean(queue),
      },
      markedShare: (bottleneck.marked - before.marked) / sent,
      lostShare: (bottleneck.dropped - before.dropped) / (sent + bottleneck.dropped - before.dropped),
    },
  }
}

function goalsOf(runs: readonly Run[]): Goal[] {
  return runs.filter(({ algorithm }) => usesMarks(algorithm)).flatMap(({ algorithm, flows, queue, utilization }) => [
    {
      what: `${algorithm}, ${flows} flows: queue around K = ${MARK_PACKETS} (${AROUND_K})`,
      figure: `median ${trimmed(queue.p50)}, 95 % ${trimmed(queue.p95)} packets`,
      isMet: queue.p50 >= MEDIAN_LEAST && queue.p50 <= MEDIAN_MOST && queue.p95 <= P95_MOST,
    },
    {
      what: `${algorithm}, ${flows} flows: throughput full (${percentText(THROUGHPUT_LEAST, 0)} at least)`,
      figure: percentText(utilization), isMet: utilization >= THROUGHPUT_LEAST,
    },
  ])
}

function tableOf(runs: readonly Run[]): Table {
  return {
    name: 'queue',
    head: ['control', 'flows', 'throughput of what is possible', 'queue 5 %', 'median', '95 %', 'longest', 'marked', 'lost', "Jain's index"],
    rows: runs.map(({ algorithm, flows, jain, lostShare, markedShare, queue, utilization }) => [
      algorithm, String(flows), percentText(utilization), trimmed(queue.p5), trimmed(queue.p50), trimmed(queue.p95), trimmed(queue.max),
      percentText(markedShare), percentText(lostShare, 2), jain.toFixed(3),
    ]),
  }
}

function flowsName(flows: number): string {
  return `${flows} flows`
}

function timeChart(observed: readonly Observed[]): Chart {
  const points = observed.flatMap(({ fromUs, run, samples }): Point[] => samples
    .filter(({ atUs }) => atUs >= fromUs && atUs < fromUs + PLOTTED_US)
    .map(({ atUs, value }) => ({ x: (atUs - fromUs) / 1000, y: value, series: run.algorithm, facet: flowsName(run.flows) })))
  return {
    name: 'queue', title: 'Queue of the bottleneck over time, 10 Gbit/s', legend: 'congestion control', mark: 'line', points,
    series: ALGORITHMS, columns: 3, x: { title: 'time (ms)' }, y: { title: 'queue (packets)', min: 0, max: MARKING_PORT.queuePackets },
    rules: [{ value: MARK_PACKETS, name: 'K' }],
  }
}

function distributionChart(observed: readonly Observed[]): Chart {
  const shares = Array.from({ length: 101 }, (_, i) => i / 100)
  const points = observed.flatMap(({ fromUs, run, samples }) => {
    const queue = since(samples, fromUs)
    return shares.map((share): Point => ({ x: percentile(queue, share), y: share, series: run.algorithm, facet: flowsName(run.flows) }))
  })
  return {
    name: 'distribution', title: 'Distribution of the queue, 10 Gbit/s, K = 65', legend: 'congestion control', mark: 'line', points,
    series: ALGORITHMS,
    columns: 3, x: { title: 'queue (packets)' }, y: { title: 'share of time', min: 0, max: 1 },
  }
}

function run({ quick, say, seed }: RunOptions): Result {
  const times = quick ? { warmUpUs: 8_000, measuredUs: 8_000 } : { warmUpUs: 50_000, measuredUs: 100_000 }
  const counts = quick ? [2] : [2, 10, 50]
  const observed = counts.flatMap((flows) => ALGORITHMS.map((algorithm) => {
    say(`${algorithm}, ${flows} flows`)
    return observe(algorithm, flows, times, seed)
  }))
  const runs = observed.map((each) => each.run)
  return {
    goals: goalsOf(runs), tables: [tableOf(runs)], data: { port: MARKING_PORT, ...times, runs },
    charts: [timeChart(observed), distributionChart(observed)],
  }
}

export const dctcp: Experiment = { number: 1, name: 'dctcp', title: 'DCTCP: a short queue and full throughput', run }
