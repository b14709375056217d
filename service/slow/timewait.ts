/** Segments for a connection in TIME-WAIT (RFC 9293, 3.10.7.4; RFC 1337; RFC 6191). */
import { segmentLen, seqDiff, TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from '../../lib/wire/index.js'
import type { Connection } from './connection.js'
import { findListener, receiveSyn } from './handshake.js'
import { challenge } from './reset.js'
import type { Segment, Stack } from './stack.js'
import { endTimeWait, restartTimeWait } from './teardown.js'

export function receiveInTimeWait(stack: Stack, connection: Connection, segment: Segment): void {
  const { tcp } = segment
  // A RST must not cut TIME-WAIT short (RFC 1337, 3).
  if ((tcp.flags & TCP_RST) !== 0 || connection.phase === 'removing') return
  if ((tcp.flags & (TCP_SYN | TCP_ACK)) === TCP_SYN && reopen(stack, connection, segment)) return
  // A bare acknowledgment is not answered, or two hosts in TIME-WAIT might never stop.
  if (segmentLen(tcp) === 0) return
  challenge(stack, connection)
  if ((tcp.flags & TCP_FIN) !== 0) restartTimeWait(stack, connection)
}

/**
 * A SYN that cannot be an old one opens a new connection (RFC 9293, 3.6.1; RFC 6191, 2). Returns false if it may be
 * old.
 */
function reopen(stack: Stack, connection: Connection, segment: Segment): boolean {
  const { seq, options } = segment.tcp
  const isLater = connection.timestamps && options.timestamps !== null
    ? seqDiff(options.timestamps.value, connection.tsRecent) > 0 || isAfter(connection, seq)
    : isAfter(connection, seq)
  const listener = isLater ? findListener(stack, segment) : null
  if (listener === null) return false
  endTimeWait(stack, connection)
  receiveSyn(stack, segment, listener, connection.sndNxt)
  return true
}

function isAfter(connection: Connection, seq: number): boolean {
  return seqDiff(seq, connection.rcvNxt) > 0
}
