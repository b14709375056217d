/** Which event of a connection is due next: what it knows against what the program was told. */
import type { Connection } from './connection.js'
import {
  CONN_CLOSED, CONN_OPEN, CONN_RECEIVED, CONN_RXCLOSED, CONN_SENDBUF, CONN_TXCLOSED, CONN_URGENT, LISTEN_ACCEPT, type TasEvent,
} from './events.js'

/**
 * Fills in the next event that is due at `connection`. Returns false if there is none. Order: urgent data announced, data, end of data, room to
 * send, end of sending, end of the connection. Allocates nothing.
 */
export function nextEvent(connection: Connection, event: TasEvent): boolean {
  if (connection.over || (connection.movingTo !== null && !connection.ended)) return false
  const { state } = connection
  const reports = state === 'open' || state === 'closed'
  if (reports && (nextReceiveEvent(connection, event) || nextTransmitEvent(connection, event))) return true
  if (!connection.ended || !connection.drained) return false
  tellEnd(connection, event)
  return true
}

function nextReceiveEvent(connection: Connection, event: TasEvent): boolean {
  const { rx } = connection
  if (rx.isUrgent && !rx.urgentTold) {
    rx.urgentTold = true
    event.set(CONN_URGENT, connection, null, 0)
    return true
  }
  const received = (rx.end - rx.told) | 0
  if (received > 0) {
    event.set(CONN_RECEIVED, connection, null, 0)
    const offset = (rx.told - rx.base) & rx.mask
    const contiguous = rx.mask + 1 - offset
    event.buffer = rx.buffer
    event.offset = offset
    event.length = received <= contiguous ? received : contiguous
    event.length2 = received - event.length
    rx.told = rx.end
    return true
  }
  if (!rx.closed || rx.closedTold) return false
  rx.closedTold = true
  event.set(CONN_RXCLOSED, connection, null, 0)
  return true
}

function nextTransmitEvent(connection: Connection, event: TasEvent): boolean {
  const { tx } = connection
  if (!connection.ended && !connection.held && tx.roomCame) {
    tx.wanted = 0
    event.set(CONN_SENDBUF, connection, null, 0)
    event.length = tx.free
    return true
  }
  if (!tx.closed || tx.closedTold) return false
  tx.closedTold = true
  event.set(CONN_TXCLOSED, connection, null, 0)
  return true
}

/** CONN_CLOSED, or the result of an opening that came to nothing. */
function tellEnd(connection: Connection, event: TasEvent): void {
  let type = CONN_CLOSED
  if (connection.state === 'opening') type = CONN_OPEN
  if (connection.state === 'accepting') type = LISTEN_ACCEPT
  event.set(type, connection, type === LISTEN_ACCEPT ? connection.listener : null, connection.endStatus)
  connection.finished()
}
