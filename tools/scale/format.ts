/** Workers as text for people and as JSON for machines. */
import type { ScaleMessage } from '../../lib/memif/index.js'

const HEADINGS = ['worker', 'groups', 'flows', 'load']

/** A line that says how many are used, and one for each worker. */
export function formatScale({ auto, active, workers }: ScaleMessage): string {
  const cells = workers.map(({ groups, flows, load }, worker) => [
    String(worker), String(groups), flows.toLocaleString('en-US'), `${Math.round(load * 100)} %`,
  ])
  const widths = HEADINGS.map((heading, column) => Math.max(heading.length, ...cells.map((row) => row[column].length)))
  const lines = [HEADINGS, ...cells].map((row) => `  ${row.map((cell, column) => cell.padStart(widths[column])).join('  ')}`)
  const how = auto ? 'by load' : 'set by hand'
  return `${[`${active} of ${workers.length} workers in use, ${how}`, ...lines].join('\n')}\n`
}

/** One line of JSON. */
export function formatScaleJson({ auto, active, workers }: ScaleMessage): string {
  return `${JSON.stringify({ auto, active, workers })}\n`
}
