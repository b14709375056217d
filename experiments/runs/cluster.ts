/**
 * Experiment 6: a cluster of whole hosts in a fat tree, with the traffic of published measurements; completion times of flows by their
 * size, as pFabric (SIGCOMM 2013) and its successors show them, and what simulating more hosts costs.
 */
import type { CongestionControl } from '../../lib/memif/index.js'
import type { Flow, PortOptions } from '../engine/index.js'
import { transmissionUs } from '../engine/index.js'
import { mean, percentile, sum } from '../measure/statistics.js'
import type { Chart, Point } from '../plots/charts.js'
import type { Experiment, Goal, Result, RunOptions, Table } from '../report/experiment.js'
import { percentText, trimmed } from '../report/markdown.js'
import { type FatTree, fatTreeIp, linksBetween, makeFatTree } from '../topology/fattree.js'
import { allToAll, type Arrival, incastQueries } from '../workload/arrivals.js'
import { cutAt, DATA_MINING, type SizeDistribution, WEB_SEARCH } from '../workload/sizes.js'
import { SEGMENT_FRAME_BYTES, SEGMENT_PAYLOAD_BYTES } from './bulk.js'

const PORT: PortOptions = { rateKbps: 10_000_000, delayUs: 2, queuePackets: 300, markPackets: 65 }
const HOST = { flows: 128, bufBytes: 1 << 18 }
/** RTOmin of DCTCP's incast (4.2.1). */
const MIN_RTO_US = 10_000
const LOAD = 0.5
const PATIENCE_US = 300_000
const STEP_US = 1_000
/** Flows of more than this would outlast the run. */
const LONGEST_BYTES = 10_000_000

interface Bin {
  readonly name: string
  readonly belowBytes: number
}

const BINS: readonly Bin[] = [
  { name: 'below 10 kB', belowBytes: 10_000 }, { name: '10 to 100 kB', belowBytes: 100_000 }, { name: '100 kB to 1 MB', belowBytes: 1_000_000 },
  { name: '1 MB and more', belowBytes: Infinity },
]

interface Scenario {
  readonly name: string
  readonly control: CongestionControl
  readonly k: number
  readonly arrivals: (hosts: number, tree: FatTree) => Arrival[]
}

function everybody(distribution: SizeDistribution, flows: number, longestBytes = LONGEST_BYTES): Scenario['arrivals'] {
  const sizes = cutAt(distribution, longestBytes)
  return (hosts, { fabric }) => allToAll({ hosts, flows, load: LOAD, rateKbps: PORT.rateKbps, sizes }, fabric.random)
}

/** 40 answers at once of 20 kB: 2 MB in all would be the paper's, of which the last hop's queue holds a quarter. */
function queries(count: number): Scenario['arrivals'] {
  return (hosts, { fabric }) => incastQueries({ hosts, queries: count, responders: 40, answerBytes: 20_000, everyUs: 500 }, fabric.random)
}

const TRAFFIC = { 'web search': everybody(WEB_SEARCH, 400), 'data mining': everybody(DATA_MINING, 500), queries: queries(25) } as const

interface FlowTime {
  readonly lenBytes: number
  readonly fctUs: number
  /** Against the time that the flow would take alone. */
  readonly slowdown: number
}

interface Run {
  readonly scenario: string
  readonly control: string
  readonly hosts: number
  readonly flows: number
  readonly unfinished: number
  readonly lostShare: number
  readonly markedShare: number
  readonly events: number
  readonly frames: number
  readonly virtualUs: number
  readonly cpuSeconds: number
  readonly times: readonly FlowTime[]
}

/** From the call of connect to the last byte, with nobody else there, microseconds: a handshake, then segments behind each other over all links. */
export function aloneUs(from: number, to: number, lenBytes: number): number {
  const { delayUs, rateKbps } = PORT
  const links = linksBetween(from, to)
  const handshakeUs = 2 * links * (delayUs + transmissionUs(0, rateKbps))
  const headers = SEGMENT_FRAME_BYTES - SEGMENT_PAYLOAD_BYTES
  const whole = Math.floor(lenBytes / SEGMENT_PAYLOAD_BYTES)
  const rest = lenBytes % SEGMENT_PAYLOAD_BYTES
  const allUs = whole * transmissionUs(SEGMENT_FRAME_BYTES, rateKbps) + (rest > 0 ? transmissionUs(rest + headers, rateKbps) : 0)
  const lastUs = transmissionUs(rest > 0 ? rest + headers : SEGMENT_FRAME_BYTES, rateKbps)
  return handshakeUs + links * delayUs + allUs + (links - 1) * lastUs
}

function startFlows({ fabric, nodes }: FatTree, k: number, arrivals: readonly Arrival[]): Flow[] {
  const flows: Flow[] = []
  const startUs = fabric.elapsedUs
  for (const { atUs, from, lenBytes, to } of arrivals) {
    fabric.at(startUs + atUs, () => flows.push(nodes[from].program.send(fatTreeIp(k, to), lenBytes)))
  }
  return flows
}

function observe({ arrivals, control, k, name }: Scenario, seed: number): Run {
  const before = process.cpuUsage().user
  const tree = makeFatTree({ seed, k, port: PORT, host: { ...HOST, cc: { algorithm: control, minRtoUs: MIN_RTO_US }, tcp: { ecn: 'on' } } })
  const { fabric, nodes, ports } = tree
  // Listeners open.
  fabric.pass(STEP_US)
  const list = arrivals(nodes.length, tree)
  const flows = startFlows(tree, k, list)
  const endUs = fabric.elapsedUs + list[list.length - 1].atUs
  while (fabric.elapsedUs < endUs || (flows.some((flow) => !flow.isDone) && fabric.elapsedUs < endUs + PATIENCE_US)) fabric.pass(STEP_US)
  const done = flows.filter((flow) => flow.isDone)
  const sent = sum(ports.map((port) => port.sentPackets))
  const dropped = sum(ports.map((port) => port.dropped))
  return {
    scenario: name, control, hosts: nodes.length, flows: flows.length, unfinished: flows.length - done.length, lostShare: dropped / (sent + dropped),
    markedShare: sum(ports.map((port) => port.marked)) / sent, events: fabric.timeline.acts, frames: fabric.framesSent, virtualUs: fabric.elapsedUs,
    cpuSeconds: (process.cpuUsage().user - before) / 1e6,
    times: done.map(({ endUs: doneUs, from, lenBytes, startUs, to }) => ({
      lenBytes, fctUs: doneUs - startUs, slowdown: (doneUs - startUs) / aloneUs(from, to, lenBytes),
    })),
  }
}

function binned(times: readonly FlowTime[]): { readonly bin: Bin; readonly times: readonly FlowTime[] }[] {
  return BINS.map((bin, i) => {
    const from = i === 0 ? 0 : BINS[i - 1].belowBytes
    return { bin, times: times.filter(({ lenBytes }) => lenBytes >= from && lenBytes < bin.belowBytes) }
  }).filter((each) => each.times.length > 0)
}

function timesTable(runs: readonly Run[]): Table {
  return {
    name: 'times', head: ['traffic', 'control', 'flows of', 'flows', 'completion, median (us)', '99 % (us)', 'slowdown, median', '99 %'],
    rows: runs.flatMap(({ control, scenario, times }) => binned(times).map((each) => {
      const [fcts, slowdowns] = [each.times.map(({ fctUs }) => fctUs), each.times.map(({ slowdown }) => slowdown)]
      return [
        scenario, control, each.bin.name, String(each.times.length), trimmed(percentile(fcts, 0.5)), trimmed(percentile(fcts, 0.99)),
        trimmed(percentile(slowdowns, 0.5)), trimmed(percentile(slowdowns, 0.99)),
      ]
    })),
  }
}

function networkTable(runs: readonly Run[]): Table {
  return {
    name: 'network', head: ['traffic', 'control', 'hosts', 'flows', 'not finished', 'frames lost', 'marked', 'mean slowdown'],
    rows: runs.map(({ control, flows, hosts, lostShare, markedShare, scenario, times, unfinished }) => [
      scenario, control, String(hosts), String(flows), String(unfinished), percentText(lostShare, 3), percentText(markedShare, 2),
      trimmed(mean(times.map(({ slowdown }) => slowdown))),
    ]),
  }
}

function costTable(runs: readonly Run[]): Table {
  return {
    name: 'cost', head: ['hosts', 'flows', 'frames', 'events', 'events a frame', 'simulated (ms)', 'CPU (s)', 'CPU a frame (us)'],
    rows: runs.map(({ cpuSeconds, events, flows, frames, hosts, virtualUs }) => [
      String(hosts), String(flows), String(frames), String(events), trimmed(events / frames), trimmed(virtualUs / 1000), trimmed(cpuSeconds),
      trimmed((cpuSeconds * 1e6) / frames),
    ]),
  }
}

function slowdownChart(runs: readonly Run[]): Chart {
  const controls = [...new Set(runs.map(({ control }) => control))]
  const points = runs.flatMap(({ control, scenario, times }) => {
    const slowdowns = times.map(({ slowdown }) => slowdown)
    return Array.from({ length: 101 }, (_, i): Point => ({ x: percentile(slowdowns, i / 100), y: i / 100, series: control, facet: scenario }))
  })
  return {
    name: 'slowdown', title: 'Completion time of flows against what they take alone', legend: 'congestion control', mark: 'line',
    points, series: controls, x: { title: 'slowdown', isLog: true }, y: { title: 'share of flows', min: 0, max: 1 },
  }
}

function sizesChart(runs: readonly Run[]): Chart {
  const kinds = [['median', 0.5], ['99 %', 0.99]] as const
  const web = runs.filter(({ scenario }) => scenario === WEB_SEARCH.name)
  const points = web.flatMap(({ control, times }) => binned(times).flatMap((each) => kinds.map(([kind, share]): Point => ({
    x: percentile(each.times.map(({ lenBytes }) => lenBytes), 0.5) / 1000, y: percentile(each.times.map(({ slowdown }) => slowdown), share),
    series: `${control}, ${kind}`,
  }))))
  return {
    name: 'sizes', title: 'Slowdown by size, web search, load 0.5, 128 hosts', legend: '', mark: 'dots', points,
    series: [...new Set(points.map(({ series }) => series))],
    x: { title: 'size of flows: median of the class (kB)', isLog: true }, y: { title: 'slowdown', isLog: true },
  }
}

function costChart(runs: readonly Run[]): Chart {
  return {
    name: 'cost', title: 'What simulating more hosts costs', legend: '', mark: 'dots', series: ['CPU'],
    points: runs.map(({ cpuSeconds, hosts }) => ({ x: hosts, y: cpuSeconds, series: 'CPU' })),
    x: { title: 'hosts' }, y: { title: 'CPU time (s), 4 flows a host', min: 0 },
  }
}

function goalsOf(runs: readonly Run[], sizes: readonly Run[]): Goal[] {
  const largest = sizes[sizes.length - 1]
  return [
    ...runs.map(({ control, flows, scenario, unfinished }) => ({
      what: `${scenario}, ${control}: every flow completes`, figure: `${flows - unfinished} of ${flows}`, isMet: unfinished === 0,
    })),
    { what: 'hundreds of hosts', figure: `${largest.hosts} hosts, ${largest.flows - largest.unfinished} of ${largest.flows} flows complete`,
      isMet: largest.hosts >= 200 && largest.unfinished === 0 },
  ]
}

function withoutTimes(runs: readonly Run[]): object[] {
  return runs.map(({ times, ...rest }) => ({
    ...rest, bins: binned(times).map((each) => ({
      bin: each.bin.name, flows: each.times.length,
      slowdowns: [0.5, 0.9, 0.99].map((share) => percentile(each.times.map(({ slowdown }) => slowdown), share)),
    })),
  }))
}

function run({ quick, say, seed }: RunOptions): Result {
  const scenarios: Scenario[] = quick
    ? [{ name: WEB_SEARCH.name, control: 'dctcp-win', k: 4, arrivals: everybody(WEB_SEARCH, 30, 1_000_000) }]
    : (['web search', 'data mining', 'queries'] as const).flatMap((name) => (['dctcp-win', 'dctcp-rate'] as const).map((control) => (
      { name, control, k: 8, arrivals: TRAFFIC[name] }
    )))
  const runs = scenarios.map((scenario) => {
    say(`${scenario.name}, ${scenario.control}`)
    return observe(scenario, seed)
  })
  const sizes = (quick ? [4] : [4, 6, 8, 10]).map((k) => {
    say(`${k ** 3 / 4} hosts`)
    return observe({ name: 'growth', control: 'dctcp-win', k, arrivals: (hosts, tree) => everybody(WEB_SEARCH, 4 * hosts, 1_000_000)(hosts, tree) }, seed)
  })
  return {
    goals: goalsOf(runs, sizes), tables: [timesTable(runs), networkTable(runs), costTable(sizes)],
    charts: [slowdownChart(runs), sizesChart(runs), costChart(sizes)], data: { port: PORT, runs: withoutTimes(runs), growth: withoutTimes(sizes) },
  }
}

export const cluster: Experiment = { number: 6, name: 'cluster', title: 'Scale: a cluster in a fat tree', run }
