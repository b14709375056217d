/** A connection becomes a flow: its TCB is filled and handed to a worker. */
import {
  CONTEXT_NONE, FLAG_ECN, FLAG_ECN_ACCURATE, FLAG_EXTRA, FLAG_LOOPBACK, FLAG_SACK, FLAG_TIMESTAMPS, FLOW_HANDED, flowState, MOVE_NONE,
  MOVE_RX_STATE, MOVE_TURN, MOVE_TX_STATE, TCB_APP_U16, TCB_BUFFER, TCB_BYTES, TCB_CONTEXT_U16, TCB_FLAGS,
  TCB_HEARD_MS, TCB_LOCAL_IP_U8, TCB_MSS_U16, TCB_NEIGHBOR_U16, TCB_PORTS, TCB_RCV_ADV, TCB_RCV_NXT, TCB_RCV_READ,
  TCB_RCV_WSCALE_U8, TCB_REMOTE_IP, TCB_RTTVAR_US4, TCB_RX_BASE, TCB_RX_LOG2_U8, TCB_SND_END, TCB_SND_MAX, TCB_SND_NXT,
  TCB_SND_UNA, TCB_SND_WND, TCB_SND_WSCALE_U8, TCB_SRTT_US8, TCB_STATE_U8, TCB_TS_RECENT, TCB_TX_BASE, TCB_TX_BUFFER, TCB_TX_LOG2_U8,
  TCB_WORDS, TO_FAST_FLOW_ADD, TRACE_FLOW, TRACE_FLOW_ADDED,
} from '../../lib/memif/index.js'
import { seqAdd } from '../../lib/wire/index.js'
import { takeBuffers } from './buffersize.js'
import { initialWindow } from './congestion/bounds.js'
import { beginControl } from './congestion/control.js'
import type { Connection } from './connection.js'
import { flagsOfOptions } from './connoptions.js'
import { timestampValue } from './handshaketime.js'
import { startKeepAlive } from './keepalive.js'
import { effectiveMss } from './mss.js'
import { beginPath } from './pathmtu.js'
import { rawWord } from './rawword.js'
import { fillExtras } from './sourceroutes.js'
import type { Stack } from './stack.js'
import { traceConnection } from './tracing.js'

/** Words of a TCB that begin as RCV.NXT, and those that begin as SND.UNA. */
const RECEIVE_POSITIONS = [TCB_RCV_NXT, TCB_RCV_READ, TCB_RX_BASE]
const SEND_POSITIONS = [TCB_SND_UNA, TCB_SND_NXT, TCB_SND_MAX, TCB_SND_END, TCB_TX_BASE]

/**
 * Gives `connection` a TCB, the worker of its group and buffers of its application. Returns false, and takes nothing, if one of them,
 * or the neighbour's address, is missing at the moment.
 */
export function reserveFlow(stack: Stack, connection: Connection): boolean {
  const { app, neighbor } = connection
  if (app === null || neighbor === null || !neighbor.isResolved || stack.flows.available === 0) return false
  if (!takeBuffers(stack, app, connection)) return false
  app.flows++
  beginPath(stack, connection)
  connection.worker = stack.steering.workerOf(connection)
  return stack.flows.take(connection)
}

/**
 * Fills the TCB of a connection that `reserveFlow` prepared. `rcvAdv` is the right edge of the window the peer knows.
 */
export function handOver(stack: Stack, connection: Connection, rcvAdv: number, context: number = CONTEXT_NONE): void {
  connection.phase = 'worker'
  const mss = effectiveMss(stack, connection)
  // RFC 5681, 3.1: after the loss of a SYN one segment.
  connection.cwnd = connection.isSynLost ? mss : initialWindow(mss)
  fillSequence(stack, connection, rcvAdv)
  fillIdentity(stack, connection, context)
  beginControl(stack, connection)
  // Whoever counts marks, counts on a peer that does: nobody says which algorithm the other end has (RFC 8257, 3.2 and 5).
  if (connection.ecn && connection.congestion?.algorithm.usesMarks === true) {
    stack.flows.setWord(connection, TCB_FLAGS, stack.flows.word(connection, TCB_FLAGS) | FLAG_ECN_ACCURATE)
  }
  stack.workers[connection.worker].flow(TO_FAST_FLOW_ADD, connection)
  traceConnection(stack.trace, TRACE_FLOW, TRACE_FLOW_ADDED, connection, connection.worker)
  startKeepAlive(stack, connection)
}

function fillSequence(stack: Stack, connection: Connection, rcvAdv: number): void {
  const { flows } = stack
  const sndUna = seqAdd(connection.iss, 1)
  const rcvNxt = seqAdd(connection.irs, 1)
  for (const word of RECEIVE_POSITIONS) flows.setWord(connection, word, rcvNxt)
  for (const word of SEND_POSITIONS) flows.setWord(connection, word, sndUna)
  flows.setWord(connection, TCB_RCV_ADV, rcvAdv)
  flows.setWord(connection, TCB_SND_WND, connection.sndWnd)
  flows.setWord(connection, TCB_TS_RECENT, connection.tsRecent)
  flows.setWord(connection, TCB_BUFFER, connection.buffer)
  flows.setWord(connection, TCB_TX_BUFFER, connection.txBuffer)
  flows.setMove(connection, MOVE_RX_STATE, MOVE_NONE)
  flows.setMove(connection, MOVE_TX_STATE, MOVE_NONE)
  flows.setMove(connection, MOVE_TURN, connection.turn)
  flows.setWord(connection, TCB_HEARD_MS, timestampValue(stack.nowUs))
  // RFC 6298, 2.2: SRTT = R, RTTVAR = R / 2, in the TCB's fractions.
  flows.setWord(connection, TCB_SRTT_US8, connection.handshakeRttUs * 8)
  flows.setWord(connection, TCB_RTTVAR_US4, connection.handshakeRttUs * 2)
  connection.ackedAtTrim = 0
}

function fillIdentity(stack: Stack, connection: Connection, context: number): void {
  const { state, flows } = stack
  const words = state.tcbWord + connection.flow * TCB_WORDS
  const bytes = words * 4
  const halves = words * 2
  flows.setWord(connection, TCB_REMOTE_IP, rawWord(connection.remoteIp))
  flows.setWord(connection, TCB_PORTS, rawWord((connection.remotePort << 16) | connection.localPort))
  const isInside = stack.routes.localIndex(connection.remoteIp) >= 0
  const flags = agreedFlags(connection) | flagsOfOptions(connection.options)
  const hasExtras = fillExtras(stack, connection)
  flows.setWord(connection, TCB_FLAGS, flags | (isInside ? FLAG_LOOPBACK : 0) | (hasExtras ? FLAG_EXTRA : 0))
  state.bytes[bytes + TCB_RX_LOG2_U8] = connection.rxLog2
  state.bytes[bytes + TCB_TX_LOG2_U8] = connection.txLog2
  state.bytes[bytes + TCB_SND_WSCALE_U8] = connection.sndWscale
  state.bytes[bytes + TCB_RCV_WSCALE_U8] = connection.rcvWscale
  state.halves[halves + TCB_APP_U16] = connection.app?.id ?? 0
  state.halves[halves + TCB_CONTEXT_U16] = context
  state.halves[halves + TCB_MSS_U16] = effectiveMss(stack, connection)
  state.halves[halves + TCB_NEIGHBOR_U16] = connection.neighbor?.index ?? 0
  state.bytes[bytes + TCB_LOCAL_IP_U8] = stack.routes.localIndex(connection.localIp)
  state.bytes[state.places.tcbOffset + connection.flow * TCB_BYTES + TCB_STATE_U8] = flowState(FLOW_HANDED, connection.worker)
}

/** What the handshake agreed on, as FLAG_* bits. */
function agreedFlags({ timestamps, sack, ecn }: Connection): number {
  return (timestamps ? FLAG_TIMESTAMPS : 0) | (sack ? FLAG_SACK : 0) | (ecn ? FLAG_ECN : 0)
}
