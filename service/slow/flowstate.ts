/**
 * What the slow path reads from the TCB of a connection that a worker has. The worker goes on meanwhile: each answer was true a
 * moment ago, and two of them perhaps not at the same moment.
 */
import {
  FLAG_FIN_ACKED, FLAG_FIN_QUEUED, FLAG_PACE_LISTED, FLAG_RTT_TIMING, TCB_ACKED_BYTES, TCB_HEARD_MS, TCB_MSS_U16, TCB_RCV_ADV, TCB_RCV_NXT,
  TCB_RTT_START_US, TCB_SND_END, TCB_SND_UNA, TCB_SND_WND, TCB_SRTT_US8,
} from '../../lib/memif/index.js'
import { seqAdd, seqDiff } from '../../lib/wire/index.js'
import type { Connection } from './connection.js'
import { timestampValue } from './handshaketime.js'
import type { Stack } from './stack.js'

/** SRTT in microseconds, rounded up; 0 before the first measurement (RFC 6298, 2). */
export function srttUs({ flows }: Stack, connection: Connection): number {
  return (flows.word(connection, TCB_SRTT_US8) + 7) >>> 3
}

/** Least round-trip time seen so far, that of the handshake included, microseconds; 0 before the first. The worker keeps only SRTT. */
export function minRttUs(stack: Stack, connection: Connection): number {
  const rttUs = srttUs(stack, connection)
  if (rttUs > 0 && (connection.minRttUs === 0 || rttUs < connection.minRttUs)) connection.minRttUs = rttUs
  return connection.minRttUs
}

/** Payload bytes of a full segment. */
export function mssOf({ flows }: Stack, connection: Connection): number {
  return flows.half(connection, TCB_MSS_U16)
}

/** Sequence numbers sent and not acknowledged (FlightSize, RFC 5681, 2). */
export function inFlight({ flows }: Stack, connection: Connection): number {
  return Math.max(seqDiff(flows.sndMax(connection), flows.word(connection, TCB_SND_UNA)), 0)
}

/** Sequence numbers not acknowledged or not yet sent, FIN included. */
export function outstanding(stack: Stack, connection: Connection): number {
  const { flows } = stack
  const hasFin = flows.hasFlag(connection, FLAG_FIN_QUEUED) && !flows.hasFlag(connection, FLAG_FIN_ACKED)
  const end = seqAdd(flows.word(connection, TCB_SND_END), hasFin ? 1 : 0)
  // With its FIN acknowledged SND.UNA stands behind sndEnd.
  return Math.max(seqDiff(end, flows.word(connection, TCB_SND_UNA)), inFlight(stack, connection))
}

/** Whether it is the peer's window that keeps data back. */
export function isHeldUp(stack: Stack, connection: Connection): boolean {
  return stack.flows.word(connection, TCB_SND_WND) < Math.min(outstanding(stack, connection), mssOf(stack, connection))
}

/** Whether what is to be sent waits for nothing but its time (RFC 6298, 5.1: with nothing in flight there is nothing to time). */
export function awaitsRate(stack: Stack, connection: Connection): boolean {
  return stack.flows.hasFlag(connection, FLAG_PACE_LISTED) && inFlight(stack, connection) === 0
}

/** Bytes acknowledged since TCB_ACKED_BYTES was `before`. */
export function ackedSince({ flows }: Stack, connection: Connection, before: number): number {
  return (flows.word(connection, TCB_ACKED_BYTES) - before) >>> 0
}

/** RCV.WND as the peer knows it, bytes. */
export function rcvWindow({ flows }: Stack, connection: Connection): number {
  return Math.max(seqDiff(flows.word(connection, TCB_RCV_ADV), flows.word(connection, TCB_RCV_NXT)), 0)
}

/** Milliseconds since a segment of the peer was last acceptable. */
export function quietMs({ flows, nowUs }: Stack, connection: Connection): number {
  // The worker's clock may be a moment ahead.
  return Math.max(seqDiff(timestampValue(nowUs), flows.word(connection, TCB_HEARD_MS)), 0)
}

/** When that was, microseconds: the end of the millisecond, so that a timer never runs out early. */
export function heardUs(stack: Stack, connection: Connection): number {
  return stack.nowUs - Math.max(quietMs(stack, connection) - 1, 0) * 1_000
}

/** When the segment was sent whose round trip the worker measures: the first of a flight. -Infinity if it measures none. */
export function timedUs({ flows, nowUs }: Stack, connection: Connection): number {
  if (!flows.hasFlag(connection, FLAG_RTT_TIMING)) return -Infinity
  return nowUs - Math.max((nowUs - flows.word(connection, TCB_RTT_START_US)) | 0, 0)
}
