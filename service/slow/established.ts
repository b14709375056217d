/** Segments that a worker passes up though their connection has, or is about to have, a flow. */
import { RX_CHECKSUM_GOOD, RX_LOOPBACK } from '../../native/port.js'
import { FLAG_RX_SHUT, TCB_RCV_ADV, TCB_RCV_NXT, TCB_SND_UNA, TCB_SND_WSCALE_U8 } from '../../lib/memif/index.js'
import { segmentLen, seqAdd, seqDiff, seqInWindow, TCP_ACK, TCP_RST, TCP_SYN, type TcpParsed } from '../../lib/wire/index.js'
import { isAcceptable } from './acceptable.js'
import type { Connection } from './connection.js'
import { ECONNRESET } from './errno.js'
import { rcvWindow } from './flowstate.js'
import { hasIpOptions, rebuildPlain } from './rebuild.js'
import { challenge } from './reset.js'
import { takeWayBack } from './sourceroutes.js'
import type { Segment, Stack } from './stack.js'
import { abortConnection, resetUnread } from './teardown.js'
import { noteUrgent } from './urgent.js'

/** A segment for a connection whose flow a worker has. */
export function receiveOnFlow(stack: Stack, connection: Connection, segment: Segment): void {
  const { tcp, frame } = segment
  if ((tcp.flags & TCP_RST) !== 0) return receiveReset(stack, connection, segment)
  if ((tcp.flags & TCP_SYN) !== 0) return challenge(stack, connection)
  if ((tcp.flags & TCP_ACK) === 0) return
  const isKnown = frame.flow === connection.flow && frame.gen === connection.gen
  if (!isKnown && !hasIpOptions(segment)) stack.steering.strayCame()
  const isAckGood = isAckAcceptable(stack, connection, tcp.ack)
  if (isKnown && !isAckGood) return challenge(stack, connection)
  if (isKnown && isDataAfterClose(stack, connection, segment)) return resetUnread(stack, connection)
  if (isAckGood) noteUrgent(stack, connection, tcp)
  if (isAckGood && isInWindow(stack, connection, tcp)) takeWayBack(stack, connection, segment)
  // RFC 9293, 3.10.7.4, first: what cannot be taken is answered.
  if (!handDown(stack, connection, segment, isKnown) && segmentLen(tcp) > 0) challenge(stack, connection)
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
 * New data that nobody will read is answered with a RST (RFC 9293, 3.6.1; RFC 2525, 2.17), if it is the peer's for certain: its
 * acknowledgment is acceptable, and it is in the window, or a probe of a closed one.
 */
function isDataAfterClose(stack: Stack, connection: Connection, segment: Segment): boolean {
  const { tcp } = segment
  if (tcp.payloadLen === 0 || !stack.flows.hasFlag(connection, FLAG_RX_SHUT)) return false
  const rcvNxt = stack.flows.word(connection, TCB_RCV_NXT)
  const isNew = seqDiff(seqAdd(tcp.seq, tcp.payloadLen), rcvNxt) > 0
  return isNew && (tcp.seq === rcvNxt || seqDiff(tcp.seq, stack.flows.word(connection, TCB_RCV_ADV)) < 0)
}

function isInWindow(stack: Stack, connection: Connection, tcp: TcpParsed): boolean {
  return isAcceptable(tcp, stack.flows.word(connection, TCB_RCV_NXT), rcvWindow(stack, connection))
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
 * Gives the worker a segment, without what made it odd. It had it before (`isKnown`), or could not tell which flow it is for: it was not
 * told yet, or IP options stand in front (RFC 9293, 3.9.2: MUST-50). Returns false for one that it had as it is: that would come back
 * for ever.
 */
function handDown(stack: Stack, connection: Connection, segment: Segment, isKnown: boolean): boolean {
  const { bytes, rxFlags, gso } = segment.frame
  const plain = rebuildPlain(segment)
  if (plain === null && isKnown) return false
  const flags = plain === null ? rxFlags : RX_CHECKSUM_GOOD | (rxFlags & RX_LOOPBACK)
  if (stack.workers[connection.worker].packet(plain ?? bytes, flags, gso, connection)) stack.stats.add('reinjectedPackets')
  return true
}
