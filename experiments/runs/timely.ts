/**
 * Experiment 2, after TIMELY (SIGCOMM 2015): the round-trip time is held between Tlow and Thigh, and flows that join come to
 * equal shares.
 */
import { DEFAULT_TIMELY } from '../../service/slow/config.js'
import type { PortOptions } from '../engine/index.js'
import type { Sample } from '../measure/sampler.js'
import { jainIndex, mean, percentile, sum } from '../measure/statistics.js'
import type { Chart } from '../plots/charts.js'
import type { Experiment, Goal, Result, RunOptions, Table } from '../report/experiment.js'
import { percentText, trimmed } from '../report/markdown.js'
import { baseRttUs, type Bulk, goodputKbps, startBulk } from './bulk.js'

/** Wires so short that the least round-trip time is --cc-timely-minrtt. No marks, and a queue that Thigh leaves room in. */
const PORT: PortOptions = { rateKbps: 10_000_000, delayUs: 2, queuePackets: 1_000, markPackets: Infinity }
const { tlowUs, thighUs } = DEFAULT_TIMELY
const BUF_BYTES = 1 << 19
const SAMPLE_US = 25
const BIN_US = 1_000
const JAIN_LEAST = 0.9
const THROUGHPUT_LEAST = 0.9
const PLOTTED_FLOWS = 4
const PLOTTED_US = 15_000

interface Course {
  readonly flows: number
  /** Time between two flows' beginnings, and how long all of them go on. */
  readonly joinUs: number
  readonly togetherUs: number
  /** The end of that, which is measured. */
  readonly measuredUs: number
}

interface Run extends Course {
  readonly rttUs: { readonly p5: number; readonly p50: number; readonly p95: number; readonly p99: number; readonly max: number }
  readonly inBand: number
  readonly utilization: number
  readonly jain: number
  /** Jain's index in each millisecond, averaged. */
  readonly jainShort: number
}

interface Observed {
  readonly run: Run
  readonly rtts: readonly Sample[]
  /** kbit/s of each flow in each bin. */
  readonly rates: readonly { readonly atUs: number; readonly kbps: readonly number[] }[]
  readonly fromUs: number
}

function joinOneByOne({ fabric, flows, senderOf, startUs }: Bulk, joinUs: number): void {
  flows.forEach((flow, i) => fabric.at(startUs + i * joinUs, () => senderOf(i).program.begin(flow)))
}

function observe(course: Course, seed: number): Observed {
  const { flows, joinUs, measuredUs, togetherUs } = course
  const bulk = startBulk({
    seed, port: PORT, senders: flows, flows, spreadUs: null, bufBytes: BUF_BYTES, cc: { algorithm: 'timely' }, tcp: { ecn: 'off' },
  })
  const { bottleneck, fabric, startUs } = bulk
  const base = baseRttUs(PORT)
  const rtts: Sample[] = []
  const rates: { atUs: number; kbps: number[] }[] = []
  joinOneByOne(bulk, joinUs)
  fabric.every(SAMPLE_US, (atUs) => rtts.push({ atUs: atUs - startUs, value: base + bottleneck.waitUs(fabric.timeline.nowUs) }))
  fabric.every(BIN_US, (atUs) => rates.push({ atUs: atUs - startUs, kbps: bulk.flows.map((flow) => (flow.take() * 8000) / BIN_US) }))
  const endUs = (flows - 1) * joinUs + togetherUs
  fabric.pass(endUs)
  const fromUs = endUs - measuredUs
  return { run: { ...course, ...summary(rtts, rates, fromUs) }, rtts, rates, fromUs }
}

function summary(rtts: Observed['rtts'], rates: Observed['rates'], fromUs: number): Omit<Run, keyof Course> {
  const late = rtts.filter(({ atUs }) => atUs >= fromUs).map(({ value }) => value)
  const bins = rates.filter(({ atUs }) => atUs > fromUs).map(({ kbps }) => kbps)
  const totals = bins[0].map((_, flow) => mean(bins.map((kbps) => kbps[flow])))
  return {
    rttUs: {
      p5: percentile(late, 0.05), p50: percentile(late, 0.5), p95: percentile(late, 0.95), p99: percentile(late, 0.99), max: percentile(late, 1),
    },
    inBand: late.filter((rtt) => rtt >= tlowUs && rtt <= thighUs).length / late.length,
    utilization: sum(totals) / goodputKbps(PORT.rateKbps),
    jain: jainIndex(totals), jainShort: mean(bins.map(jainIndex)),
  }
}

function goalsOf(runs: readonly Run[]): Goal[] {
  return runs.flatMap(({ flows, jain, rttUs, utilization }) => [
    {
      what: `${flows} flows: round-trip time between Tlow = ${tlowUs} us and Thigh = ${thighUs} us (from the 5th to the 95th of 100)`,
      figure: `${trimmed(rttUs.p5)} to ${trimmed(rttUs.p95)} us`, isMet: rttUs.p5 >= tlowUs && rttUs.p95 <= thighUs,
    },
    { what: `${flows} flows: never above Thigh`, figure: `${trimmed(rttUs.max)} us`, isMet: rttUs.max <= thighUs },
    { what: `${flows} flows: equal shares (Jain's index ${JAIN_LEAST} at least)`, figure: jain.toFixed(3), isMet: jain >= JAIN_LEAST },
    {
      what: `${flows} flows: throughput ${percentText(THROUGHPUT_LEAST, 0)} at least`, figure: percentText(utilization),
      isMet: utilization >= THROUGHPUT_LEAST,
    },
  ])
}

function tableOf(runs: readonly Run[]): Table {
  return {
    name: 'rtt',
    head: [
      'flows', 'RTT 5 % (us)', 'median', '95 %', '99 %', 'longest', 'between Tlow and Thigh', 'throughput of what is possible',
      "Jain's index", 'in 1 ms',
    ],
    rows: runs.map(({ flows, inBand, jain, jainShort, rttUs, utilization }) => [
      String(flows), trimmed(rttUs.p5), trimmed(rttUs.p50), trimmed(rttUs.p95), trimmed(rttUs.p99), trimmed(rttUs.max), percentText(inBand),
      percentText(utilization), jain.toFixed(3), jainShort.toFixed(3),
    ]),
  }
}

const BAND_RULES = [{ value: tlowUs, name: 'Tlow' }, { value: thighUs, name: 'Thigh' }]

function rttChart(observed: readonly Observed[]): Chart {
  const points = observed.flatMap(({ fromUs, rtts, run }) => rtts.filter(({ atUs }) => atUs >= fromUs && atUs < fromUs + PLOTTED_US)
    .map(({ atUs, value }) => ({ x: (atUs - fromUs) / 1000, y: value, series: 'rtt', facet: `${run.flows} flows` })))
  return {
    name: 'rtt', title: 'Round-trip time once all flows are there, 10 Gbit/s', legend: '', mark: 'line', points, series: ['rtt'],
    x: { title: 'time (ms)' }, y: { title: 'round-trip time (us)', min: 0 }, rules: BAND_RULES,
  }
}

function ratesChart({ rates, run }: Observed): Chart {
  const names = Array.from({ length: run.flows }, (_, i) => `flow ${i + 1}`)
  return {
    name: 'rates', title: 'Rates of flows that join one after the other', legend: 'flow', mark: 'line', series: names,
    points: rates.flatMap(({ atUs, kbps }) => kbps.map((rate, i) => ({ x: atUs / 1000, y: rate / 1e6, series: names[i] }))),
    x: { title: 'time (ms)' }, y: { title: 'goodput (Gbit/s)', min: 0 },
  }
}

function run({ quick, say, seed }: RunOptions): Result {
  const courses: Course[] = quick
    ? [{ flows: PLOTTED_FLOWS, joinUs: 3_000, togetherUs: 10_000, measuredUs: 5_000 }]
    : [
      { flows: PLOTTED_FLOWS, joinUs: 60_000, togetherUs: 240_000, measuredUs: 100_000 },
      { flows: 10, joinUs: 10_000, togetherUs: 300_000, measuredUs: 100_000 },
    ]
  const observed = courses.map((course) => {
    say(`${course.flows} flows`)
    return observe(course, seed)
  })
  const runs = observed.map((each) => each.run)
  return {
    goals: goalsOf(runs), tables: [tableOf(runs)], charts: [rttChart(observed), ratesChart(observed[0])],
    data: { port: PORT, timely: DEFAULT_TIMELY, runs },
  }
}

export const timely: Experiment = { number: 2, name: 'timely', title: 'TIMELY: the round-trip time between Tlow and Thigh', run }
