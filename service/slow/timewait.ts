/** Segments for a connection in TIME-WAIT (RFC 9293, 3.10.7.4; RFC 1337; RFC 6191). */
import { segmentLen, seqAdd, seqDiff, TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN, type TcpParsed } from '../../lib/wire/index.js'
import { isAcceptable } from './acceptable.js'
import type { Connection } from './connection.js'
import { findListener, receiveSyn } from './handshake.js'
import { challenge } from './reset.js'
import type { Segment, Stack } from './stack.js'
import { restartTimeWait } from './teardown.js'

export function receiveInTimeWait(stack: Stack, connection: Connection, segment: Segment): void {
  const { tcp } = segment
  // A RST must not cut TIME-WAIT short (RFC 1337, 3).
  if ((tcp.flags & TCP_RST) !== 0 || connection.phase === 'removing') return
  if ((tcp.flags & (TCP_SYN | TCP_ACK)) === TCP_SYN && reopen(stack, connection, segment)) return
  // Our window is closed: nothing is acceptable but what says nothing new.
  if (isAcceptable(tcp, connection.rcvNxt, 0) && seqDiff(tcp.ack, connection.sndNxt) <= 0) return
  challenge(stack, connection)
  if (isSameFin(connection, tcp)) restartTimeWait(stack, connection)
}

/** Whether it carries the FIN that brought us here: another one may not make TIME-WAIT last longer. */
function isSameFin(connection: Connection, tcp: TcpParsed): boolean {
  return (tcp.flags & (TCP_SYN | TCP_FIN)) === TCP_FIN && seqAdd(tcp.seq, segmentLen(tcp)) === connection.rcvNxt
}

/** A SYN that cannot be an old one opens a new connection, if somebody listens. Returns false otherwise. */
function reopen(stack: Stack, connection: Connection, segment: Segment): boolean {
  const listener = isNewer(connection, segment.tcp) ? findListener(stack, segment) : null
  if (listener === null) return false
  receiveSyn(stack, segment, listener, connection)
  return true
}

/**
 * RFC 6191, 2: a SYN is new by its timestamp, by its number if that says nothing, and if it is the first of the two
 * connections to have one.
 */
function isNewer(connection: Connection, { seq, options }: TcpParsed): boolean {
  const isBeyond = seqDiff(seq, connection.rcvNxt) >= 0
  if (options.timestamps === null) return isBeyond
  if (!connection.timestamps) return true
  const later = seqDiff(options.timestamps.value, connection.tsRecent)
  return later > 0 || (later === 0 && isBeyond)
}
