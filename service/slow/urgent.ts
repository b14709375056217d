/**
 * Urgent data that arrives (RFC 9293, 3.8.5): the bytes are delivered in line, as RFC 6093 wants; the application is told
 * that there are some and where they end. What is sent of it: service/fast/urgent.ts.
 */
import { EV_CONN_URGENT, TCB_RCV_NXT, TCB_RCV_READ } from '../../lib/memif/index.js'
import { seqAdd, seqLeq, seqLt, TCP_URG, type TcpParsed } from '../../lib/wire/index.js'
import { isAcceptable } from './acceptable.js'
import { eventAbout } from './appevents.js'
import type { Connection } from './connection.js'
import { rcvWindow } from './flowstate.js'
import type { Stack } from './stack.js'

/** A segment with an acceptable acknowledgment for a connection that a worker has (RFC 9293, 3.10.7.4, sixth). */
export function noteUrgent(stack: Stack, connection: Connection, tcp: TcpParsed): void {
  if ((tcp.flags & TCP_URG) === 0 || !connection.mayReceive || connection.isAppClosed || !isInWindow(stack, connection, tcp)) return
  // MUST-62: the pointer says where the first byte that is not urgent stands.
  const end = seqAdd(tcp.seq, tcp.urgent)
  if (end === connection.rcvUp || seqLeq(end, stack.flows.word(connection, TCB_RCV_READ))) return
  // Until it is told, only the furthest counts; the library knows what it was told.
  if (connection.owesUrgent && connection.rcvUp !== null && seqLt(end, connection.rcvUp)) return
  connection.rcvUp = end
  if (!connection.owesUrgent) tellUrgent(connection)
}

/** Acceptable; of a segment that begins at a closed window the pointer comes through all the same (RFC 9293, 3.10.7.4: MUST-66). */
function isInWindow(stack: Stack, connection: Connection, tcp: TcpParsed): boolean {
  const rcvNxt = stack.flows.word(connection, TCB_RCV_NXT)
  return tcp.seq === rcvNxt || isAcceptable(tcp, rcvNxt, rcvWindow(stack, connection))
}

/** Tells the application (MUST-32), once it knows the connection. Never more than one message of a connection waits for room. */
export function tellUrgent(connection: Connection): void {
  const { rcvUp, context } = connection
  if (rcvUp === null) return
  connection.owesUrgent = true
  if (!connection.isAppKnown || context === null) return
  const event = eventAbout(connection, EV_CONN_URGENT)
  event.values = [0, rcvUp]
  context.send(event, () => {
    connection.owesUrgent = false
    if (connection.rcvUp !== rcvUp && connection.phase === 'worker') tellUrgent(connection)
  })
}
