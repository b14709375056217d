/** Results as they are written to bench/results/latest.json. */
import type { Goal, Row } from './scenarios.js'
import type { Settings } from './settings.js'
import { median } from './statistics.js'

/** The three servers that are compared. */
export const SERVERS = ['tas', 'nodeNet', 'cEpoll'] as const
export type ServerName = (typeof SERVERS)[number]

/** Values of each run, by server. */
export type Runs = Readonly<Record<ServerName, readonly number[]>>

/** A row of the results: medians, and the values of each run. Null: not measured. */
export interface ResultRow {
  readonly name: string
  readonly unit: string
  readonly lowerIsBetter: boolean
  readonly tas: number | null
  readonly nodeNet: number | null
  readonly cEpoll: number | null
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

function isMet(goal: Goal, lowerIsBetter: boolean, tas: number, nodeNet: number): boolean | null {
  const bound = 'factor' in goal ? goal.factor * nodeNet : goal.limit
  if (Number.isNaN(tas) || Number.isNaN(bound)) return null
  return lowerIsBetter ? tas <= bound : tas >= bound
}

function known(value: number): number | null {
  return Number.isFinite(value) ? value : null
}

/** Makes a row of the results of its runs. */
export function resultRow(row: Pick<Row, 'name' | 'unit' | 'lowerIsBetter' | 'goal'>, runs: Runs): ResultRow {
  const { name, unit, lowerIsBetter, goal } = row
  const tas = median(runs.tas)
  const nodeNet = median(runs.nodeNet)
  return {
    name, unit, lowerIsBetter, runs,
    tas: known(tas), nodeNet: known(nodeNet), cEpoll: known(median(runs.cEpoll)),
    goal: goal === undefined ? null : goalText(goal, lowerIsBetter, unit),
    met: goal === undefined ? null : isMet(goal, lowerIsBetter, tas, nodeNet),
  }
}
