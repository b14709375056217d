/**
 * Source routes of IPv4 (RFC 791, 3.1; RFC 1122, 3.2.1.8 (c)): the hosts and routers that a datagram is to pass. On its way the
 * destination field names the next of them, and the option those behind it:
 *
 *   kind | length | pointer | passed ... | to come ...      the last address is the destination
 *                      +------------------^                  passed: as each hop entered itself
 */
import { readWord, writeWord } from './bytes.js'
import { IPV4_HEADER_BYTES } from './ipv4.js'

const OPTION_END = 0
const OPTION_NOP = 1
/** Loose: other routers may lie between the hops. Strict: none. */
export const OPTION_LOOSE_ROUTE = 131
export const OPTION_STRICT_ROUTE = 137

/** Kind, length, pointer; a pointer counts from 1. */
const ROUTE_START_BYTES = 3
const POINTER_MIN = 4

/** A way to a host. */
export interface SourceRoute {
  readonly isStrict: boolean
  /** Addresses to pass before the host itself, at least one; nine are all that 40 bytes of options hold. */
  readonly hops: readonly number[]
}

/** What the source route of a datagram that arrived says. */
export interface ArrivedRoute {
  readonly isStrict: boolean
  /** Addresses of those that passed it on, in order. */
  readonly passed: readonly number[]
  /** Where it is to go from here, its destination last; empty if it has arrived. */
  readonly ahead: readonly number[]
}

/**
 * The source route among the options of the IP header at `at`, all of which is there. Null if there is none, 'malformed' for one that is
 * senseless, or a second one (RFC 1122, 3.2.1.8 (c)). What stands behind an option of an impossible length is not looked at.
 */
export function readSourceRoute(bytes: Uint8Array, at: number): ArrivedRoute | 'malformed' | null {
  const end = at + (bytes[at] & 15) * 4
  let found: ArrivedRoute | 'malformed' | null = null
  for (let option = at + IPV4_HEADER_BYTES; option < end && bytes[option] !== OPTION_END;) {
    const kind = bytes[option]
    if (kind === OPTION_NOP) {
      option++
      continue
    }
    const length = option + 1 < end ? bytes[option + 1] : 0
    const isRoute = kind === OPTION_LOOSE_ROUTE || kind === OPTION_STRICT_ROUTE
    if (length < 2 || option + length > end) return isRoute ? 'malformed' : found
    if (isRoute) found = found === null ? routeAt(bytes, option, length) : 'malformed'
    option += length
  }
  return found
}

function routeAt(bytes: Uint8Array, option: number, length: number): ArrivedRoute | 'malformed' {
  const pointer = length < ROUTE_START_BYTES ? 0 : bytes[option + 2]
  const isSound = (length - ROUTE_START_BYTES) % 4 === 0 && pointer >= POINTER_MIN && (pointer - POINTER_MIN) % 4 === 0
  if (!isSound) return 'malformed'
  const passed: number[] = []
  const ahead: number[] = []
  for (let place = POINTER_MIN; place <= length; place += 4) {
    const address = readWord(bytes, option + place - 1)
    if (place < pointer) passed.push(address)
    else ahead.push(address)
  }
  return { isStrict: bytes[option] === OPTION_STRICT_ROUTE, passed, ahead }
}

/**
 * The way back to `sourceIp` of what came by `route`; null if nothing lies between. Well formed even if the source has entered itself
 * (RFC 1122, 3.2.1.8 (c), case (B)).
 */
export function returnRoute({ isStrict, passed }: ArrivedRoute, sourceIp: number): SourceRoute | null {
  const hops = passed.toReversed()
  if (hops.at(-1) === sourceIp) hops.pop()
  return hops.length === 0 ? null : { isStrict, hops }
}

/** Bytes of the options that `emitSourceRoute` writes: 0 without a route, otherwise a multiple of four, 40 at most. */
export function sourceRouteBytes(route: SourceRoute | null): number {
  return route === null ? 0 : 4 + 4 * route.hops.length
}

/**
 * Writes the options of a datagram that is to go to `targetIp` by `route`, and whose destination field names the first hop: NOP, so that
 * addresses are aligned, then the route. The last four bytes are the destination.
 */
export function emitSourceRoute(bytes: Uint8Array, at: number, { isStrict, hops }: SourceRoute, targetIp: number): void {
  bytes[at] = OPTION_NOP
  bytes[at + 1] = isStrict ? OPTION_STRICT_ROUTE : OPTION_LOOSE_ROUTE
  bytes[at + 2] = ROUTE_START_BYTES + 4 * hops.length
  bytes[at + 3] = POINTER_MIN
  const behind = [...hops.slice(1), targetIp]
  behind.forEach((address, i) => writeWord(bytes, at + 4 + 4 * i, address))
}

/** Whether both are the same way. */
export function isSameRoute(one: SourceRoute | null, other: SourceRoute | null): boolean {
  if (one === null || other === null) return one === other
  return one.isStrict === other.isStrict && one.hops.length === other.hops.length && one.hops.every((hop, i) => hop === other.hops[i])
}
