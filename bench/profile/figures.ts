/** Tables and plot of docs/profile.md. */
import type { BarChart } from '../../experiments/plots/bars.js'
import { markdownTable } from '../../tools/netlab/index.js'
import { SERVER_TITLES, type ServerName } from '../contenders.js'
import { CATEGORIES, CATEGORY_NAMES, isOfKernel, type Category } from './categories.js'
import type { Profile } from './measure.js'

/** Of a table of functions. */
const HOTTEST = 10

/** JavaScript in reds and yellows, what is below it in browns and greys, the kernel in greens and blues. */
const COLOURS: Readonly<Record<Category, string>> = {
  fast: '#D55E00', slow: '#8B0000', library: '#F28E2B', application: '#F0C800', addon: '#9C755F', runtime: '#C7A27C', compiling: '#666666',
  garbage: '#CC79A7', syscall: '#7B4FA3', waiting: '#B8A1D9', packetIn: '#005F3C', packetOut: '#009E73', tcp: '#0072B2', link: '#56B4E9',
  peer: '#A6D8F0', kernel: '#BBBBBB', unknown: '#000000',
}

function total(counts: ReadonlyMap<unknown, number>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0)
}

/** CPU time of a request that was spent on a category, microseconds. */
export function categoryUs({ samples, cpuUsPerRequest }: Profile, category: Category): number {
  return ((samples.get(category) ?? 0) / total(samples)) * cpuUsPerRequest
}

/** Categories of which any profile has a sample. */
function categoriesOf(profiles: readonly Profile[]): Category[] {
  return CATEGORY_NAMES.filter((category) => profiles.some(({ samples }) => (samples.get(category) ?? 0) > 0))
}

/** Up to three digits behind the point, as many as say something. */
function figure(value: number): string {
  if (Number.isNaN(value)) return '-'
  if (value >= 1000) return Math.round(value).toLocaleString('en')
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3)
}

function heads(profiles: readonly Profile[]): string[] {
  return profiles.map(({ server }) => SERVER_TITLES[server])
}

/** What is TAS's own: its JavaScript, and the addon. */
const OWN: readonly Category[] = ['fast', 'slow', 'library', 'addon']

/**
 * For a program that knows nothing of TAS: what would be left of a request if TAS's own part took no time. Nothing in user space beneath the program could be
 * faster on this link. Not for the service, whose processes also wait for each other.
 */
function leastRows(profiles: readonly Profile[]): string[][] {
  const plain = profiles.find(({ server }) => server === 'nodeNet')
  if (plain === undefined || !plain.isUnmodified) return []
  const least = profiles.map((profile) => profile.cpuUsPerRequest - OWN.reduce((sum, category) => sum + categoryUs(profile, category), 0))
  const row = (title: string, unitUs: number): string[] => [
    title, ...profiles.map(({ server }, nth) => (server === 'tas' ? '-' : (least[nth] / unitUs).toFixed(2))),
  ]
  return [row("all but TAS's own part", 1), row("the same, of node:net's", plain.cpuUsPerRequest)]
}

/** Microseconds of CPU for each request, by category and server. `profiles` are those of one scene. */
export function categoryTable(profiles: readonly Profile[]): string {
  const rows = categoriesOf(profiles).map((category) => [CATEGORIES[category], ...profiles.map((each) => categoryUs(each, category).toFixed(2))])
  const sums = ['all', ...profiles.map(({ cpuUsPerRequest }) => cpuUsPerRequest.toFixed(2))]
  return markdownTable(['CPU for each request, us', ...heads(profiles)], [...rows, sums, ...leastRows(profiles)])
}

type Line = readonly [title: string, value: (profile: Profile) => number]

/** NaN: not counted on that server. */
const LINES: readonly Line[] = [
  ['requests/s', ({ requestsPerSecond }) => requestsPerSecond],
  ['system calls of a request', ({ systemCalls }) => systemCalls ?? NaN],
  ['wake-ups of a thread', ({ counts }) => counts.wakeups],
  ['CPU lost or given up', ({ counts }) => counts.yields],
  ['frames from the link', ({ counts }) => counts.framesIn],
  ['frames to the link', ({ counts }) => counts.framesOut],
  ['acknowledgments of something new', ({ worker }) => worker?.acks ?? NaN],
  ['events to the application', ({ worker }) => worker?.events ?? NaN],
  ['wake-ups of the worker', ({ worker }) => worker?.workerWakeups ?? NaN],
  ['wake-ups of the application', ({ worker }) => worker?.appWakeups ?? NaN],
  ['wake-ups of the slow path', ({ worker }) => worker?.slowWakeups ?? NaN],
  ['frames in a pass of the worker', ({ worker }) => worker?.framesPerPass ?? NaN],
  ['a pass of the worker, p50, us', ({ worker }) => worker?.passUs.p50 ?? NaN],
  ['a pass of the worker, p99, us', ({ worker }) => worker?.passUs.p99 ?? NaN],
  ['a pass of the worker, p99.99, us', ({ worker }) => worker?.passUs.p9999 ?? NaN],
]

/** What was counted, for each request where nothing else is said. */
export function countTable(profiles: readonly Profile[]): string {
  const shown = LINES.filter(([, value]) => profiles.some((profile) => !Number.isNaN(value(profile))))
  const rows = shown.map(([title, value]) => [title, ...profiles.map((each) => figure(value(each)))])
  return markdownTable(['for each request', ...heads(profiles)], rows)
}

/** The functions that the worker was in most often, all and those outside of the kernel, with their part of its samples; null without a worker. */
export function functionTable({ workerFunctions }: Profile): string | null {
  const all = total(workerFunctions)
  if (all === 0) return null
  const hottest = [...workerFunctions].sort(([, a], [, b]) => b - a)
  const columns = [hottest, hottest.filter(([name]) => !isOfKernel(name))]
  const cells = (nth: number) => columns.flatMap((column) => {
    if (nth >= column.length) return ['', '']
    const [name, count] = column[nth]
    return [`\`${name}\``, ((count / all) * 100).toFixed(1)]
  })
  const rows = Array.from({ length: Math.min(HOTTEST, hottest.length) }, (_, nth) => cells(nth))
  return markdownTable(['function', '% of the worker', 'outside of the kernel', '% of the worker'], rows)
}

/** Bars of microseconds, one for each server, a small plot for each scene. */
export function profileChart(profiles: readonly Profile[]): BarChart {
  const servers: ServerName[] = [...new Set(profiles.map(({ server }) => server))]
  const categories = categoriesOf(profiles)
  return {
    name: 'profile', title: 'CPU of a request', height: 'us', bars: servers.map((server) => SERVER_TITLES[server]),
    series: categories.map((category) => [CATEGORIES[category], COLOURS[category]]),
    parts: profiles.flatMap((profile) => categories.map((category) => ({
      bar: SERVER_TITLES[profile.server], series: CATEGORIES[category], value: categoryUs(profile, category),
      facet: profile.scene,
    }))),
  }
}
