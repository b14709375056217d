/** The table of `npm run bench:loss`, and where it stands in docs/loss.md. */

/** One cell: a link, a direction, and what each server reached there. */
export interface LossRow {
  readonly rate: string
  readonly rtt: string
  readonly loss: string
  /** Seen from the server. */
  readonly direction: 'send' | 'receive'
  /** Mbit/s of payload: medians, and each run. */
  readonly tas: number
  readonly linux: number
  readonly tasRuns: readonly number[]
  readonly linuxRuns: readonly number[]
}

const BEGIN = '<!-- loss:begin -->'
const END = '<!-- loss:end -->'

function figure(value: number): string {
  return Number.isNaN(value) ? 'failed' : value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}

function spread(runs: readonly number[], middle: number): string {
  const most = Math.max(...runs.map((run) => Math.abs(run - middle)))
  return `±${((most / middle) * 100).toFixed(0)}%`
}

/** The table as Markdown, with the `conditions` it was measured under. */
export function lossTable(rows: readonly LossRow[], goal: number, conditions: string): string {
  const lines = rows.map((row) => {
    const ratio = row.tas / row.linux
    const cells = [row.rate, row.rtt, row.loss, row.direction, `${figure(row.tas)} ${spread(row.tasRuns, row.tas)}`,
      `${figure(row.linux)} ${spread(row.linuxRuns, row.linux)}`, ratio.toFixed(2), ratio >= goal ? '' : 'below the goal']
    return `| ${cells.join(' | ')} |`
  })
  const met = rows.filter(({ tas, linux }) => tas / linux >= goal).length
  return ['| rate | round trip | loss | server | TAS, Mbit/s | Linux cubic, Mbit/s | ratio |  |', '|---|--:|--:|---|--:|--:|--:|---|',
    ...lines, '', `${met} of ${rows.length} cells at ${goal} or better. ${conditions}`].join('\n')
}

/** `text` with `table` between the markers. Throws Error if it has none. */
export function insertLossTable(text: string, table: string): string {
  const from = text.indexOf(BEGIN)
  const to = text.indexOf(END)
  if (from < 0 || to < from) throw new Error(`no ${BEGIN} and ${END}`)
  return `${text.slice(0, from + BEGIN.length)}\n${table}\n${text.slice(to)}`
}
