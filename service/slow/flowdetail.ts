/** One connection in full, for people: `tas state --flow`. */
import { TCB_WORDS, type FlowDetail, type FlowQuery, type NamedValues } from '../../lib/memif/index.js'
import { formatIpv4Address, type SourceRoute } from '../../lib/wire/index.js'
import type { Connection } from './connection.js'
import type { CongestionState } from './congestion/state.js'
import { intervalUs } from './congestion/control.js'
import { flowNumbers } from './listing.js'
import type { Recovery } from './recovery/state.js'
import { LOST, SACKED } from './recovery/scoreboard.js'
import type { Stack } from './stack.js'
import type { Timer } from './timers.js'

/** Most values of an algorithm's own, and longest name or text: a user's module may keep anything. */
const OWN_VALUES_MAX = 32
const OWN_TEXT_MAX = 64
/** An algorithm's values may stand in objects of its own, one in another so deep. */
const OWN_DEPTH = 2

/** Everything about the connection that `query` names, as it is at `nowUs`; null if there is none. */
export function describeFlow(stack: Stack, query: FlowQuery, nowUs: number): FlowDetail | null {
  const connection = 'flow' in query ? stack.flows.at(query.flow) : stack.connections.find(query)
  if (connection === null) return null
  stack.nowUs = nowUs
  const { congestion, recovery, flow } = connection
  return {
    row: flowNumbers(stack, connection),
    tcb: flow < 0 ? null : Array.from({ length: TCB_WORDS }, (_, word) => stack.flows.word(connection, word)),
    connection: connectionValues(stack, connection),
    timers: timersOf(connection, nowUs),
    congestion: congestion === null ? null : congestionValues(stack, connection, congestion),
    recovery: recovery === null ? null : recoveryValues(recovery),
  }
}

function connectionValues({ nowUs }: Stack, connection: Connection): NamedValues {
  const { state, phase, isActive, handle, iss, irs, peerMss, handshakeRttUs, retries, isAppKnown, isAppClosed, error } = connection
  return {
    state, phase, isActive, handle, iss: iss >>> 0, irs: irs >>> 0, peerMssBytes: peerMss,
    handshakeRttUs, handshakeRetries: retries, isSynLost: connection.isSynLost, asksEcn: connection.asksEcn,
    isAppKnown, isAppClosed, error, resetPeer: connection.resetPeer,
    isWatched: connection.isWatched, isProbing: connection.isProbing, hasProbed: connection.hasProbed,
    ...(connection.isWatched ? timesOf(connection, nowUs) : {}),
    lastUna: connection.lastUna >>> 0, reorderSeen: connection.reorderSeen, reorderWindowMult: connection.reorderWindowMult,
    ...(connection.sourceRoute === null ? {} : { sourceRoute: routeText(connection.sourceRoute) }),
    hasRxGrant: connection.rxMove !== null, hasTxGrant: connection.txMove !== null, isRxUsed: connection.isRxUsed,
  }
}

function routeText({ isStrict, hops }: SourceRoute): string {
  return [isStrict ? 'strict' : 'loose', ...hops.map(formatIpv4Address)].join(' ')
}

/** What says nothing of a connection with nothing outstanding. */
function timesOf({ progressUs, unackedUs, stallSinceUs }: Connection, nowUs: number): NamedValues {
  return {
    progressAgoUs: Math.round(nowUs - progressUs), unackedForUs: Math.round(nowUs - unackedUs),
    stalledForUs: stallSinceUs < 0 ? 0 : Math.round(nowUs - stallSinceUs),
  }
}

function timersOf(connection: Connection, nowUs: number): Record<string, number> {
  const { timer, closeTimer, idleTimer, keepTimer, lingerTimer, congestion, recovery, isOpening, state } = connection
  const main = isOpening ? 'handshakeUs' : state === 'TIME-WAIT' ? 'timeWaitUs' : 'retransmissionUs'
  const all: readonly (readonly [string, Timer | null | undefined])[] = [
    [main, timer], ['closeUs', closeTimer], ['idleUs', idleTimer], ['keepAliveUs', keepTimer], ['lingerUs', lingerTimer],
    ['congestionUs', congestion?.timer], ['reorderUs', recovery?.reorderTimer],
  ]
  return Object.fromEntries(all.flatMap(([name, one]) => one?.isSet === true ? [[name, Math.round(one.deadlineUs - nowUs)]] : []))
}

function congestionValues(stack: Stack, connection: Connection, state: CongestionState): NamedValues {
  const { algorithm, isDisowned, isFresh, waits, lookedUs, losses, timeouts, retransmits, totalAckedBytes, totalEcnBytes } = state
  return {
    algorithm: algorithm.name, looks: algorithm.looks, isDisowned, isFresh, waits, lookedAgoUs: Math.round(stack.nowUs - lookedUs),
    intervalUs: connection.flow < 0 ? 0 : intervalUs(stack, connection), losses, timeouts, retransmits, totalAckedBytes, totalEcnBytes,
    ...ownValues(state.control),
  }
}

function recoveryValues(recovery: Recovery): NamedValues {
  const { state, point, duplicates, resentBytes, dsackBytes, prrFlight, prrDelivered, prrResent, board, undo } = recovery
  return {
    state, point: point >>> 0, duplicates, resentBytes, dsackBytes, prrFlightBytes: prrFlight, prrDeliveredBytes: prrDelivered,
    prrResentBytes: prrResent, lostBytes: board.bytes(LOST), sackedBytes: board.bytes(SACKED), mayUndo: undo !== null,
  }
}

/**
 * What an algorithm keeps of a flow: fields that are numbers, texts or booleans, of its object and of objects of classes in it (`marks.alpha`).
 * Plain objects are taken for configuration. Nothing of it is called: a user's module may be anything.
 */
function ownValues(control: object): NamedValues {
  const values: [string, number | string | boolean][] = []
  gather(control, 'own.', OWN_DEPTH, values)
  return Object.fromEntries(values)
}

function gather(object: object, prefix: string, depth: number, values: [string, number | string | boolean][]): void {
  for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(object)) as [string, { value?: unknown }][]) {
    if (values.length >= OWN_VALUES_MAX) return
    const path = `${prefix}${name}`.slice(0, OWN_TEXT_MAX)
    if (typeof value === 'number' || typeof value === 'boolean') values.push([path, value])
    else if (typeof value === 'string') values.push([path, value.slice(0, OWN_TEXT_MAX)])
    else if (depth > 0 && isOfClass(value)) gather(value, `${prefix}${name}.`, depth - 1, values)
  }
}

function isOfClass(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || ArrayBuffer.isView(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype !== Object.prototype && prototype !== null
}
