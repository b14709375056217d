/** How much payload a segment may carry (RFC 9293, 3.7.1). */
import { IPV4_BYTES_MAX, sourceRouteBytes } from '../../lib/wire/index.js'
import type { Connection } from './connection.js'
import type { Stack } from './stack.js'

/** Bytes that a timestamps option takes in every segment. */
export const TIMESTAMPS_BYTES = 12
/** IP and TCP headers without options. */
export const HEADERS_BYTES = 40
/** Payload of a super-segment at most, with room for all TCP options: a larger MSS could not be multiplied within it (fast/transmit.ts). */
const MSS_MAX = IPV4_BYTES_MAX - 20 - 60

/** Longest IP packet of a connection: its path's MTU, as far as it is known, never more than the interface's. */
export function pathMtuOf(stack: Stack, connection: Connection): number {
  return Math.min(connection.path?.mtu ?? Infinity, stack.output.mtu)
}

/** Most payload bytes in a segment to the peer (Eff.snd.MSS, RFC 9293, 3.7.1). */
export function effectiveMss(stack: Stack, connection: Connection): number {
  return mssFor(connection, pathMtuOf(stack, connection))
}

/** The same if packets could have `mtu` bytes. */
export function mssFor(connection: Connection, mtu: number): number {
  const mss = Math.min(connection.peerMss, mtu - HEADERS_BYTES) - sourceRouteBytes(connection.sourceRoute)
  return Math.min(Math.max(mss - (connection.timestamps ? TIMESTAMPS_BYTES : 0), 1), MSS_MAX)
}
