/** What the sweep over numbers of connections has found: medians, plots and the table of docs/benchmark.md. */
import type { Chart, Point } from '../experiments/plots/charts.js'
import { markdownTable } from '../tools/netlab/index.js'
import { SERVER_TITLES, SERVERS, type ServerName } from './contenders.js'
import { cumulative, mergeHistograms, type Histogram } from './histogram.js'
import type { Sample } from './sample.js'
import { median } from './statistics.js'

/** One measurement that counts. */
export interface SweepSample {
  readonly connections: number
  readonly server: ServerName
  readonly sample: Sample
}

/** Medians of the runs. */
export interface SweepPoint {
  readonly connections: number
  readonly server: ServerName
  readonly requestsPerSecond: number
  readonly cpuUsPerRequest: number
  /** CPU of the client, and the share of a CPU that it had. */
  readonly clientCpuUsPerRequest: number
  readonly clientShare: number
  /** Of all runs; empty where latencies were not asked for. */
  readonly histogram: Histogram
}

/** Numbers of connections whose latencies are plotted. */
export const CDF_CONNECTIONS: readonly number[] = [1, 64]
/** From so many connections on, the server and not the round trip decides; up to so many the rate is to be flat. */
const FLAT = { from: 64, to: 10_000, share: 0.8 } as const
/** A plotted curve has a point where it has risen by so much, and its end is where hardly anything is left. */
const CURVE = { step: 0.004, end: 0.9995 } as const

/** One point for each server and number of connections, in the order of the table. */
export function sweepPoints(samples: readonly SweepSample[]): SweepPoint[] {
  const numbers = [...new Set(samples.map(({ connections }) => connections))].sort((a, b) => a - b)
  return numbers.flatMap((connections) => SERVERS.flatMap((server) => {
    const own = samples.filter((each) => each.connections === connections && each.server === server).map(({ sample }) => sample)
    if (own.length === 0) return []
    return [{
      connections, server,
      requestsPerSecond: median(own.map((sample) => sample.requestsPerSecond)),
      cpuUsPerRequest: median(own.map(({ serverCpuSeconds, requests }) => (serverCpuSeconds / requests) * 1e6)),
      clientCpuUsPerRequest: median(own.map(({ clientCpuSeconds, requests }) => ((clientCpuSeconds ?? 0) / requests) * 1e6)),
      clientShare: median(own.map(({ clientCpuSeconds, seconds }) => (clientCpuSeconds ?? 0) / seconds)),
      histogram: mergeHistograms(own.map(({ histogram }) => histogram)),
    }]
  }))
}

function seriesOf(points: readonly SweepPoint[]): string[] {
  return SERVERS.filter((server) => points.some((point) => point.server === server)).map((server) => SERVER_TITLES[server])
}

function byConnections(points: readonly SweepPoint[], name: string, title: string, unit: string, value: (point: SweepPoint) => number): Chart {
  return {
    name, title, legend: 'server', mark: 'dots', series: seriesOf(points),
    x: { title: 'connections', isLog: true }, y: { title: unit, min: 0 },
    points: points.map((point) => ({ x: point.connections, y: value(point), series: SERVER_TITLES[point.server] })),
  }
}

/** The points of one curve: fewer than there are latencies, since most would lie on each other. */
function curve({ connections, server, histogram }: SweepPoint): Point[] {
  const points: Point[] = []
  let last = -1
  for (const { us, share } of cumulative(histogram)) {
    if (share > CURVE.end) break
    if (share - last < CURVE.step) continue
    last = share
    points.push({ x: us, y: share, series: SERVER_TITLES[server], facet: `${connections} connection${connections === 1 ? '' : 's'}` })
  }
  return points
}

/** The plots of docs/benchmark.md. */
export function sweepCharts(points: readonly SweepPoint[]): Chart[] {
  const withLatency = points.filter(({ histogram }) => histogram.length > 0)
  return [
    byConnections(points, 'requests', '64 B echo: requests by connections', 'requests/s', (point) => point.requestsPerSecond),
    byConnections(points, 'cpu', '64 B echo: server CPU of a request', 'us', (point) => point.cpuUsPerRequest),
    byConnections(points, 'client', '64 B echo: client CPU of a request', 'us', (point) => point.clientCpuUsPerRequest),
    ...(withLatency.length === 0 ? [] : [{
      name: 'latency', title: '64 B echo: part of the answers that have come', legend: 'server', mark: 'step' as const, columns: 2,
      series: seriesOf(withLatency), x: { title: 'latency, us', isLog: true }, y: { title: 'part', min: 0, max: 1 },
      points: withLatency.flatMap(curve),
    }]),
  ]
}

/** Least by greatest rate where it is to be flat; null without two points there. */
export function flatness(points: readonly SweepPoint[], server: ServerName): number | null {
  const rates = points.filter((point) => point.server === server && point.connections >= FLAT.from && point.connections <= FLAT.to)
    .map(({ requestsPerSecond }) => requestsPerSecond)
  return rates.length < 2 ? null : Math.min(...rates) / Math.max(...rates)
}

function flatText(points: readonly SweepPoint[], server: 'tas' | 'tasEmbedded'): string {
  const share = flatness(points, server)
  const verdict = share === null ? 'not measured' : `${share.toFixed(2)}, ${share >= FLAT.share ? 'met' : 'NOT met'}`
  return `${SERVER_TITLES[server]}: least by greatest rate from ${FLAT.from} to ${FLAT.to.toLocaleString('en')} connections, `
    + `to be at least ${FLAT.share}: ${verdict}.`
}

/** What the client takes where the rate is to be flat: with all of its CPU in use no server can be faster than it. */
function clientText(points: readonly SweepPoint[], server: 'tas' | 'tasEmbedded'): string {
  const parts = [FLAT.from, FLAT.to].flatMap((connections) => {
    const point = points.find((each) => each.connections === connections && each.server === server)
    if (point === undefined) return []
    return [`${point.clientCpuUsPerRequest.toFixed(1)} us with ${connections.toLocaleString('en')} connections (${Math.round(point.clientShare * 100)} % of its CPU)`]
  })
  return `${SERVER_TITLES[server]}: CPU of the client for a request: ${parts.length === 0 ? 'not measured' : parts.join(', ')}.`
}

function cell(points: readonly SweepPoint[], connections: number, server: ServerName): string {
  const point = points.find((each) => each.connections === connections && each.server === server)
  return point === undefined ? '-' : Math.round(point.requestsPerSecond).toLocaleString('en')
}

/** The table, and what is said below it. */
export function sweepTable(points: readonly SweepPoint[], notes: readonly string[]): string {
  const numbers = [...new Set(points.map(({ connections }) => connections))]
  const rows = numbers.map((connections) => [
    connections.toLocaleString('en'), ...SERVERS.map((server) => cell(points, connections, server)),
  ])
  const head = ['connections, requests/s', ...SERVERS.map((server) => SERVER_TITLES[server])]
  return markdownTable(head, rows, [
    flatText(points, 'tas'), flatText(points, 'tasEmbedded'), clientText(points, 'tas'), clientText(points, 'tasEmbedded'), ...notes,
  ])
}

const CAPTIONS: Readonly<Record<string, string>> = {
  requests: 'Requests by connections', cpu: 'Server CPU of a request by connections', client: 'Client CPU of a request by connections',
  latency: 'Distribution of latency',
}

/** What stands in the page: the table and the plots. */
export function sweepSection(points: readonly SweepPoint[], charts: readonly Chart[], notes: readonly string[]): string {
  const plots = charts.map(({ name }) => `![${CAPTIONS[name]}](bench/${name}.svg)`)
  return [sweepTable(points, notes), ...plots].join('\n\n')
}
