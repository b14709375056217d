/** The slow path's state for people (`tas state`, `tas stat --connections`): lists that are walked a page at a time. */
import {
  countRing, INFO_NAMES, placeContext, STATE_PAGE_ROWS, TCB_CONTEXT_U16, type AppRow, type ContextRow, type ListenerRow, type RingFill,
  type RingPlace, type StatePart, type StateRows, type WorkerRow,
} from '../../lib/memif/index.js'
import type { App, AppContext } from './app.js'
import type { Connection } from './connection.js'
import type { Listener } from './listeners.js'
import type { Stack } from './stack.js'
import { connectionInfo } from './tcpinfo.js'
import type { WorkerChannel } from './workers.js'

/** A page of rows; `more` says that there may be others behind them. */
export interface Page {
  readonly rows: readonly StateRows[StatePart][]
  readonly more: boolean
}

/** One walk through a part of the state. What comes and goes meanwhile may or may not be seen; it ends in any case. */
export class StateListing {
  private readonly stack: Stack
  private readonly rows: Iterator<StateRows[StatePart], void>
  private readonly pageRows: number
  private left: number

  /** Begins a walk. It costs nothing before `next`. */
  constructor(stack: Stack, part: StatePart) {
    const { rows, size } = PARTS[part](stack)
    this.stack = stack
    this.rows = rows
    this.left = size
    this.pageRows = STATE_PAGE_ROWS[part]
  }

  /** The next rows, as they are at `nowUs`. */
  next(nowUs: number): Page {
    this.stack.nowUs = nowUs
    const rows: StateRows[StatePart][] = []
    while (rows.length < this.pageRows && this.left > 0) {
      this.left--
      const { done, value } = this.rows.next()
      if (done === true) this.left = 0
      else rows.push(value)
    }
    return { rows, more: this.left > 0 }
  }
}

interface Walk {
  readonly rows: Iterator<StateRows[StatePart], void>
  /** How many there are now. */
  readonly size: number
}

function* mapped<From, To>(from: Iterable<From>, to: (value: From) => To): Generator<To, void> {
  for (const value of from) yield to(value)
}

const PARTS: Readonly<Record<StatePart, (stack: Stack) => Walk>> = {
  workers: (stack) => ({ size: stack.workers.length, rows: mapped(stack.workers, (worker) => workerRow(stack, worker)) }),
  apps: (stack) => ({ size: stack.stats.get('apps'), rows: mapped(stack.apps.all(), appRow) }),
  contexts: (stack) => ({ size: stack.stats.get('contexts'), rows: mapped(stack.apps.contexts, contextRow) }),
  listeners: (stack) => ({ size: stack.stats.get('listeners'), rows: listenerRows(stack) }),
  flows: (stack) => ({ size: stack.connections.size, rows: mapped(stack.connections.each(), (connection) => flowNumbers(stack, connection)) }),
}

function workerRow({ state, stats }: Stack, worker: WorkerChannel): WorkerRow {
  const { toSlow, toFast } = state.places.workers[worker.index]
  return {
    worker: worker.index,
    isAsleep: worker.link.doorbell.isAsleep,
    flows: stats.ofWorker(worker.index, 'flows'),
    toSlow: fillOf(state.words, toSlow.ring),
    toFast: fillOf(state.words, toFast.ring),
    waitingCommands: worker.waitingCommands,
  }
}

function fillOf(words: Int32Array, place: RingPlace): RingFill {
  return [countRing(words, place), place.capacity]
}

function appRow(app: App): AppRow {
  return {
    app: app.id, pid: app.pid, name: app.name, contexts: app.contexts.size, listeners: app.listeners.size, connections: app.connections.size,
    regionBytes: app.shape.regionBytes, bufferBytes: app.bufferBytes, bufferRoomBytes: app.bufferSpace,
  }
}

function contextRow({ app, id, isBlocked }: AppContext): ContextRow {
  const { words, shape } = app
  const { sleepingWord, kin, kout, events, bumps } = placeContext(shape, id)
  return {
    app: app.id, context: id, isBlocked,
    isAsleep: (Atomics.load(words, sleepingWord) & 1) !== 0,
    slowEvents: fillOf(words, kin),
    requests: fillOf(words, kout),
    events: events.map((place) => fillOf(words, place)),
    bumps: bumps.map((place) => fillOf(words, place)),
  }
}

function* listenerRows({ apps }: Stack): Generator<ListenerRow, void> {
  for (const app of apps.all()) for (const listener of app.listeners) yield listenerRow(listener)
}

function listenerRow({ app, context, address, backlog, halfOpen, waiting, accepts, isShared }: Listener): ListenerRow {
  return {
    app: app.id, context: context.id, ip: address.ip >>> 0, port: address.port, backlog, halfOpen: halfOpen.size, waiting: waiting.size,
    accepts: accepts.length, isShared,
  }
}

/** All FLOW_COLUMNS of a connection. */
export function flowNumbers(stack: Stack, connection: Connection): readonly number[] {
  const { flow, gen, worker, app, localIp, localPort, remoteIp, remotePort } = connection
  const context = flow < 0 ? 0 : stack.flows.half(connection, TCB_CONTEXT_U16)
  const info = connectionInfo(stack, connection)
  const numbers = [flow, gen, worker, app?.id ?? 0, context, localIp >>> 0, localPort, remoteIp >>> 0, remotePort]
  for (const name of INFO_NAMES) numbers.push(info[name])
  return numbers
}
