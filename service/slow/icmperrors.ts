/**
 * ICMP errors about our connections (RFC 9293, 3.9.2.2; RFC 1122, 4.2.3.9), believed only as far as RFC 5927 says: an error
 * must quote a segment that is under way at this moment, which who cannot see the connection's packets has to guess, and even
 * then none ends a connection that has been synchronized.
 *
 *                            SYN-SENT, SYN-RECEIVED          synchronized
 *   hard (see HARD_CODES)    the attempt fails               as soft (RFC 5927, 5.2)
 *   soft                     reported if the attempt, or the connection, times out (as Linux's sk_err_soft)
 *   fragmentation needed     -                               pathmtu.ts
 *   source quench            ignored (RFC 6633, 3)
 */
import { TCB_SND_UNA } from '../../lib/memif/index.js'
import {
  ICMP_FRAGMENTATION_NEEDED, ICMP_PORT_UNREACHABLE, ICMP_PROTOCOL_UNREACHABLE, ICMP_SOURCE_QUENCH, ICMP_TIME_EXCEEDED,
  ICMP_UNREACHABLE, type IcmpMessage, parseQuotedSegment, type QuotedSegment, seqDiff,
} from '../../lib/wire/index.js'
import type { Connection } from './connection.js'
import {
  ECONNREFUSED, EHOSTDOWN, EHOSTUNREACH, ENETUNREACH, ENONET, ENOPROTOOPT, EOPNOTSUPP, EPROTO,
} from './errno.js'
import { failHandshake } from './handshakeend.js'
import { onTooBig } from './pathmtu.js'
import { rememberSoftError } from './softerror.js'
import type { Stack } from './stack.js'

/** What Linux tells programs for each code of ICMP_UNREACHABLE (icmp_err_convert). */
const UNREACHABLE_ERRORS: readonly number[] = [
  ENETUNREACH, EHOSTUNREACH, ENOPROTOOPT, ECONNREFUSED, 0, EOPNOTSUPP, ENETUNREACH, EHOSTDOWN, ENONET, ENETUNREACH, EHOSTUNREACH,
  ENETUNREACH, EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH,
]

/**
 * RFC 1122, 4.2.3.9: protocol and port unreachable. Also what says that an administrator forbids it (RFC 1122, 3.2.2.1: 9 and 10;
 * RFC 1812, 5.2.7.1: 13), which asking again does not change and which RFC 9293 leaves open.
 */
const HARD_CODES: ReadonlySet<number> = new Set([ICMP_PROTOCOL_UNREACHABLE, ICMP_PORT_UNREACHABLE, 9, 10, 13])

/**
 * Takes an error that came to our address `localIp`. Returns false if it is not about a connection of ours.
 */
export function receiveIcmpError(stack: Stack, message: IcmpMessage, localIp: number): boolean {
  const quoted = parseQuotedSegment(message.payload)
  if (quoted === null || quoted.sourceIp !== localIp) return false
  const connection = stack.connections.find({
    localIp, localPort: quoted.sourcePort, remoteIp: quoted.targetIp, remotePort: quoted.targetPort,
  })
  if (connection === null) return false
  const isHeard = isUnderWay(stack, connection, quoted.seq) && stack.icmpLimit.allow(stack.nowUs) && handle(stack, connection, message, quoted)
  stack.stats.add(isHeard ? 'icmpErrors' : 'icmpErrorsIgnored')
  return true
}

/** RFC 5927, 4.1: SND.UNA =< SEG.SEQ < SND.NXT, where SND.NXT is the highest that was ever sent. */
function isUnderWay(stack: Stack, connection: Connection, seq: number): boolean {
  if (connection.isOpening) return seq === connection.iss
  if (connection.phase !== 'worker') return false
  const una = stack.flows.word(connection, TCB_SND_UNA)
  return seqDiff(seq, una) >= 0 && seqDiff(seq, stack.flows.sndMax(connection)) < 0
}

/** Returns whether the error meant anything. */
function handle(stack: Stack, connection: Connection, message: IcmpMessage, quoted: QuotedSegment): boolean {
  const { type, code } = message
  // RFC 6633, 3: TCP ignores source quench.
  if (type === ICMP_SOURCE_QUENCH) return false
  if (type === ICMP_UNREACHABLE && code === ICMP_FRAGMENTATION_NEEDED) {
    return !connection.isOpening && onTooBig(stack, connection, quoted, message.sequence)
  }
  const error = errorOf(type, code)
  if (error === 0) return false
  if (connection.isOpening && type === ICMP_UNREACHABLE && HARD_CODES.has(code)) failHandshake(stack, connection, error)
  else rememberSoftError(stack, connection, error)
  return true
}

/** The errno number of an error, 0 if it has none. */
function errorOf(type: number, code: number): number {
  if (type === ICMP_UNREACHABLE) return UNREACHABLE_ERRORS[code] ?? 0
  return type === ICMP_TIME_EXCEEDED ? EHOSTUNREACH : EPROTO
}
