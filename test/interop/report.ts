/** What was run against what, as the table of docs/interop.md. */

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
