/**
 * What both SYNs agree on: MSS, window scale (RFC 7323, 2), timestamps (RFC 7323, 3), SACK (RFC 2018, 2), ECN
 * (RFC 3168, 6.1.1).
 */
import {
  NO_OPTIONS, seqDiff, TCP_ACK, TCP_CWR, TCP_ECE, TCP_SYN, type TcpOptions, type TcpParsed,
} from '../../lib/wire/index.js'
import { windowShift } from './buffersize.js'
import type { Connection } from './connection.js'
import { noteSynSent, timestampValue } from './handshaketime.js'
import { HEADERS_BYTES } from './mss.js'
import type { Stack } from './stack.js'

const WINDOW_MAX = 0xffff
/** Smallest MSS that is taken at its word: less would turn a stream into headers. */
const MSS_MIN = 64

/** The window field of a SYN or SYN-ACK, which is never scaled. */
export function synWindow(stack: Stack): number {
  return Math.min(stack.config.tcp.rxBufLen, WINDOW_MAX)
}

/** Takes over what the peer's SYN or SYN-ACK offers. */
export function takeOffer(stack: Stack, connection: Connection, tcp: TcpParsed): void {
  const { options } = tcp
  connection.irs = tcp.seq
  connection.rcvNxt = (tcp.seq + 1) | 0
  connection.sndWnd = tcp.window
  if (options.mss !== null) connection.peerMss = Math.max(options.mss, MSS_MIN)
  connection.peerScales = options.windowScale !== null
  connection.sndWscale = options.windowScale ?? 0
  connection.rcvWscale = options.windowScale === null ? 0 : windowShift(stack.config.tcp)
  connection.timestamps = options.timestamps !== null
  connection.tsRecent = options.timestamps?.value ?? 0
  connection.sack = options.sackPermitted
  connection.ecn = agreesOnEcn(stack, connection, tcp.flags)
}

/**
 * Whether both sides want ECN, as far as the peer's SYN or SYN-ACK with `flags` says (RFC 3168, 6.1.1). Who has sent
 * one SYN that does not ask for it must not use it, so in a simultaneous open ours counts too.
 */
function agreesOnEcn(stack: Stack, connection: Connection, flags: number): boolean {
  const offer = flags & (TCP_ECE | TCP_CWR)
  if ((flags & TCP_ACK) !== 0) return connection.asksEcn && offer === TCP_ECE
  if (offer !== (TCP_ECE | TCP_CWR)) return false
  return connection.isActive ? connection.asksEcn : stack.config.tcp.ecn !== 'off'
}

function ourMss(stack: Stack): number {
  return Math.min(stack.output.mtu - HEADERS_BYTES, 0xffff)
}

/** Sends our SYN; everything is offered. */
export function sendSyn(stack: Stack, connection: Connection): void {
  const options: TcpOptions = {
    mss: ourMss(stack), windowScale: windowShift(stack.config.tcp), sackPermitted: true,
    timestamps: { value: timestampValue(stack.nowUs), echo: 0 },
  }
  stack.stats.add('synSent')
  noteSynSent(stack, connection)
  const flags = connection.asksEcn ? TCP_SYN | TCP_ECE | TCP_CWR : TCP_SYN
  const { neighbor, sourceRoute, options: { tos } } = connection
  stack.output.tcp(connection, { seq: connection.iss, flags, window: synWindow(stack), options, tos, sourceRoute }, neighbor)
}

/** Sends our SYN-ACK; only what the peer offered is answered. `tsVal`: what stands in a timestamps option. */
export function sendSynAck(stack: Stack, connection: Connection, tsVal: number = timestampValue(stack.nowUs)): void {
  const options: TcpOptions = {
    mss: ourMss(stack), windowScale: connection.peerScales ? connection.rcvWscale : null, sackPermitted: connection.sack,
    timestamps: connection.timestamps ? { value: tsVal, echo: connection.tsRecent } : null,
  }
  noteSynSent(stack, connection)
  const flags = TCP_SYN | TCP_ACK | (connection.ecn ? TCP_ECE : 0)
  const { neighbor, sourceRoute, options: { tos } } = connection
  const segment = { seq: connection.iss, ack: connection.rcvNxt, flags, window: synWindow(stack), options, tos, sourceRoute }
  stack.output.tcp(connection, segment, neighbor)
}

/** Sends an acknowledgment for a connection whose numbers are in the slow path's hands. */
export function sendAck(stack: Stack, connection: Connection, windowField: number): void {
  const timestamps = connection.timestamps ? { value: timestampValue(stack.nowUs), echo: connection.tsRecent } : null
  const options = { ...NO_OPTIONS, timestamps }
  const { sndNxt: seq, rcvNxt: ack, neighbor, sourceRoute, options: { tos } } = connection
  stack.output.tcp(connection, { seq, ack, flags: TCP_ACK, window: windowField, options, tos, sourceRoute }, neighbor)
}

/** Whether `ack` acknowledges our SYN and nothing beyond. */
export function acknowledgesSyn(connection: Connection, ack: number): boolean {
  return seqDiff(ack, connection.iss) === 1
}
