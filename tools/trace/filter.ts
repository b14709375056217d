/** Which records are shown. */
import { TRACE_KINDS, type FlowQuery, type TraceKind } from '../../lib/memif/index.js'
import type { TraceRecord, Tuple } from './records.js'

/** Conditions that are set; a record must meet all of them. */
export interface TraceFilter {
  readonly kinds?: readonly TraceKind[]
  /** Port of either end. */
  readonly port?: number
  /** One connection, by both of its ends, which may be given either way round. */
  readonly tuples?: readonly Tuple[]
}

/** A bit for each kind that is wanted: what the service is to write. */
export function wantedKinds({ kinds }: TraceFilter): number {
  return (kinds ?? TRACE_KINDS).reduce((mask, kind) => mask | (1 << TRACE_KINDS.indexOf(kind)), 0)
}

/** Of queries for one flow those that name both its ends. */
export function tuplesOf(queries: readonly FlowQuery[]): Tuple[] {
  return queries.filter((query): query is Tuple => 'localIp' in query)
}

function isSame(a: Tuple, b: Tuple): boolean {
  return a.localPort === b.localPort && a.remotePort === b.remotePort && (a.localIp | 0) === (b.localIp | 0) && (a.remoteIp | 0) === (b.remoteIp | 0)
}

/** Whether a record is to be shown. With a connection or port wanted, those that belong to no connection are not. */
export function passes({ kind, tuple }: TraceRecord, { kinds, port, tuples }: TraceFilter): boolean {
  if (kinds !== undefined && !kinds.includes(kind)) return false
  if (port !== undefined && tuple?.localPort !== port && tuple?.remotePort !== port) return false
  return tuples === undefined || (tuple !== null && tuples.some((wanted) => isSame(wanted, tuple)))
}
