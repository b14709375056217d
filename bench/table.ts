/** The results as a table, for the terminal and for documents. */
import Table from 'cli-table3'
import { markdownTable } from '../tools/netlab/index.js'
import { SERVER_TITLES, SERVERS, type ServerName } from './contenders.js'
import { countTargets, hasFailed, missNotes, spreadOf, type ResultRow, type Results, type Verdict } from './results.js'
import { settingsText } from './settings.js'
import type { TasMode } from './targets.js'

const MODES: readonly TasMode[] = ['tas', 'tasEmbedded']
const HEAD = ['', 'unit', ...SERVERS.map((server) => SERVER_TITLES[server]), ...MODES.map((mode) => `${SERVER_TITLES[mode]}: must be`)]

/** Three significant digits, and thousands apart. */
function figure(value: number): string {
  if (value === 0) return '0'
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))
  return value.toLocaleString('en', { maximumFractionDigits: Math.min(digits, 3) })
}

function cell(row: ResultRow, server: ServerName): string {
  const value = row[server]
  if (value === null) return hasFailed(row, server) ? 'failed' : '-'
  const percent = Math.round(spreadOf(row, server) * 100)
  return row.runs[server].length > 1 ? `${figure(value)} ±${percent}%` : figure(value)
}

/** Such as "at most 0.3 x node:net: met (0.21)", or "at least 2 x node:net: NOT met (1.9; client's limit 1.97)". */
function verdictText({ target, reached, met, most }: Verdict): string {
  const words = SERVERS.reduce((text, server) => text.replace(` x ${server}`, ` x ${SERVER_TITLES[server]}`), target)
  if (reached === null) return `${words}: not measured`
  const limit = met === true || most === null ? '' : `; client's limit ${figure(most)}`
  return `${words}: ${met === true ? 'met' : 'NOT met'} (${figure(reached)}${limit})`
}

function cells(row: ResultRow, lineBreak: string): string[] {
  const targets = MODES.map((mode) => row.targets.filter(({ of }) => of === mode).map(verdictText).join(lineBreak))
  return [row.name, row.unit, ...SERVERS.map((server) => cell(row, server)), ...targets]
}

/** What the figures are to be taken with. */
function notes(results: Results): string[] {
  const { met, missed, unknown, beyondClient } = countTargets(results.rows)
  return [
    `Targets: ${met} met, ${missed} NOT met, ${unknown} not measured.`,
    ...(beyondClient === 0 ? [] : [`Of those not met ${beyondClient} are beyond what this client can ask for with its CPU full ("client's limit").`]),
    ...missNotes(results),
    ...settingsText(results.settings).split('\n'),
  ]
}

/** For the terminal, with the conditions below. */
export function terminalTable(results: Results): string {
  const table = new Table({
    head: HEAD, style: { head: [], border: [] },
    colAligns: ['left', 'left', ...SERVERS.map(() => 'right' as const), 'left', 'left'],
  })
  for (const row of results.rows) table.push(cells(row, '\n'))
  return `${table.toString()}\n${notes(results).join('\n')}`
}

/** For documents, with the conditions below. */
export function readmeTable(results: Results): string {
  return markdownTable(HEAD, results.rows.map((row) => cells(row, '; ')), notes(results))
}
