/** Programs for simulated hosts: they use the public library like any other, polled by the simulation. */
import {
  CONN_CLOSED, CONN_OPEN, CONN_RECEIVED, CONN_RXCLOSED, CONN_SENDBUF, createEvents, LISTEN_ACCEPT, LISTEN_OPEN,
} from '../../lib/tas/index.js'
import type { Connection, ConnectOptions, Context, Listener, ListenOptions, TasEvent } from '../../lib/tas/index.js'

/** One side of a transfer: sends its bytes, half-closes, keeps what it receives, closes when both directions are done. */
export class Transfer {
  received: number[] = []
  rxClosed = false
  closed = false
  /** errno number that ended the connection, 0 for an orderly close. */
  status = 0
  readonly connection: Connection
  private readonly bytes: Uint8Array
  private sent = 0
  private finished = false

  constructor(connection: Connection, bytes: Uint8Array) {
    this.connection = connection
    this.bytes = bytes
  }

  pump(): void {
    if (this.connection.state !== 'open' || this.finished) return
    while (this.sent < this.bytes.length) {
      const wrote = this.connection.write(this.bytes.subarray(this.sent))
      if (wrote === 0) return
      this.sent += wrote
    }
    this.finished = true
    this.connection.txClose()
  }

  handle(event: TasEvent): void {
    if (event.type === CONN_RECEIVED) {
      for (const part of [event.bytes, event.bytes2]) for (const byte of part) this.received.push(byte)
      this.connection.rxDone(event.total)
    } else if (event.type === CONN_RXCLOSED) this.rxClosed = true
    else if (event.type === CONN_CLOSED) {
      this.closed = true
      this.status = event.status
    } else if (event.type === CONN_OPEN || event.type === LISTEN_ACCEPT || event.type === CONN_SENDBUF) {
      this.status = event.status
      if (event.status !== 0) this.closed = true
    }
    this.pump()
    if (this.rxClosed && this.finished && !this.closed) this.connection.close()
  }
}

/** Polls one context and hands events to the transfer of their connection. */
export class Program {
  readonly transfers = new Map<Connection, Transfer>()
  readonly context: Context
  listening = false
  private readonly events = createEvents(32)
  private accepting: Listener | null = null
  private respond: (() => Uint8Array) | null = null

  constructor(context: Context) {
    this.context = context
  }

  /** Serves: every connection is answered with `respond()`'s bytes. */
  listen(port: number, respond: () => Uint8Array, backlog = 32, options: ListenOptions = {}): Listener {
    this.respond = respond
    this.accepting = this.context.listen(port, { backlog, ...options })
    this.acceptNext()
    return this.accepting
  }

  private acceptNext(): void {
    if (this.accepting === null || this.respond === null) return
    const connection = this.accepting.accept()
    this.transfers.set(connection, new Transfer(connection, this.respond()))
  }

  connect(ip: number, port: number, bytes: Uint8Array, options: ConnectOptions = {}): Transfer {
    const connection = this.context.connect(ip, port, options)
    const transfer = new Transfer(connection, bytes)
    this.transfers.set(connection, transfer)
    return transfer
  }

  /** One poll. Returns the number of events. */
  step(): number {
    const count = this.context.poll(this.events)
    for (let i = 0; i < count; i++) this.dispatch(this.events[i])
    this.context.flush()
    return count
  }

  private dispatch(event: TasEvent): void {
    if (event.type === LISTEN_OPEN) this.listening = event.status === 0
    if (event.type === LISTEN_ACCEPT) this.acceptNext()
    if (event.type === LISTEN_OPEN || event.type >= 11 || event.type === 2) return
    this.transfers.get(event.connection)?.handle(event)
  }
}
