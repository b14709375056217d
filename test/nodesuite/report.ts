/** What Node's own tests say of TAS, as docs/nodesuite.md has it. */
import { markdownTable } from '../../tools/netlab/index.js'
import { departureOf } from './departures.js'
import type { TestResult } from './runner.js'

/** The tests that passed on plain Node, on one TAS. */
export interface SuiteRun {
  readonly name: string
  readonly results: readonly TestResult[]
  /** What ran them, where and when. */
  readonly conditions: string
}

/** Rows of both tables, and the line below that says of a run what `conditions` does. The first cell is the run's name. */
export interface Tables {
  readonly counts: readonly (readonly string[])[]
  readonly reasons: readonly (readonly string[])[]
  readonly conditions: readonly (readonly string[])[]
}

const COUNTS = ['on', 'pass on plain Node', 'pass here', 'fail, known why', 'fail']
const REASONS = ['on', 'reason', 'tests']

/** Tests that did not pass, with the reason why that is known, or null. */
export function differences(results: readonly TestResult[]): { readonly test: TestResult; readonly reason: string | null }[] {
  return results.filter(({ outcome }) => outcome !== 'passed').map((test) => ({ test, reason: departureOf(test) }))
}

/** How many passed, and what did not, by reason. */
export function tablesOf({ name, results, conditions }: SuiteRun): Tables {
  const different = differences(results)
  const unexplained = different.filter(({ reason }) => reason === null).length
  const counts = [results.length, results.length - different.length, different.length - unexplained, unexplained]
  return { counts: [[name, ...counts.map(String)]], reasons: reasonRows(name, results), conditions: [[name, conditions]] }
}

/** `tables` as they stand in a document. */
export function tablesText({ counts, reasons, conditions }: Tables): string {
  const lines = conditions.map(([name, text]) => `${name}: ${text}`)
  return [markdownTable(COUNTS, counts, lines), '', markdownTable(REASONS, reasons)].join('\n')
}

/** The text `before` of a document with the rows of the run in `tables` in place of those of an earlier one; rows of other runs stay. */
export function withTables(before: string, tables: Tables): string {
  const kept = readTables(before)
  const merged = (old: Tables['counts'], rows: Tables['counts']): Tables['counts'] => {
    const name = tables.counts[0]?.[0]
    const at = old.findIndex(([first]) => first === name)
    const others = old.filter(([first]) => first !== name)
    return at < 0 ? [...others, ...rows] : [...others.slice(0, at), ...rows, ...others.slice(at)]
  }
  return tablesText({
    counts: merged(kept.counts, tables.counts), reasons: merged(kept.reasons, tables.reasons), conditions: merged(kept.conditions, tables.conditions),
  })
}

/** What `tablesText` has written. */
function readTables(text: string): Tables {
  const lines = text.split('\n').map((line) => line.trim())
  const rows = lines.filter((line) => line.startsWith('| ') && !line.startsWith('| --')).map((line) => line.slice(2, -2).split(' | '))
  const bodies = rows.filter(([first]) => first !== COUNTS[0])
  const counts = bodies.filter(({ length }) => length === COUNTS.length)
  const conditions = lines.flatMap((line) => counts.filter(([name]) => line.startsWith(`${name}: `)).map(([name]) => [name, line.slice(name.length + 2)]))
  return { counts, reasons: bodies.filter(({ length }) => length === REASONS.length), conditions }
}

function reasonRows(run: string, results: readonly TestResult[]): string[][] {
  const byReason = new Map<string, string[]>()
  for (const { test, reason } of differences(results)) {
    const key = reason ?? `not known: ${test.outcome}`
    byReason.set(key, [...byReason.get(key) ?? [], test.name.replace(/^\w[\w-]*\/test-|\.m?js$/g, '')])
  }
  return [...byReason].map(([reason, names]) => [run, reason, names.map((name) => `\`${name}\``).join(' ')])
}
