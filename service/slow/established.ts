/** Segments that a worker passes up though their connection has, or is about to have, a flow. */
import { RX_CHECKSUM_GOOD, RX_LOOPBACK } from '../../native/port.js'
import { FLAG_RX_SHUT, TCB_RCV_ADV, TCB_RCV_NXT, TCB_SND_UNA, TCB_SND_WSCALE_U8 } from '../../lib/memif/index.js'
import { segmentLen, seqAdd, seqDiff, seqInWindow, TCP_ACK, TCP_RST, TCP_SYN } from '../../lib/wire/index.js'
import type { Connection } from './connection.js'
import { ECONNRESET } from './errno.js'
import { rcvWindow } from './flowstate.js'
import { rebuildPlain } from './rebuild.js'
import { challenge } from './reset.js'
import type { Segment, Stack } from './stack.js'
import { abortConnection } from './teardown.js'
import { noteUrgent } from './urgent.js'

/** A segment for a connection whose flow a worker has. */
export function receiveOnFlow(stack: Stack, connection: Connection, segment: Segment): void {
  const { tcp, frame } = segment
  if ((tcp.flags & TCP_RST) !== 0) return receiveReset(stack, connection, segment)
  if ((tcp.flags & TCP_SYN) !== 0) return challenge(stack, connection)
  if ((tcp.flags & TCP_ACK) === 0) return
  const isKnown = frame.flow === connection.flow && frame.gen === connection.gen
  if (!isKnown) return handDown(stack, connection, segment)
  if (isDataAfterClose(stack, connection, segment)) {
    stack.stats.add('connectionsReset')
    return abortConnection(stack, connection, ECONNRESET)
  }
  receiveOdd(stack, connection, segment)
}

/** Only the exact next number resets; anything else in the window is asked back (RFC 5961, 3.2). */
function receiveReset(stack: Stack, connection: Connection, segment: Segment): void {
  const rcvNxt = stack.flows.word(connection, TCB_RCV_NXT)
  const { seq } = segment.tcp
  if (seq !== rcvNxt) {
    if (seqInWindow(seq, rcvNxt, rcvWindow(stack, connection))) challenge(stack, connection)
    return
  }
  stack.stats.add('resetsReceived')
  stack.stats.add('connectionsReset')
  abortConnection(stack, connection, ECONNRESET, false)
}

/**
 * New data that nobody will read is answered with a RST (RFC 9293, 3.6.1; RFC 2525, 2.17), if it is the peer's for certain: in
 * the window and with an acceptable acknowledgment.
 */
function isDataAfterClose(stack: Stack, connection: Connection, segment: Segment): boolean {
  const { tcp } = segment
  if (tcp.payloadLen === 0 || !stack.flows.hasFlag(connection, FLAG_RX_SHUT)) return false
  const isNew = seqDiff(seqAdd(tcp.seq, tcp.payloadLen), stack.flows.word(connection, TCB_RCV_NXT)) > 0
  const isInWindow = seqDiff(tcp.seq, stack.flows.word(connection, TCB_RCV_ADV)) < 0
  return isNew && isInWindow && isAckAcceptable(stack, connection, tcp.ack)
}

/**
 * SND.UNA - MAX.SND.WND =< SEG.ACK =< SND.NXT (RFC 5961, 5.2; RFC 9293, 3.10.7.4, fifth), with the largest window that the
 * peer's scale allows.
 */
function isAckAcceptable(stack: Stack, connection: Connection, ack: number): boolean {
  const { flows } = stack
  const maxWindow = 0xffff * 2 ** flows.byte(connection, TCB_SND_WSCALE_U8)
  return seqDiff(ack, flows.sndMax(connection)) <= 0 && seqDiff(ack, flows.word(connection, TCB_SND_UNA)) >= -maxWindow
}

/**
 * A segment that the worker had and would not take: made plain if that helps, otherwise answered as RFC 9293, 3.10.7.4
 * says.
 */
function receiveOdd(stack: Stack, connection: Connection, segment: Segment): void {
  const { tcp, frame } = segment
  if (!isAckAcceptable(stack, connection, tcp.ack)) return challenge(stack, connection)
  noteUrgent(stack, connection, tcp)
  const plain = rebuildPlain(segment)
  if (plain !== null) return reinject(stack, connection, plain, RX_CHECKSUM_GOOD | (frame.rxFlags & RX_LOOPBACK), frame.gso)
  // Sending it down as it is would bring it back for ever.
  if (segmentLen(tcp) > 0) challenge(stack, connection)
}

/** The worker could not tell which flow it is for: it was not told yet, or IP options stand in front (RFC 9293, 3.9.2: MUST-50). */
function handDown(stack: Stack, connection: Connection, segment: Segment): void {
  const { bytes, rxFlags, gso } = segment.frame
  if (isAckAcceptable(stack, connection, segment.tcp.ack)) noteUrgent(stack, connection, segment.tcp)
  const plain = rebuildPlain(segment)
  reinject(stack, connection, plain ?? bytes, plain === null ? rxFlags : RX_CHECKSUM_GOOD | (rxFlags & RX_LOOPBACK), gso)
}

function reinject(stack: Stack, connection: Connection, bytes: Uint8Array, rxFlags: number, gso: number): void {
  if (stack.workers[connection.worker].packet(bytes, rxFlags, gso)) stack.stats.add('reinjectedPackets')
}
