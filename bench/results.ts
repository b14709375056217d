/** Results as they are written to bench/results/latest.json. */
import type { ServerName } from './contenders.js'
import type { Row } from './rows/index.js'
import type { Settings } from './settings.js'
import { median, spread } from './statistics.js'
import { TARGETS, type Target, type TasMode } from './targets.js'

/** Values of each run, by server; null: that measurement does not count. */
export type Runs = Readonly<Record<ServerName, readonly (number | null)[]>>

/** What must be reached, and whether it was. */
export interface Verdict {
  readonly of: TasMode
  /** In words. */
  readonly target: string
  /** The median of what was reached in the same run as the server that it is compared with, as a factor of that; or the figure itself. */
  readonly reached: number | null
  /** Null: not measured. */
  readonly met: boolean | null
  /** What `reached` could be at most with this client, its CPU full; null: not known. */
  readonly most: number | null
  /** The client does not allow what must be reached. */
  readonly isBeyondClient: boolean
}

/** A row of the results: medians of each server, and the values of each run. Null: not measured. */
export interface ResultRow extends Readonly<Record<ServerName, number | null>> {
  readonly id: string
  readonly name: string
  readonly unit: string
  readonly lowerIsBetter: boolean
  readonly runs: Runs
  readonly targets: readonly Verdict[]
}

/** A measurement that does not count, or a part that was left out, and why. */
export interface Miss {
  readonly what: string
  readonly reason: string
}

export interface Results {
  readonly settings: Settings
  readonly rows: readonly ResultRow[]
  /** Measurements with errors. */
  readonly failed: readonly Miss[]
  /** What this machine lacks the means for. */
  readonly leftOut: readonly Miss[]
}

function known(value: number): number | null {
  return Number.isFinite(value) ? value : null
}

function counted(runs: readonly (number | null)[]): number[] {
  return runs.filter((value) => value !== null)
}

/** Runs side by side: a machine that slows down for a minute slows down both. */
function pairedRatio(of: readonly (number | null)[], others: readonly (number | null)[]): number {
  return median(counted(of.map((value, run) => {
    const other = others.at(run) ?? null
    return value === null || other === null || other === 0 ? null : value / other
  })))
}

function targetText({ bound, figure, times }: Target, unit: string): string {
  return times === null ? `${bound} ${figure} ${unit}` : `${bound} ${figure} x ${times}`
}

function verdict(target: Target, unit: string, runs: Runs, limits: Runs): Verdict {
  const own = runs[target.of]
  const reached = known(target.times === null ? median(counted(own)) : pairedRatio(own, runs[target.times]))
  const met = reached === null ? null : target.bound === 'at most' ? reached <= target.figure : reached >= target.figure
  const most = target.times === null || target.bound === 'at most' ? null : known(pairedRatio(limits[target.of], runs[target.times]))
  return { of: target.of, target: targetText(target, unit), reached, met, most, isBeyondClient: met === false && most !== null && most < target.figure }
}

/** Makes a row of the results of its runs; `limits` are what the client has allowed in each of them, `targets` those of all rows. */
export function resultRow(row: Omit<Row, 'value' | 'limit'>, runs: Runs, limits: Runs = emptyRuns(), targets: readonly Target[] = TARGETS): ResultRow {
  const { id, name, unit, lowerIsBetter } = row
  const medianOf = (server: ServerName): number | null => known(median(counted(runs[server])))
  return {
    id, name, unit, lowerIsBetter,
    tas: medianOf('tas'), tasEmbedded: medianOf('tasEmbedded'), nodeNet: medianOf('nodeNet'), cEpoll: medianOf('cEpoll'), bun: medianOf('bun'),
    runs, targets: targets.filter((target) => target.row === id).map((target) => verdict(target, unit, runs, limits)),
  }
}

/** No values of any server yet. */
export function emptyRuns(): Record<ServerName, (number | null)[]> {
  return { tas: [], tasEmbedded: [], nodeNet: [], cEpoll: [], bun: [] }
}

/** How far the runs of `server` lie apart (statistics.ts). */
export function spreadOf({ runs }: ResultRow, server: ServerName): number {
  return spread(counted(runs[server]))
}

/** Whether `server` was measured for this row and not one of its runs counts. */
export function hasFailed({ runs }: ResultRow, server: ServerName): boolean {
  return runs[server].length > 0 && counted(runs[server]).length === 0
}

export interface TargetCounts {
  readonly met: number
  readonly missed: number
  /** Not measured. */
  readonly unknown: number
  /** Of those missed. */
  readonly beyondClient: number
}

/** How many targets of all rows are met, missed, not measured, and beyond what the client allows. */
export function countTargets(rows: readonly ResultRow[]): TargetCounts {
  const all = rows.flatMap(({ targets }) => targets)
  const count = (met: boolean | null): number => all.filter((target) => target.met === met).length
  return { met: count(true), missed: count(false), unknown: count(null), beyondClient: all.filter(({ isBeyondClient }) => isBeyondClient).length }
}

/** What was left out and what does not count, each with its reason, as lines below a table. */
export function missNotes({ leftOut, failed }: Pick<Results, 'leftOut' | 'failed'>): string[] {
  return [
    ...leftOut.map(({ what, reason }) => `Left out: ${what}: ${reason}.`),
    ...failed.map(({ what, reason }) => `Not counted: ${what}: ${reason.split('\n')[0]}.`),
  ]
}
