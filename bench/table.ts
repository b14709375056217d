/** The results as a table, for the terminal and for the README. */
import Table from 'cli-table3'
import { markdownTable } from '../tools/netlab/index.js'
import { spreadOf, type ResultRow, type Results, type ServerName } from './results.js'
import { settingsText } from './settings.js'

const HEAD = ['', 'unit', 'TAS', 'TAS embedded', 'node:net', 'C epoll', 'TAS / node:net', 'must be', ''] as const

/** Three significant digits, and thousands apart. */
function figure(value: number): string {
  if (value === 0) return '0'
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))
  return value.toLocaleString('en', { maximumFractionDigits: Math.min(digits, 3) })
}

function cell(row: ResultRow, server: ServerName): string {
  const value = row[server]
  if (value === null) return '-'
  const percent = Math.round(spreadOf(row, server) * 100)
  return row.runs[server].length > 1 ? `${figure(value)} ±${percent}%` : figure(value)
}

function verdict({ met, goal }: ResultRow): string {
  if (goal === null) return ''
  if (met === null) return 'not measured'
  return met ? 'met' : 'NOT met'
}

function cells(row: ResultRow): string[] {
  return [
    row.name, row.unit, cell(row, 'tas'), cell(row, 'tasEmbedded'), cell(row, 'nodeNet'), cell(row, 'cEpoll'),
    row.ratio?.toFixed(2) ?? '-', row.goal ?? '', verdict(row),
  ]
}

/** For the terminal, with the conditions below. */
export function terminalTable(results: Results): string {
  const table = new Table({
    head: [...HEAD], style: { head: [], border: [] },
    colAligns: ['left', 'left', 'right', 'right', 'right', 'right', 'right', 'left', 'left'],
  })
  for (const row of results.rows) table.push(cells(row))
  return `${table.toString()}\n${settingsText(results.settings)}`
}

/** For the README, with the conditions below. */
export function readmeTable(results: Results): string {
  return markdownTable(HEAD, results.rows.map(cells), settingsText(results.settings).split('\n'))
}
