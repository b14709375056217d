/** The table of `npm run bench:loss`. */
import { markdownTable } from '../tools/netlab/index.js'
import { median, spread } from './statistics.js'

/** One cell: a link, a direction, and what each server reached there. */
export interface LossRow {
  readonly rate: string
  readonly rtt: string
  readonly loss: string
  /** Seen from the server. */
  readonly direction: 'send' | 'receive'
  /** Mbit/s of payload in each run; NaN: failed. */
  readonly tas: readonly number[]
  readonly linux: readonly number[]
}

function figure(runs: readonly number[]): string {
  const value = median(runs)
  if (Number.isNaN(value)) return 'failed'
  return `${value >= 100 ? value.toFixed(0) : value.toPrecision(3)} ±${Math.round(spread(runs) * 100)}%`
}

function ratio({ tas, linux }: LossRow): number {
  return median(tas) / median(linux)
}

/** The table as Markdown, with the `conditions` it was measured under. */
export function lossTable(rows: readonly LossRow[], goal: number, conditions: string): string {
  const cells = rows.map((row) => {
    const { rate, rtt, loss, direction, tas, linux } = row
    return [rate, rtt, loss, direction, figure(tas), figure(linux), ratio(row).toFixed(2), ratio(row) >= goal ? '' : 'below the goal']
  })
  const met = rows.filter((row) => ratio(row) >= goal).length
  const head = ['rate', 'round trip', 'loss', 'server', 'TAS, Mbit/s', 'Linux cubic, Mbit/s', 'ratio', '']
  return markdownTable(head, cells, [`${met} of ${rows.length} cells at ${goal} or better. ${conditions}`])
}
