/** What was run against what, as the table of docs/interop.md. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { packageRoot } from '../../tools/netlab/index.js'

/** One row: a peer or a link, and how its cases ended. */
export interface ReportRow {
  readonly peer: string
  readonly what: string
  readonly passed: number
  /** What went wrong, a line for each case that failed. */
  readonly failures: readonly string[]
  /** Why nothing was run, or null. */
  readonly skipped: string | null
}

function result({ passed, failures, skipped }: ReportRow): string {
  if (skipped !== null) return `skipped: ${skipped}`
  return failures.length === 0 ? `${passed} of ${passed}` : `${passed} of ${passed + failures.length}, FAILED ${failures.length}`
}

/** As Markdown, with the conditions below. */
export function reportTable(rows: readonly ReportRow[], conditions: readonly string[]): string {
  const lines = rows.map(row => `| ${row.peer} | ${row.what} | ${result(row)} |`)
  return ['| peer | what | passed |', '|---|---|---|', ...lines, '', ...conditions.map(line => `${line}  `)].join('\n').trimEnd()
}

const BEGIN = '<!-- interop:begin -->'
const END = '<!-- interop:end -->'

/** `page` with the table between its two marks. Throws Error if it has no marks. */
export function insertReport(page: string, table: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (begin < 0 || end < begin) throw new Error(`docs/interop.md: put the marks ${BEGIN} and ${END} where the table is to stand`)
  return `${page.slice(0, begin + BEGIN.length)}\n${table}\n${page.slice(end)}`
}

/** Writes the table into docs/interop.md. */
export async function writeReport(table: string): Promise<void> {
  const file = join(packageRoot, 'docs', 'interop.md')
  await writeFile(file, insertReport(await readFile(file, 'utf8'), table))
}
