/** Messages about connections, as applications get them. */
import {
  CONTEXT_NONE, EV_CONN_CLOSED, EV_CONN_INFO, INFO_NAMES, INFO_PART_WORDS, INFO_PARTS, TO_FAST_FLOW_CONTEXT, type InfoValues,
} from '../../lib/memif/index.js'
import type { AppContext, AppEvent } from './app.js'
import type { Connection } from './connection.js'
import { effectiveMss } from './mss.js'
import type { Stack } from './stack.js'

/** The fields by which an application knows a connection with its flow. */
export function nameOf({ handle, flow, gen, worker }: Connection): Required<Pick<AppEvent, 'handle' | 'flow' | 'genWorker'>> {
  return { handle, flow, genWorker: (worker << 16) | gen }
}

/** The fields that introduce it (AS_REMOTE_IP to AS_TX_BASE). */
export function connectionFields(stack: Stack, connection: Connection): Omit<AppEvent, 'type'> {
  return {
    ...nameOf(connection),
    remoteIp: connection.remoteIp,
    localIp: connection.localIp,
    ports: (connection.remotePort << 16) | connection.localPort,
    buffer: connection.buffer,
    txBuffer: connection.txBuffer,
    sizes: connection.rxLog2 | (connection.txLog2 << 8) | (effectiveMss(stack, connection) << 16),
    rxBase: (connection.irs + 1) | 0,
    txBase: (connection.iss + 1) | 0,
  }
}

/**
 * Sends the event by which `context` gets to know a connection, and returns the context id for its flow. The
 * worker must not report to a context that has not been told: while the event waits for room in the ring
 * the id is CONTEXT_NONE, and the worker learns the right one later.
 */
export function introduce(stack: Stack, connection: Connection, context: AppContext, event: AppEvent): number {
  let isSent = false
  let isLate = false
  context.send(event, () => {
    isSent = true
    if (isLate) setContext(stack, connection, context)
  })
  isLate = true
  return isSent ? context.id : CONTEXT_NONE
}

/** Tells the worker that events of `connection` go to `context`, unless it has moved on since. */
export function setContext(stack: Stack, connection: Connection, context: AppContext): void {
  if (connection.phase !== 'worker' || connection.context !== context) return
  stack.workers[connection.worker].flow(TO_FAST_FLOW_CONTEXT, connection, context.id)
}

/** EV_CONN_CLOSED; `sent` is called when it is in the ring. */
export function sendClosed(connection: Connection, status: number, sent: (() => void) | null = null): void {
  connection.context?.send({ ...nameOf(connection), type: EV_CONN_CLOSED, status }, sent)
}

/** EV_CONN_INFO in all its parts, to the context that asked. `about` is AS_HANDLE, AS_FLOW and AS_GEN_WORKER as asked for. */
export function sendInfo(context: AppContext, about: Pick<AppEvent, 'handle' | 'flow' | 'genWorker'>, info: InfoValues): void {
  const values = INFO_NAMES.map((name) => info[name] | 0)
  for (let part = 0; part < INFO_PARTS; part++) {
    const words = values.slice(part * INFO_PART_WORDS, (part + 1) * INFO_PART_WORDS)
    context.send({ ...about, type: EV_CONN_INFO, values: [part, ...words] })
  }
}
