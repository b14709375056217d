/** What was run against what, as the table of docs/interop.md. */

import { markdownTable } from '../../tools/netlab/index.js'

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
  return markdownTable(['peer', 'what', 'passed'], rows.map((row) => [row.peer, row.what, result(row)]), conditions)
}
