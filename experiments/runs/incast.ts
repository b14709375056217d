/**
 * Experiment 3, after the incast experiments of TAS (EuroSys 2019) and DCTCP (SIGCOMM 2010, 4.2.1): many long flows into one port, and what
 * share of it each gets.
 */
import type { CongestionConfig } from '../../service/slow/config.js'
import { DEFAULT_DCTCP } from '../../service/slow/config.js'
import { measureRates, sampleQueue, since } from '../measure/sampler.js'
import { distribution, jainIndex, percentile, sum } from '../measure/statistics.js'
import type { Chart, Point } from '../plots/charts.js'
import type { Experiment, Goal, Result, RunOptions, Table } from '../report/experiment.js'
import { percentText, trimmed } from '../report/markdown.js'
import { goodputKbps, MARKING_PORT, SEGMENT_PAYLOAD_BYTES, startBulk } from './bulk.js'
import { fairnessGoals, JAIN_LEAST, type Shares } from './fairness.js'

const SENDERS = 20
const SPREAD_US = 50_000
const QUICK_SPREAD_US = 2_000
const BUF_BYTES = 1 << 16
const SAMPLE_US = 100
/** RTOmin of DCTCP's incast (4.2.1). */
const MIN_RTO_US = 10_000
const IP_PACKET_BYTES = 1500

/** What a flow's fair share is as a rate, which counts IP packets. */
function fairRateKbps(flows: number): number {
  return Math.floor((goodputKbps(MARKING_PORT.rateKbps) / flows) * (IP_PACKET_BYTES / SEGMENT_PAYLOAD_BYTES))
}

interface Contender {
  readonly name: string
  readonly counts: readonly number[]
  /** Whether the stated figures are about it. */
  readonly isStated: boolean
  readonly cc: (flows: number) => Partial<CongestionConfig>
}

const COUNTS = [50, 100, 200, 500, 1000, 2000]
const SOME = [50, 500, 2000]

const CONTENDERS: readonly Contender[] = [
  { name: 'dctcp-rate', counts: COUNTS, isStated: true, cc: () => ({ algorithm: 'dctcp-rate' }) },
  {
    name: 'dctcp-rate, 50 packets, 10 Mbit/s', counts: SOME, isStated: false,
    cc: () => ({ algorithm: 'dctcp-rate', dctcp: { ...DEFAULT_DCTCP, minPackets: 50, stepKbps: 10_000 } }),
  },
  { name: 'dctcp-win', counts: [50, 500], isStated: false, cc: () => ({ algorithm: 'dctcp-win' }) },
  {
    name: 'const-rate', counts: SOME, isStated: false,
    cc: (flows) => ({ algorithm: 'const-rate', constRateKbps: fairRateKbps(flows) }),
  },
]

interface Run extends Shares {
  /** What 99 % get at most, of the fair share. */
  readonly p99: number
  readonly utilization: number
  readonly lostShare: number
  readonly queueP50: number
  readonly queueP95: number
  readonly measuredUs: number
  /** Of the fair share, for the plot. */
  readonly shares: readonly { readonly value: number; readonly share: number }[]
}

/** More flows have less each, in packets: they need longer to be measured. Who is stated gets the time to find the shares. */
function timesOf(flows: number, { isStated }: Contender, quick: boolean): { readonly warmUpUs: number; readonly measuredUs: number } {
  if (quick) return { warmUpUs: 2 * QUICK_SPREAD_US, measuredUs: 2 * QUICK_SPREAD_US }
  return { warmUpUs: (isStated ? 200_000 : 100_000) + flows * 50, measuredUs: 100_000 + flows * (isStated ? 100 : 25) }
}

function observe(contender: Contender, flows: number, { quick, seed }: RunOptions): Run {
  const { cc, name } = contender
  const bulk = startBulk({
    seed, port: MARKING_PORT, senders: SENDERS, flows, spreadUs: quick ? QUICK_SPREAD_US : SPREAD_US, bufBytes: BUF_BYTES,
    cc: { minRtoUs: MIN_RTO_US, ...cc(flows) }, tcp: { ecn: 'on' },
  })
  const { bottleneck, fabric } = bulk
  const { measuredUs, warmUpUs } = timesOf(flows, contender, quick)
  const queue = sampleQueue(fabric, bottleneck, SAMPLE_US)
  fabric.pass(warmUpUs)
  const before = { atUs: fabric.elapsedUs, dropped: bottleneck.dropped, sent: bottleneck.sentPackets }
  const rates = measureRates(fabric, bulk.flows, measuredUs)
  const fairKbps = goodputKbps(MARKING_PORT.rateKbps) / flows
  const dropped = bottleneck.dropped - before.dropped
  const lengths = since(queue, before.atUs)
  return {
    control: name, flows, jain: jainIndex(rates), median: percentile(rates, 0.5) / fairKbps, p1: percentile(rates, 0.01) / fairKbps,
    p99: percentile(rates, 0.99) / fairKbps, utilization: sum(rates) / goodputKbps(MARKING_PORT.rateKbps),
    lostShare: dropped / (bottleneck.sentPackets - before.sent + dropped), queueP50: percentile(lengths, 0.5), queueP95: percentile(lengths, 0.95),
    measuredUs, shares: distribution(rates.map((rate) => rate / fairKbps), 101),
  }
}

function goalsOf(runs: readonly Run[]): Goal[] {
  const stated = CONTENDERS.filter(({ isStated }) => isStated).map(({ name }) => name)
  return runs.filter(({ control }) => stated.includes(control)).flatMap(fairnessGoals)
}

function tableOf(runs: readonly Run[]): Table {
  return {
    name: 'shares',
    head: [
      'control', 'flows', "Jain's index", 'median, of the fair share', '1 %', '99 %', 'throughput of what is possible', 'lost',
      'queue, median', '95 %',
    ],
    rows: runs.map((run) => [
      run.control, String(run.flows), run.jain.toFixed(3), percentText(run.median, 0), percentText(run.p1, 0), percentText(run.p99, 0),
      percentText(run.utilization), percentText(run.lostShare, 2), trimmed(run.queueP50), trimmed(run.queueP95),
    ]),
  }
}

const NAMES = CONTENDERS.map(({ name }) => name)

function jainChart(runs: readonly Run[]): Chart {
  return {
    name: 'jain', title: 'Fairness of long flows into one 10 Gbit/s port', legend: 'congestion control', mark: 'dots', series: NAMES,
    points: runs.map(({ control, flows, jain }) => ({ x: flows, y: jain, series: control })),
    x: { title: 'flows', isLog: true }, y: { title: "Jain's index", min: 0, max: 1 }, rules: [{ value: JAIN_LEAST, name: 'stated: 0.95' }],
  }
}

function sharesChart(runs: readonly Run[]): Chart {
  const points = runs.filter(({ flows }) => SOME.includes(flows)).flatMap(({ control, flows, shares }) => (
    shares.map(({ share, value }): Point => ({ x: Math.min(value, 3), y: share, series: control, facet: `${flows} flows` }))))
  return {
    name: 'shares', title: 'What flows get of their fair share (beyond 3: drawn at 3)', legend: 'congestion control', mark: 'line',
    series: NAMES, points,
    x: { title: 'rate / fair share', min: 0, max: 3 }, y: { title: 'share of flows', min: 0, max: 1 },
  }
}

function run(options: RunOptions): Result {
  const runs = CONTENDERS.flatMap((contender) => contender.counts
    .filter((flows) => !options.quick || flows === COUNTS[0])
    .map((flows) => {
      options.say(`${contender.name}, ${flows} flows`)
      return observe(contender, flows, options)
    }))
  return { goals: goalsOf(runs), tables: [tableOf(runs)], charts: [jainChart(runs), sharesChart(runs)], data: { port: MARKING_PORT, runs } }
}

export const incast: Experiment = { number: 3, name: 'incast', title: 'Fairness and incast: 50 to 2,000 flows into one port', run }
