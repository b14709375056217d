/**
 * Experiment 4, after Carousel (SIGCOMM 2017): the rate that is set against the rate that is kept, and how far segments leave from when they
 * should. Of flows whose congestion control is `const-rate`, on a link that is faster than all of them.
 */
import { readU16 } from '../../lib/wire/index.js'
import type { PortOptions } from '../engine/index.js'
import { mean, percentile } from '../measure/statistics.js'
import type { Chart } from '../plots/charts.js'
import type { Experiment, Goal, Result, RunOptions, Table } from '../report/experiment.js'
import { percentText, rateText, trimmed } from '../report/markdown.js'
import { SEGMENT_FRAME_BYTES, startBulk } from './bulk.js'

const PORT: PortOptions = { rateKbps: 40_000_000, delayUs: 5, queuePackets: 10_000, markPackets: Infinity }
const BUF_BYTES = 1 << 18
/** Of thousands of flows each has little to send in a round trip. */
const MANY_FLOWS = 10_000
const MANY_BUF_BYTES = 1 << 14
const ETHERNET_BYTES = 14
const SOURCE_PORT = 34
const RATE_WITHIN = 0.02
/** The worker's clock. */
const CLOCK_US = 1
const PACKETS = 20_000
/** By then a flow has spent the credit that it began with (PACE_BURST_US of service/fast/pacerates.ts). */
const WARM_UP_US = 1_000
const PACKETS_LEAST = 40

interface Case {
  readonly flows: number
  readonly rateKbps: number
}

const CASES: readonly Case[] = [
  ...[1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000].map((mbit) => ({ flows: 1, rateKbps: mbit * 1_000 })),
  { flows: 10, rateKbps: 1_000_000 }, { flows: 100, rateKbps: 100_000 }, { flows: 1_000, rateKbps: 10_000 }, { flows: 1_000, rateKbps: 1_000 },
  { flows: MANY_FLOWS, rateKbps: 1_000 },
]
const QUICK_CASES = CASES.filter(({ flows, rateKbps }) => flows === 1 && [10_000, 1_000_000, 10_000_000].includes(rateKbps))

interface Run extends Case {
  /** Of what all flows together may send, IP packets. */
  readonly achieved: number
  /** The flow farthest from its rate, share of it. */
  readonly worst: number
  /** Time between two segments of a flow less what it should be, microseconds; sizes of the error. */
  readonly gapErrorUs: { readonly p50: number; readonly p99: number; readonly max: number }
  readonly packets: number
}

/** When full segments of each flow left, by source port. */
function recordDepartures({ flows, rateKbps }: Case, seed: number, packets: number): number[][] {
  const bulk = startBulk({
    seed, port: PORT, senders: 1, flows, spreadUs: 1_000, bufBytes: flows < MANY_FLOWS ? BUF_BYTES : MANY_BUF_BYTES,
    cc: { algorithm: 'const-rate', constRateKbps: rateKbps }, tcp: { ecn: 'off' },
  })
  const { fabric } = bulk
  const byPort = new Map<number, number[]>()
  fabric.onSend = (_from, frame, nowUs) => {
    if (frame.length !== SEGMENT_FRAME_BYTES) return
    const port = readU16(frame, SOURCE_PORT)
    const times = byPort.get(port)
    if (times === undefined) byPort.set(port, [nowUs])
    else times.push(nowUs)
  }
  fabric.pass(1_000 + WARM_UP_US + gapUs(rateKbps) * Math.max(packets / flows, PACKETS_LEAST))
  return [...byPort.values()]
}

/** Time between two full segments at a rate. */
function gapUs(rateKbps: number): number {
  return ((SEGMENT_FRAME_BYTES - ETHERNET_BYTES) * 8000) / rateKbps
}

function observe(each: Case, seed: number, packets: number): Run {
  const wantedUs = gapUs(each.rateKbps)
  const steady = recordDepartures(each, seed, packets).map((times) => times.filter((atUs) => atUs >= times[0] + WARM_UP_US))
  const shares = steady.map((times) => ((times.length - 1) * wantedUs) / (times[times.length - 1] - times[0]))
  const errors = steady.flatMap((times) => times.slice(1).map((time, i) => Math.abs(time - times[i] - wantedUs)))
  return {
    ...each, achieved: mean(shares), worst: Math.max(...shares.map((share) => Math.abs(share - 1))),
    gapErrorUs: { p50: percentile(errors, 0.5), p99: percentile(errors, 0.99), max: percentile(errors, 1) }, packets: errors.length,
  }
}

function nameOf({ flows, rateKbps }: Case): string {
  return flows === 1 ? rateText(rateKbps) : `${flows} flows of ${rateText(rateKbps)}`
}

function goalsOf(runs: readonly Run[]): Goal[] {
  return runs.map((run) => ({
    what: `${nameOf(run)}: kept within ${percentText(RATE_WITHIN, 0)} by every flow`,
    figure: `${percentText(run.achieved, 2)}, farthest off ${percentText(run.worst, 2)}`,
    isMet: run.worst <= RATE_WITHIN && Math.abs(run.achieved - 1) <= RATE_WITHIN,
  }))
}

function tableOf(runs: readonly Run[]): Table {
  return {
    name: 'rates',
    head: ['flows', 'rate set, each', 'rate kept', 'farthest off', 'time between segments (us)', 'error, median (us)', '99 %', 'largest', 'segments'],
    rows: runs.map((run) => [
      String(run.flows), rateText(run.rateKbps), percentText(run.achieved, 3), percentText(run.worst, 3), trimmed(gapUs(run.rateKbps)),
      trimmed(run.gapErrorUs.p50), trimmed(run.gapErrorUs.p99), trimmed(run.gapErrorUs.max), String(run.packets),
    ]),
  }
}

function errorChart(runs: readonly Run[]): Chart {
  const alone = runs.filter(({ flows }) => flows === 1)
  const percentiles = [['median', 'p50'], ['99 %', 'p99'], ['largest', 'max']] as const
  return {
    name: 'gaps', title: 'Time between segments: how far from what the rate asks for, one flow', legend: 'error', mark: 'dots',
    series: percentiles.map(([name]) => name),
    points: alone.flatMap(({ gapErrorUs, rateKbps }) => percentiles.map(([series, key]) => ({ x: rateKbps / 1000, y: gapErrorUs[key], series }))),
    x: { title: 'rate set (Mbit/s)', isLog: true }, y: { title: 'error (us)', min: 0 },
    rules: [{ value: CLOCK_US, name: "a tick of the worker's clock" }],
  }
}

function rateChart(runs: readonly Run[]): Chart {
  const alone = runs.filter(({ flows }) => flows === 1)
  return {
    name: 'rates', title: 'Rate kept, of the rate set, one flow', legend: '', mark: 'dots', series: ['kept'],
    points: alone.map(({ achieved, rateKbps }) => ({ x: rateKbps / 1000, y: achieved * 100, series: 'kept' })),
    x: { title: 'rate set (Mbit/s)', isLog: true }, y: { title: 'rate kept (%)', min: 97, max: 103 },
    rules: [{ value: 98, name: 'stated: 98 %' }, { value: 102, name: 'stated: 102 %' }],
  }
}

function run({ quick, say, seed }: RunOptions): Result {
  const runs = (quick ? QUICK_CASES : CASES).map((each) => {
    say(nameOf(each))
    return observe(each, seed, quick ? PACKETS / 20 : each.flows === 1 && each.rateKbps < 100_000 ? PACKETS / 10 : PACKETS)
  })
  return { goals: goalsOf(runs), tables: [tableOf(runs)], charts: [errorChart(runs), rateChart(runs)], data: { port: PORT, runs } }
}

export const pacing: Experiment = { number: 4, name: 'pacing', title: 'Pacing: rates set and rates kept', run }
