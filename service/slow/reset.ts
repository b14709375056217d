/** Resets and challenge acknowledgments. */
import { NO_OPTIONS, segmentLen, seqLt, TCP_ACK, TCP_RST, TCP_SYN, type TcpOptions } from '../../lib/wire/index.js'
import { FLAG_TIMESTAMPS, TCB_RCV_NXT, TCB_SND_UNA, TCB_TS_RECENT, TO_FAST_FLOW_ACK } from '../../lib/memif/index.js'
import type { Connection } from './connection.js'
import { timestampValue } from './handshaketime.js'
import { sendAck, synWindow } from './negotiate.js'
import type { Segment, Stack } from './stack.js'

/** Answers a segment that belongs to no connection (RFC 9293, 3.10.7.1): never a RST with a RST, and not too many. */
export function refuse(stack: Stack, segment: Segment): void {
  const { tcp, wayBack: sourceRoute } = segment
  const isSyn = (tcp.flags & (TCP_SYN | TCP_ACK)) === TCP_SYN
  if ((tcp.flags & TCP_RST) !== 0) return
  const isOurs = stack.routes.localIndex(segment.remoteIp) >= 0
  if (!isOurs && !stack.replyLimit.mayRefuse(segment.remoteIp, isSyn, stack.nowUs)) return
  stack.stats.add('resetsSent')
  if ((tcp.flags & TCP_ACK) !== 0) return stack.output.tcp(segment, { seq: tcp.ack, flags: TCP_RST, sourceRoute })
  const ack = (tcp.seq + segmentLen(tcp)) | 0
  stack.output.tcp(segment, { seq: 0, ack, flags: TCP_RST | TCP_ACK, sourceRoute })
}

/** Sends a RST that acknowledges all we received, for a connection whose numbers are in the slow path's hands. */
export function sendReset(stack: Stack, connection: Connection): void {
  reset(stack, connection, connection.sndNxt, connection.rcvNxt, NO_OPTIONS)
}

/**
 * The same for a connection whose numbers are in its TCB. A peer takes a RST only with the very number that it waits for (RFC 5961, 3.2). While
 * something is in flight that is the oldest, if all of it got lost, or the newest: both go out, in the order in which neither is answered.
 * With one of them a peer that is behind answers with a challenge, which finds nobody where this host's TCP is about to end.
 */
export function sendFlowReset(stack: Stack, connection: Connection): void {
  const { flows } = stack
  // RFC 7323, 3.2 wants timestamps in every segment but RST, where they are allowed.
  const hasTimestamps = flows.hasFlag(connection, FLAG_TIMESTAMPS)
  const timestamps = hasTimestamps ? { value: timestampValue(stack.nowUs), echo: flows.word(connection, TCB_TS_RECENT) } : null
  const options = { ...NO_OPTIONS, timestamps }
  const sndUna = flows.word(connection, TCB_SND_UNA)
  const sndMax = flows.sndMax(connection)
  const rcvNxt = flows.word(connection, TCB_RCV_NXT)
  if (seqLt(sndUna, sndMax)) reset(stack, connection, sndUna, rcvNxt, options)
  reset(stack, connection, sndMax, rcvNxt, options)
}

function reset(stack: Stack, connection: Connection, seq: number, ack: number, options: TcpOptions): void {
  stack.stats.add('resetsSent')
  const { neighbor, sourceRoute, options: { tos } } = connection
  stack.output.tcp(connection, { seq, ack, flags: TCP_RST | TCP_ACK, options, tos, sourceRoute }, neighbor)
}

/**
 * Says where we are, so that an honest peer repeats its RST or SYN rightly and an attacker learns nothing (RFC 5961, 3
 * to 5).
 */
export function challenge(stack: Stack, connection: Connection): void {
  if (!stack.challengeLimit.allow(connection, stack.nowUs)) return
  if (connection.phase === 'worker') {
    stack.workers[connection.worker].flow(TO_FAST_FLOW_ACK, connection)
    return
  }
  const isClosing = connection.state === 'TIME-WAIT'
  // Only a SYN's window is not scaled (RFC 7323, 2.2): the same bytes are another number here.
  sendAck(stack, connection, isClosing ? 0 : Math.floor(synWindow(stack) / 2 ** connection.rcvWscale))
}
