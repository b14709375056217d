/** Passive open: the connection that a SYN begins, whether it is made at once or when its cookie comes back. */
import type { TcpParsed } from '../../lib/wire/index.js'
import { Connection } from './connection.js'
import type { Listener } from './listeners.js'
import { takeOffer } from './negotiate.js'
import type { Segment, Stack } from './stack.js'

/**
 * A connection of `listener` with the peer of `segment`, whose SYN is, or was, `offer`. Our initial sequence number and the state are the
 * caller's to set. Null, and nothing is taken, if the listener takes none at the moment or there is no way back.
 */
export function openPassive(stack: Stack, segment: Segment, listener: Listener, offer: TcpParsed): Connection | null {
  const route = listener.isOpen ? stack.routes.chooseVia(segment.remoteIp, segment.wayBack) : null
  const neighbor = route === null ? null : stack.arp.acquire(route.nextHop)
  if (neighbor === null) return null
  const connection = new Connection(segment, false)
  connection.neighbor = neighbor
  connection.sourceRoute = segment.wayBack
  connection.listener = listener
  connection.app = listener.app
  takeOffer(stack, connection, offer)
  stack.connections.add(connection)
  listener.app.connections.add(connection.inApp)
  return connection
}
