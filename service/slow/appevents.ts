/** Messages about connections, as applications get them. */
import {
  CONTEXT_NONE, EV_CONN_CLOSED, EV_CONN_INFO, INFO_NAMES, INFO_PART_WORDS, INFO_PARTS, TO_FAST_FLOW_CONTEXT, type InfoValues,
} from '../../lib/memif/index.js'
import type { AppContext } from './app.js'
import { type AppEvent, composeEvent } from './appevent.js'
import type { Connection } from './connection.js'
import { effectiveMss } from './mss.js'
import type { Stack } from './stack.js'

/** An event about a connection that the application knows: with its flow. */
export function eventAbout({ handle, flow, gen, worker }: Connection, type: number, status = 0): AppEvent {
  const event = composeEvent(type, handle, status)
  event.flow = flow
  event.genWorker = (worker << 16) | gen
  return event
}

/** The event that introduces a connection: with its addresses and buffers (AS_REMOTE_IP to AS_TX_BASE). */
export function introduction(stack: Stack, connection: Connection, type: number): AppEvent {
  const event = eventAbout(connection, type)
  event.remoteIp = connection.remoteIp
  event.localIp = connection.localIp
  event.ports = (connection.remotePort << 16) | connection.localPort
  event.buffer = connection.buffer
  event.txBuffer = connection.txBuffer
  event.sizes = connection.rxLog2 | (connection.txLog2 << 8) | (effectiveMss(stack, connection) << 16)
  event.rxBase = (connection.irs + 1) | 0
  event.txBase = (connection.iss + 1) | 0
  return event
}

/**
 * Sends the event by which `context` gets to know a connection, and returns the context id for its flow. The
 * worker must not report to a context that has not been told: while the event waits for room in the ring
 * the id is CONTEXT_NONE, and the worker learns the right one later.
 */
export function introduce(stack: Stack, connection: Connection, context: AppContext, event: AppEvent): number {
  if (context.trySend(event)) return context.id
  context.send(event, () => setContext(stack, connection, context))
  return CONTEXT_NONE
}

/** Tells the worker that events of `connection` go to `context`, unless it has moved on since. */
export function setContext(stack: Stack, connection: Connection, context: AppContext): void {
  if (connection.phase !== 'worker' || connection.context !== context || context.hasEnded) return
  stack.workers[connection.worker].flow(TO_FAST_FLOW_CONTEXT, connection, context.id)
}

/** EV_CONN_CLOSED; `sent` is called when it is in the ring. */
export function sendClosed(connection: Connection, status: number, sent: (() => void) | null = null): void {
  connection.context?.send(eventAbout(connection, EV_CONN_CLOSED, status), sent)
}

/** What a request about a connection says of it: AS_HANDLE, AS_FLOW and AS_GEN_WORKER, which its answer repeats. */
export interface Asked {
  readonly handle: number
  readonly flow: number
  readonly genWorker: number
}

/** The answer to a request about a connection. */
export function answerTo({ handle, flow, genWorker }: Asked, type: number, status = 0): AppEvent {
  const event = composeEvent(type, handle, status)
  event.flow = flow
  event.genWorker = genWorker
  return event
}

/** EV_CONN_INFO in all its parts, to the context that asked. */
export function sendInfo(context: AppContext, asked: Asked, info: InfoValues): void {
  const values = INFO_NAMES.map((name) => info[name] | 0)
  for (let part = 0; part < INFO_PARTS; part++) {
    const event = answerTo(asked, EV_CONN_INFO)
    event.values = [part, ...values.slice(part * INFO_PART_WORDS, (part + 1) * INFO_PART_WORDS)]
    context.send(event)
  }
}
