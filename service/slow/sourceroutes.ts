/**
 * Source routes (RFC 9293, 3.9.2.1; RFC 1122, 3.2.1.8 (c)), where --ip-source-route allows them: what is sent back to a peer whose datagrams
 * came by one takes the same way back, and a program can give the way for a connection that it opens.
 *
 * Without that option a datagram with a source route is dropped, as RFC 7126 advises (4.3.5, 4.4.5) and Linux does: who can name the way
 * of our answers can read connections that he has begun in another's name.
 */
import {
  EXTRA_IS_URGENT, EXTRA_ROUTE_BYTES, EXTRA_ROUTE_HOP, ROUTE_OPTION_WORDS, SF_ROUTE, SF_ROUTE_HOP, TO_FAST_FLOW_MSS,
} from '../../lib/memif/index.js'
import {
  emitSourceRoute, ETHERNET_HEADER_BYTES, type Ipv4Parsed, isSameRoute, readSourceRoute, returnRoute, type SourceRoute,
  sourceRouteBytes,
} from '../../lib/wire/index.js'
import type { Neighbor } from './arp.js'
import type { Connection } from './connection.js'
import { reportSourceRouteFailed } from './icmp.js'
import { effectiveMss } from './mss.js'
import { rawWord } from './rawword.js'
import type { Frame, Segment, Stack } from './stack.js'

/** A datagram that has come to the end of its source route, and the way back by that. */
export interface Routed {
  /** The address of ours that the route ends in is its target. */
  readonly ip: Ipv4Parsed
  readonly wayBack: SourceRoute | null
}

/**
 * What the source route of a whole datagram to an address of ours means, if its options have one. Null for one that is dropped: routes are not
 * allowed, this one is senseless, or it goes on from here (RFC 1122, 3.3.5: we are no router).
 */
export function followSourceRoute(stack: Stack, frame: Frame, ip: Ipv4Parsed): Routed | null {
  const route = readSourceRoute(frame.bytes, ETHERNET_HEADER_BYTES)
  if (route === null) return { ip, wayBack: null }
  if (!stack.config.tcp.sourceRoutes || route === 'malformed') return drop(stack)
  // From one address of ours to another it has no way to go.
  const { routes } = stack
  const isOurs = (address: number): boolean => routes.localIndex(address) >= 0
  if (!route.ahead.every(isOurs)) {
    reportSourceRouteFailed(stack, frame, ip)
    return drop(stack)
  }
  return { ip: { ...ip, targetIp: route.ahead.at(-1) ?? ip.targetIp }, wayBack: returnRoute(route, ip.sourceIp) }
}

function drop(stack: Stack): null {
  stack.stats.add('dropSourceRoute')
  return null
}

/**
 * A segment that is the peer's for certain, its numbers checked: if the peer has opened the connection the way that it came by is the way
 * back from now on (RFC 9293, 3.9.2.1: MUST-53, SHLD-24), once the new neighbour's address is known. Who opens a connection names its way
 * himself (MUST-52), or there is none.
 */
export function takeWayBack(stack: Stack, connection: Connection, { wayBack }: Segment): void {
  const { sourceRoute, isActive, isRouteSought } = connection
  if (isActive || isRouteSought || wayBack === null || isSameRoute(wayBack, sourceRoute)) return
  const next = stack.routes.chooseVia(connection.remoteIp, wayBack)
  const neighbor = next === null ? null : stack.arp.acquire(next.nextHop)
  if (neighbor === null) return
  connection.isRouteSought = true
  stack.arp.resolve(neighbor, (found) => {
    connection.isRouteSought = false
    const isAlive = connection.phase === 'worker' || connection.state === 'SYN-RECEIVED'
    if (found && isAlive) change(stack, connection, wayBack, neighbor)
    else stack.arp.release(neighbor)
  })
}

function change(stack: Stack, connection: Connection, route: SourceRoute, neighbor: Neighbor): void {
  const isLonger = sourceRouteBytes(route) > sourceRouteBytes(connection.sourceRoute)
  if (connection.neighbor !== null) stack.arp.release(connection.neighbor)
  connection.neighbor = neighbor
  connection.sourceRoute = route
  if (connection.phase !== 'worker') return
  const worker = stack.workers[connection.worker]
  const orderMss = (): void => worker.value(TO_FAST_FLOW_MSS, connection, effectiveMss(stack, connection), 0)
  // No segment in between may be too long for the interface.
  if (isLonger) orderMss()
  worker.route(connection, orderWords(connection, route, neighbor))
  if (!isLonger) orderMss()
}

/** Words SF_ROUTE and behind it. */
function orderWords(connection: Connection, route: SourceRoute, { index }: Neighbor): Int32Array {
  const words = new Int32Array(SF_ROUTE_HOP - SF_ROUTE + 1 + ROUTE_OPTION_WORDS)
  words[0] = sourceRouteBytes(route) | (index << 16)
  words.set(hopAndOptions(connection.remoteIp, route), SF_ROUTE_HOP - SF_ROUTE)
  return words
}

/** The first hop, then the IP options, as raw words. */
function hopAndOptions(remoteIp: number, route: SourceRoute): Int32Array {
  const words = new Int32Array(1 + ROUTE_OPTION_WORDS)
  words[0] = rawWord(route.hops[0])
  emitSourceRoute(new Uint8Array(words.buffer), 4, route, remoteIp)
  return words
}

/** Fills the row of extras of a connection's flow, which no worker has yet. Returns whether there is anything in it. */
export function fillExtras(stack: Stack, connection: Connection): boolean {
  const { sourceRoute, remoteIp, flow } = connection
  if (sourceRoute === null) return false
  const { flows } = stack
  flows.setExtra(flow, EXTRA_IS_URGENT, 0)
  flows.setExtra(flow, EXTRA_ROUTE_BYTES, sourceRouteBytes(sourceRoute))
  hopAndOptions(remoteIp, sourceRoute).forEach((word, i) => flows.setExtra(flow, EXTRA_ROUTE_HOP + i, word))
  return true
}
