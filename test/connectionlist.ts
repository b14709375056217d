/** All connections of a slow path, as `tas stat --connections` shows them. */
import type { AppRow, StatePart, StateRows } from '../lib/memif/index.js'
import { connectionRows, type ConnectionRow } from '../tools/control/connections.js'

/** The slow path, as far as it is asked. */
interface Listed {
  listState(part: StatePart): { next(nowUs: number): { readonly rows: readonly StateRows[StatePart][] } }
}

/** The first page of its connections at `nowUs`, which is all where there are few. */
export function listConnections(slow: Listed, nowUs: number): ConnectionRow[] {
  const [flows, apps] = (['flows', 'apps'] as const).map((part) => slow.listState(part).next(nowUs).rows)
  return connectionRows(flows as readonly number[][], apps as readonly AppRow[])
}
