/**
 * What a service tells of its state over the control socket (control.ts), for the user of tas and for root: a page of one part at a
 * time, and one flow in full.
 */
import { INFO_NAMES } from './conninfo.js'

/** Parts of the state, each a list that is told in pages. */
export const STATE_PARTS = ['workers', 'apps', 'contexts', 'listeners', 'flows'] as const
export type StatePart = (typeof STATE_PARTS)[number]

/** Entries that wait in a ring and all it has room for; -1 waiting: its counters are impossible. */
export type RingFill = readonly [waiting: number, entries: number]

export interface WorkerRow {
  readonly worker: number
  readonly isAsleep: boolean
  readonly flows: number
  /** From the worker to the slow path and back; commands that have found no room. */
  readonly toSlow: RingFill
  readonly toFast: RingFill
  readonly waitingCommands: number
}

export interface AppRow {
  readonly app: number
  readonly pid: number
  /** As the program calls itself: not to be trusted. */
  readonly name: string
  readonly contexts: number
  readonly listeners: number
  /** Connections, handshakes included. */
  readonly connections: number
  readonly regionBytes: number
  /** Connection buffers, and the room there is for them. */
  readonly bufferBytes: number
  readonly bufferRoomBytes: number
}

export interface ContextRow {
  readonly app: number
  readonly context: number
  readonly isAsleep: boolean
  /** Slow path to application and back. */
  readonly slowEvents: RingFill
  readonly requests: RingFill
  /** Events for the application wait for room in its ring. */
  readonly isBlocked: boolean
  /** For each worker: worker to application and back. */
  readonly events: readonly RingFill[]
  readonly bumps: readonly RingFill[]
}

export interface ListenerRow {
  readonly app: number
  readonly context: number
  /** As an unsigned number, 0 for any. */
  readonly ip: number
  readonly port: number
  readonly backlog: number
  readonly halfOpen: number
  /** Connections that nobody has accepted yet. */
  readonly waiting: number
  /** Calls that wait for a connection. */
  readonly accepts: number
  readonly isShared: boolean
}

/** Values of a flow in a page, in this order: there may be very many. `flow` is -1 without a TCB, `app` 0 without a program. */
export const FLOW_COLUMNS = [
  'flow', 'gen', 'worker', 'app', 'context', 'localIp', 'localPort', 'remoteIp', 'remotePort', ...INFO_NAMES,
] as const
export type FlowColumn = (typeof FLOW_COLUMNS)[number]
/** FLOW_COLUMNS by name. Addresses are unsigned numbers; `state` counts through TCP_STATES. */
export type FlowRow = Readonly<Record<FlowColumn, number>>

/** Rows of each part as they travel. */
export interface StateRows {
  readonly workers: WorkerRow
  readonly apps: AppRow
  readonly contexts: ContextRow
  readonly listeners: ListenerRow
  readonly flows: readonly number[]
}

/**
 * Rows of one page: no page is longer than a control message may be, whatever names and numbers are in it, and none holds the slow path up
 * for longer than half a millisecond (a flow is 4 us).
 */
export const STATE_PAGE_ROWS: Readonly<Record<StatePart, number>> = { workers: 16, apps: 64, contexts: 32, listeners: 128, flows: 128 }

/** A row of numbers as a row with names. */
export function flowOfNumbers(numbers: readonly number[]): FlowRow {
  return Object.fromEntries(FLOW_COLUMNS.map((name, index) => [name, numbers[index] ?? 0])) as FlowRow
}

/** Names a flow: by its connection, or by the index of its TCB. */
export type FlowQuery =
  | { readonly localIp: number; readonly localPort: number; readonly remoteIp: number; readonly remotePort: number }
  | { readonly flow: number }

/** Values by name; units are at the end of names (Us, Ms, Bytes, Kbps). */
export type NamedValues = Readonly<Record<string, number | string | boolean>>

/** One flow in full. */
export interface FlowDetail {
  readonly row: readonly number[]
  /** Words of its TCB, null without one. The worker goes on while they are read: they need not be of one moment. */
  readonly tcb: readonly number[] | null
  /** What the slow path keeps of the connection. */
  readonly connection: NamedValues
  /** Timers that are set: microseconds until they expire, negative if that is late. */
  readonly timers: Readonly<Record<string, number>>
  /** Algorithm, what the control loop keeps, and the algorithm's own values; null before the flow began. */
  readonly congestion: NamedValues | null
  /** Loss recovery; null if nothing is lost. */
  readonly recovery: NamedValues | null
}
