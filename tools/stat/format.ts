/** Counters as text for people and as JSON lines for machines. */
import type { Paint } from '../control/terminal.js'
import { distributionLines, distributionsOf } from './distribution.js'
import { isGauge, type Snapshot, type Values } from './snapshot.js'

const LEAST_COLUMN = 12
const GAP = 2

function number(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: value !== 0 && Math.abs(value) < 10 ? 1 : 0 })
}

/** Rows of names and right-aligned values, one column for each block. */
function table(names: readonly string[], blocks: readonly Values[], paint: Paint): string[] {
  const cells = names.map((name) => blocks.map((values) => number(values[name])))
  const width = Math.max(LEAST_COLUMN, ...cells.flat().map((cell) => cell.length)) + GAP
  const nameWidth = Math.max(...names.map((name) => name.length))
  return names.map((name, row) => {
    const label = name.padEnd(nameWidth)
    return `  ${isGauge(name) ? label : paint.dim(label)}${cells[row].map((cell) => cell.padStart(width)).join('')}`
  })
}

function shownNames(blocks: readonly Values[], all: boolean): string[] {
  return Object.keys(blocks[0] ?? {}).filter((name) => all || blocks.some((values) => values[name] !== 0))
}

function section(title: string, blocks: readonly Values[], all: boolean, paint: Paint): string[] {
  const names = shownNames(blocks, all)
  return [paint.heading(title), ...(names.length === 0 ? ['  nothing yet'] : table(names, blocks, paint))]
}

/** How long the service has run, in the largest fitting units. */
export function uptime(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  const minutes = Math.floor(seconds / 60)
  const hours = Math.floor(minutes / 60)
  const parts = [[Math.floor(hours / 24), 'd'], [hours % 24, 'h'], [minutes % 60, 'min'], [seconds % 60, 's']] as const
  const first = parts.findIndex(([value]) => value > 0)
  return (first < 0 ? parts.slice(3) : parts.slice(first, first + 2)).map(([value, unit]) => `${value} ${unit}`).join(' ')
}

/** How text is to look. */
export interface TextOptions {
  /** The values are rates. */
  readonly perSecond: boolean
  /** Show counters that are zero too. */
  readonly all: boolean
  readonly paint: Paint
}

/** Text for one snapshot, or for rates when `perSecond`. Counters that are zero everywhere show only with `all`. */
export function formatText(snapshot: Snapshot, options: TextOptions): string {
  const { perSecond, all, paint } = options
  const unit = perSecond ? ' (per second; flows and the like: now)' : ''
  const workers = snapshot.workers.length === 1 ? 'worker 0' : `workers 0 to ${snapshot.workers.length - 1}`
  return [
    `tas, process ${snapshot.pid}, running for ${uptime(snapshot.timeMs - snapshot.startMs)}`,
    ...section(`fast path, ${workers}${unit}`, snapshot.workers, all, paint),
    ...section(`slow path${unit}`, [snapshot.slow], all, paint),
    ...distributionLines(snapshot, all, paint),
    '',
  ].join('\n')
}

/** One line of JSON, with distributions in place of histograms. What came `since` the sample before, when given, stands beside it. */
export function formatJson(snapshot: Snapshot, since: Snapshot | null): string {
  const rates = since === null ? {} : { perSecond: { slow: since.slow, workers: since.workers }, lately: distributionsOf(since) }
  const { histograms: _, ...counters } = snapshot
  return `${JSON.stringify({ ...counters, times: distributionsOf(snapshot), ...rates })}\n`
}
