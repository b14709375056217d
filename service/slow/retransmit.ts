/**
 * Retransmission and persist timers of flows that have something outstanding (RFC 6298; RFC 9293, 3.8.6.1).
 * The slow path looks at a watched flow's TCB twice in a timeout, so a timeout is noticed up to half a
 * timeout late and never early. A flow with nothing outstanding is not looked at.
 */
import {
  FLAG_FIN_ACKED, FLAG_FIN_QUEUED, FLAG_TIMESTAMPS, TCB_MSS_U16, TCB_RTTVAR_US4, TCB_SND_END, TCB_SND_MAX, TCB_SND_UNA,
  TCB_SND_WND, TCB_SRTT_US8, TCB_TS_RECENT, TO_FAST_FLOW_PROBE, TO_FAST_FLOW_RETRANSMIT, TO_FAST_FLOW_UNWATCH,
} from '../../lib/memif/index.js'
import { seqAdd, seqDiff } from '../../lib/wire/index.js'
import type { Connection } from './connection.js'
import { ETIMEDOUT } from './errno.js'
import type { Stack } from './stack.js'
import { abortConnection } from './teardown.js'
import { Timer } from './timers.js'
import { intervalUs, onIdle, onTimeout } from './window.js'

/** Before the first measurement (RFC 6298, 2.1). */
const INITIAL_RTO_US = 1_000_000
/** Clock granularity G (RFC 6298, 2.3). */
const GRANULARITY_US = 1_000

/** The worker reports WHAT_ACTIVE: there is something to time. */
export function watch(stack: Stack, connection: Connection): void {
  if (connection.isWatched) return
  connection.isWatched = true
  connection.backoff = 0
  connection.lastUna = stack.flows.word(connection, TCB_SND_UNA)
  connection.lastTsRecent = stack.flows.word(connection, TCB_TS_RECENT)
  connection.progressUs = stack.nowUs
  connection.timer ??= new Timer(() => look(stack, connection))
  lookLater(stack, connection)
}

/** Retransmission timeout without back-off, in microseconds (RFC 6298, 2). */
function rtoUs(stack: Stack, connection: Connection): number {
  const { minRtoUs, maxRtoUs, rexmitInts } = stack.config.cc
  const srtt8 = stack.flows.word(connection, TCB_SRTT_US8)
  if (srtt8 === 0) return Math.min(Math.max(INITIAL_RTO_US, minRtoUs), maxRtoUs)
  const rto = (srtt8 >>> 3) + Math.max(GRANULARITY_US, stack.flows.word(connection, TCB_RTTVAR_US4))
  return Math.min(Math.max(rto, rexmitInts * intervalUs(stack, connection), minRtoUs), maxRtoUs)
}

function backedOffUs(stack: Stack, connection: Connection): number {
  return Math.min(rtoUs(stack, connection) * 2 ** connection.backoff, stack.config.cc.maxRtoUs)
}

function lookLater(stack: Stack, connection: Connection): void {
  const dueUs = connection.progressUs + backedOffUs(stack, connection)
  const soonUs = stack.nowUs + rtoUs(stack, connection) / 2
  if (connection.timer) stack.timers.set(connection.timer, Math.max(Math.min(dueUs, soonUs), stack.nowUs + GRANULARITY_US))
}

function look(stack: Stack, connection: Connection): void {
  if (connection.phase !== 'worker') return
  const una = stack.flows.word(connection, TCB_SND_UNA)
  const hasReopened = connection.isProbing && stack.flows.word(connection, TCB_SND_WND) > 0
  if (una !== connection.lastUna || hasReopened) {
    connection.lastUna = una
    connection.isProbing = false
    connection.backoff = 0
    connection.progressUs = stack.nowUs
  } else if (outstanding(stack, connection) === 0) {
    return unwatch(stack, connection)
  } else if (stack.nowUs - connection.progressUs >= backedOffUs(stack, connection)) {
    expire(stack, connection)
  }
  if (connection.phase === 'worker') lookLater(stack, connection)
}

/** Sequence numbers not acknowledged or not yet sent, FIN included. */
function outstanding(stack: Stack, connection: Connection): number {
  const { flows } = stack
  const hasFin = flows.hasFlag(connection, FLAG_FIN_QUEUED) && !flows.hasFlag(connection, FLAG_FIN_ACKED)
  const end = seqAdd(flows.word(connection, TCB_SND_END), hasFin ? 1 : 0)
  const una = flows.word(connection, TCB_SND_UNA)
  // With its FIN acknowledged SND.UNA stands behind sndEnd.
  return Math.max(seqDiff(end, una), seqDiff(flows.word(connection, TCB_SND_MAX), una), 0)
}

function unwatch(stack: Stack, connection: Connection): void {
  connection.isWatched = false
  onIdle(stack, connection)
  stack.workers[connection.worker].flow(TO_FAST_FLOW_UNWATCH, connection.flow, connection.gen)
}

function expire(stack: Stack, connection: Connection): void {
  const { flows } = stack
  const window = flows.word(connection, TCB_SND_WND)
  const inFlight = seqDiff(flows.sndMax(connection), flows.word(connection, TCB_SND_UNA))
  const wanted = Math.min(outstanding(stack, connection), flows.half(connection, TCB_MSS_U16))
  if (window === 0 || (inFlight === 0 && window < wanted)) probe(stack, connection)
  else retransmit(stack, connection)
}

/** Persist timer: a closed window is asked about for as long as the peer answers. */
function probe(stack: Stack, connection: Connection): void {
  if (isPeerAnswering(stack, connection)) connection.backoff = Math.min(connection.backoff, stack.config.cc.maxRetransmits - 1)
  if (hasGivenUp(stack, connection)) return
  connection.isProbing = true
  stack.stats.add('persistProbes')
  stack.workers[connection.worker].flow(TO_FAST_FLOW_PROBE, connection.flow, connection.gen)
}

/** Whether a segment has arrived since the last look; a peer without timestamps leaves no mark and is trusted. */
function isPeerAnswering(stack: Stack, connection: Connection): boolean {
  const tsRecent = stack.flows.word(connection, TCB_TS_RECENT)
  const hasAnswered = tsRecent !== connection.lastTsRecent
  connection.lastTsRecent = tsRecent
  return hasAnswered || !stack.flows.hasFlag(connection, FLAG_TIMESTAMPS)
}

function retransmit(stack: Stack, connection: Connection): void {
  const isFirst = connection.backoff === 0
  if (hasGivenUp(stack, connection)) return
  stack.stats.add('rtoTimeouts')
  stack.workers[connection.worker].flow(TO_FAST_FLOW_RETRANSMIT, connection.flow, connection.gen)
  onTimeout(stack, connection, isFirst)
  stack.arp.doubt(connection.neighbor, connection.backoff)
}

/** Counts one more timeout; too many end the connection (RFC 9293, 3.8.3). */
function hasGivenUp(stack: Stack, connection: Connection): boolean {
  if (connection.backoff >= stack.config.cc.maxRetransmits) {
    stack.stats.add('connectionsTimedOut')
    abortConnection(stack, connection, ETIMEDOUT, false)
    return true
  }
  connection.backoff++
  connection.progressUs = stack.nowUs
  return false
}
