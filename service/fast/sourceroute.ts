/**
 * Source routes of what a worker sends (RFC 9293, 3.9.2.1). They stand in the table of extras, so a worker that takes over goes on with
 * them. Segments that carry one are built like all others; then what follows the IP header moves up to make room for the options.
 */
import {
  EXTRA_IS_URGENT, EXTRA_ROUTE_BYTES, EXTRA_ROUTE_HOP, EXTRA_ROUTE_OPTIONS, FLAG_EXTRA, ROUTE_OPTION_WORDS, SF_ROUTE, SF_ROUTE_HOP, TCB_FLAGS,
  TCB_NEIGHBOR_U16,
} from '../../lib/memif/index.js'
import { TX_DESC_WORDS, TX_HEADER_LEN, TX_IP_OPTIONS_SHIFT } from '../../native/port.js'
import { swap16 } from './bytes.js'
import type { FastPath } from './fastpath.js'
import { ETHERNET_BYTES, IP_BYTES } from './segment.js'

const IP_WORDS = IP_BYTES >> 2
/** Word of the destination field in an IP header. */
const IP_TARGET = 4

/** Takes over the route of a TO_FAST_FLOW_ROUTE at `entries[entry]`. It does not count before all of it is written. */
export function takeRoute(fast: FastPath, flow: number, tcb: number, entries: Int32Array, entry: number): void {
  const { words } = fast
  const row = fast.extras(flow)
  const flags = words[tcb + TCB_FLAGS]
  if ((flags & FLAG_EXTRA) === 0) words[row + EXTRA_IS_URGENT] = 0
  words[row + EXTRA_ROUTE_BYTES] = 0
  for (let word = 0; word <= ROUTE_OPTION_WORDS; word++) words[row + EXTRA_ROUTE_HOP + word] = entries[entry + SF_ROUTE_HOP + word]
  fast.halves[tcb * 2 + TCB_NEIGHBOR_U16] = entries[entry + SF_ROUTE] >>> 16
  words[row + EXTRA_ROUTE_BYTES] = entries[entry + SF_ROUTE] & 0xffff
  words[tcb + TCB_FLAGS] = flags | FLAG_EXTRA
}

/** Bytes of IP options in what a flow with FLAG_EXTRA sends. */
export function routeBytes(fast: FastPath, flow: number): number {
  return fast.words[fast.extras(flow) + EXTRA_ROUTE_BYTES]
}

/**
 * Puts the source route of a flow with FLAG_EXTRA, if that has one, into the segment in header slot `slot`, whose IP header begins at
 * `headers[at]`. Last of all that is written there.
 */
export function insertRoute(fast: FastPath, flow: number, headers: Int32Array, at: number, slot: number): void {
  const state = fast.words
  const row = fast.extras(flow)
  const bytes = state[row + EXTRA_ROUTE_BYTES]
  if (bytes === 0) return
  const { txDesc } = fast.port
  const desc = slot * TX_DESC_WORDS + TX_HEADER_LEN
  const first = at + IP_WORDS
  const count = bytes >> 2
  for (let word = (at + ((txDesc[desc] - ETHERNET_BYTES) >> 2)) - 1; word >= first; word--) headers[word + count] = headers[word]
  for (let word = 0; word < count; word++) headers[first + word] = state[row + EXTRA_ROUTE_OPTIONS + word]
  headers[at + IP_TARGET] = state[row + EXTRA_ROUTE_HOP]
  // The header's length stands in the lowest four bits, in words.
  headers[at] = ((headers[at] & 0xffff) + count) | (swap16(swap16(headers[at] >>> 16) + bytes) << 16)
  txDesc[desc] += bytes | (bytes << TX_IP_OPTIONS_SHIFT)
}
