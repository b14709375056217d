/** Workers as text for people and as JSON for machines. */
import type { ScaleMessage } from '../../lib/memif/index.js'
import { tableLines, type Column, type Paint } from '../control/terminal.js'

type Row = ScaleMessage['workers'][number] & { readonly worker: number }

const COLUMNS: readonly Column<Row>[] = [
  ['worker', ({ worker }) => worker],
  ['groups', ({ groups }) => groups],
  ['flows', ({ flows }) => flows],
  ['load %', ({ load }) => Math.round(load * 100)],
]

/** A line that says how many are used, and one for each worker. */
export function formatScale({ auto, active, workers }: ScaleMessage, paint: Paint): string {
  const how = auto ? 'by load' : 'fixed'
  const rows = workers.map((row, worker) => ({ ...row, worker }))
  return `${[`${active} of ${workers.length} workers in use, ${how}`, ...tableLines(COLUMNS, rows, paint)].join('\n')}\n`
}

/** One line of JSON. */
export function formatScaleJson({ auto, active, workers }: ScaleMessage): string {
  return `${JSON.stringify({ auto, active, workers })}\n`
}
