/** Which flows are shown, and in which order. */
import type { ConnectionRow } from '../control/connections.js'
import type { FlowFilter, SortKey } from './options.js'

function portOf(endpoint: string): number {
  return Number(endpoint.slice(endpoint.lastIndexOf(':') + 1))
}

/** Whether any of the filters is set. */
export function isFiltered({ state, port, pid }: FlowFilter): boolean {
  return state !== undefined || port !== undefined || pid !== undefined
}

/** The rows that pass every filter that is set. */
export function filterFlows(rows: readonly ConnectionRow[], { state, port, pid }: FlowFilter): ConnectionRow[] {
  return rows.filter((row) => (state === undefined || row.state === state) && (pid === undefined || row.pid === pid)
    && (port === undefined || portOf(row.local) === port || portOf(row.remote) === port))
}

/** The rows sorted by one value: numbers from the largest, texts from A; as they came if `key` is undefined. */
export function sortFlows(rows: readonly ConnectionRow[], key: SortKey | undefined): readonly ConnectionRow[] {
  if (key === undefined) return rows
  return [...rows].sort((a, b) => {
    const [x, y] = [a[key], b[key]]
    return typeof x === 'number' && typeof y === 'number' ? y - x : String(x).localeCompare(String(y), 'en', { numeric: true })
  })
}
