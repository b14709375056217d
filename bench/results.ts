/** Results as they are written to bench/results/latest.json. */
import type { Goal, Row } from './scenarios.js'
import type { Settings } from './settings.js'
import { median, spread } from './statistics.js'

/** The servers that are compared. */
export const SERVERS = ['tas', 'tasEmbedded', 'nodeNet', 'cEpoll'] as const
export type ServerName = (typeof SERVERS)[number]

/** Values of each run, by server; null: that measurement does not count. */
export type Runs = Readonly<Record<ServerName, readonly (number | null)[]>>

/** A row of the results: medians, and the values of each run. Null: not measured. */
export interface ResultRow {
  readonly name: string
  readonly unit: string
  readonly lowerIsBetter: boolean
  readonly tas: number | null
  readonly tasEmbedded: number | null
  readonly nodeNet: number | null
  readonly cEpoll: number | null
  /** Median of what TAS and node:net reached in the same run, one by the other; null without such a run, or where node:net has 0. */
  readonly ratio: number | null
  readonly runs: Runs
  /** What must be reached, in words; null where nothing must. */
  readonly goal: string | null
  /** Whether it was; null where nothing must be or nothing could be measured. */
  readonly met: boolean | null
}

export interface Results {
  readonly settings: Settings
  readonly rows: readonly ResultRow[]
}

function goalText(goal: Goal, lowerIsBetter: boolean, unit: string): string {
  const bound = lowerIsBetter ? 'at most' : 'at least'
  return 'factor' in goal ? `${bound} ${goal.factor} x node:net` : `${bound} ${goal.limit} ${unit}`
}

function isMet(goal: Goal, lowerIsBetter: boolean, tas: number | null, ratio: number | null): boolean | null {
  const [reached, bound] = 'factor' in goal ? [ratio, goal.factor] : [tas, goal.limit]
  if (reached === null) return null
  return lowerIsBetter ? reached <= bound : reached >= bound
}

function known(value: number): number | null {
  return Number.isFinite(value) ? value : null
}

function counted(runs: readonly (number | null)[]): number[] {
  return runs.filter(value => value !== null)
}

/** Runs side by side: a machine that slows down for a minute slows down both. */
function pairedRatio({ tas, nodeNet }: Runs): number {
  return median(counted(tas.map((value, run) => {
    const other = nodeNet.at(run) ?? null
    return value === null || other === null || other === 0 ? null : value / other
  })))
}

/** Makes a row of the results of its runs. */
export function resultRow(row: Pick<Row, 'name' | 'unit' | 'lowerIsBetter' | 'goal'>, runs: Runs): ResultRow {
  const { name, unit, lowerIsBetter, goal } = row
  const [tas, tasEmbedded, nodeNet, cEpoll] = SERVERS.map(server => known(median(counted(runs[server]))))
  const ratio = known(pairedRatio(runs))
  return {
    name, unit, lowerIsBetter, tas, tasEmbedded, nodeNet, cEpoll, ratio, runs,
    goal: goal === undefined ? null : goalText(goal, lowerIsBetter, unit),
    met: goal === undefined ? null : isMet(goal, lowerIsBetter, tas, ratio),
  }
}

/** How far the runs of `server` lie apart (statistics.ts). */
export function spreadOf({ runs }: ResultRow, server: ServerName): number {
  return spread(counted(runs[server]))
}
