/** The echo protocol for one connection at a time: used by echo.ts and echo-poll.ts. */
import {
  CONN_CLOSED, CONN_RECEIVED, CONN_RXCLOSED, CONN_SENDBUF, LISTEN_ACCEPT, LISTEN_CLOSED, LISTEN_NEWCONN, LISTEN_OPEN,
  type Connection, type Listener, type TasEvent,
} from 'tasjs'
import { fail } from './cli.js'

/** Below, a loop over bytes is faster than a view that must be made. */
const LOOP_BYTES = 128

/** Echoes on every connection of a listener. What finds no room stays in the receive buffer, which slows the peer down. */
export class Echo {
  /** Connections whose peer has finished while bytes were still to be sent back. */
  private readonly finishing = new Set<Connection>()
  private open = 0
  private stopping = false
  private readonly onStopped: () => void

  /** `onStopped` is called after `stop` when the last connection is closed. */
  constructor(onStopped: () => void) {
    this.onStopped = onStopped
  }

  /** Closes the listener; connections end when their peers do. */
  stop(listener: Listener): void {
    this.stopping = true
    listener.close()
  }

  /** Takes one event. */
  handle(event: TasEvent): void {
    if (event.stale) return
    switch (event.type) {
      case CONN_RECEIVED:
      case CONN_SENDBUF: this.sendBack(event.connection); return
      case CONN_RXCLOSED: this.peerFinished(event.connection); return
      case LISTEN_NEWCONN: event.listener.accept(); return
      case LISTEN_ACCEPT: if (event.status === 0) this.open++; return
      case CONN_CLOSED: this.closed(event.connection); return
      case LISTEN_OPEN: listening(event); return
      case LISTEN_CLOSED: this.listenerClosed(event); return
      default:
    }
  }

  private sendBack(connection: Connection): void {
    while (connection.rxAvailable > 0) {
      const { rxBuffer, rxOffset, rxAvailable } = connection
      const contiguous = rxBuffer.length - rxOffset
      const got = connection.txAlloc(rxAvailable < contiguous ? rxAvailable : contiguous)
      if (got === 0) return
      copy(rxBuffer, rxOffset, connection.txBuffer, connection.txOffset, got)
      connection.txSend(got)
      connection.rxDone(got)
    }
    if (this.finishing.size > 0 && this.finishing.delete(connection)) connection.close()
  }

  private peerFinished(connection: Connection): void {
    if (connection.rxAvailable === 0) connection.close()
    else this.finishing.add(connection)
  }

  private closed(connection: Connection): void {
    this.finishing.delete(connection)
    this.open--
    if (this.stopping && this.open === 0) this.onStopped()
  }

  private listenerClosed(event: TasEvent): void {
    if (event.error !== null) fail(new Error(`echo: the listener has ended: ${event.code}`))
    if (this.open === 0) this.onStopped()
  }
}

function listening(event: TasEvent): void {
  if (event.error !== null) fail(new Error(`echo: cannot listen: ${event.code}`))
  console.log(`echo: listening on port ${event.listener.port}`)
}

function copy(from: Uint8Array, fromAt: number, to: Uint8Array, toAt: number, len: number): void {
  if (len > LOOP_BYTES) to.set(from.subarray(fromAt, fromAt + len), toAt)
  else for (let i = 0; i < len; i++) to[toAt + i] = from[fromAt + i]
}
