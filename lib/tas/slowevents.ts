/** What the slow path tells a context (lib/memif/appslow.ts), turned into events. */
import {
  AS_FLOW, AS_GEN_WORKER, AS_HANDLE, AS_LOCAL_IP, AS_OPTION, AS_PORTS, AS_REMOTE_IP, AS_SIZES, AS_STATUS,
  AS_TX_BUFFER, AS_TYPE, AS_VALUE, EV_CONN_CLOSED, EV_CONN_INFO, EV_CONN_MOVED, EV_CONN_OPEN, EV_CONN_OPTION, EV_CONN_TX_BUFFER, EV_CONN_URGENT,
  EV_LISTEN_ACCEPT, EV_LISTEN_CLOSED, EV_LISTEN_NEWCONN, EV_LISTEN_OPEN, OPTION_NAMES,
} from '../memif/index.js'
import type { Connection } from './connection.js'
import type { Context } from './context.js'
import { errorOfStatus } from './errors.js'
import { CONN_MOVED, CONN_OPEN, CONN_OPTION, LISTEN_ACCEPT, LISTEN_NEWCONN, LISTEN_OPEN, type TasEvent } from './events.js'
import type { SlowHandler } from './inbox.js'

export class SlowEvents implements SlowHandler {
  private readonly context: Context

  constructor(context: Context) {
    this.context = context
  }

  owns(connection: Connection): boolean {
    return connection.context === this.context
  }

  forget(connection: Connection): void {
    this.context.tas.connections.remove(connection.handle)
  }

  take(words: Int32Array, at: number, event: TasEvent): boolean {
    switch (words[at + AS_TYPE]) {
      case EV_LISTEN_OPEN: return this.listenOpen(words, at, event)
      case EV_LISTEN_NEWCONN: return this.newConnection(words, at, event)
      case EV_LISTEN_CLOSED: return this.listenClosed(words, at, event)
      case EV_LISTEN_ACCEPT: return this.connectionOpen(words, at, event, LISTEN_ACCEPT)
      case EV_CONN_OPEN: return this.connectionOpen(words, at, event, CONN_OPEN)
      case EV_CONN_CLOSED: return this.connectionClosed(words, at)
      case EV_CONN_MOVED: return this.connectionMoved(words, at, event)
      case EV_CONN_OPTION: return this.connectionOption(words, at, event)
      case EV_CONN_INFO: return this.connectionInfo(words, at, event)
      case EV_CONN_TX_BUFFER: return this.transmitBuffer(words, at)
      case EV_CONN_URGENT: return this.urgent(words, at)
      default: return false
    }
  }

  private listenOpen(words: Int32Array, at: number, event: TasEvent): boolean {
    const listener = this.context.tas.listeners.get(words[at + AS_HANDLE])
    if (listener === null) return false
    const status = words[at + AS_STATUS]
    listener.opened(status, words[at + AS_LOCAL_IP], words[at + AS_PORTS] & 0xffff)
    if (status !== 0) {
      this.context.tas.listeners.remove(listener.handle)
      this.context.endAccepts(listener, status)
    }
    event.set(LISTEN_OPEN, null, listener, status)
    return true
  }

  private newConnection(words: Int32Array, at: number, event: TasEvent): boolean {
    const listener = this.context.tas.listeners.get(words[at + AS_HANDLE])
    if (listener === null || listener.state === 'closing') return false
    event.set(LISTEN_NEWCONN, null, listener, 0)
    event.remoteIp = words[at + AS_REMOTE_IP] >>> 0
    event.remotePort = words[at + AS_PORTS] >>> 16
    return true
  }

  private listenClosed(words: Int32Array, at: number, event: TasEvent): boolean {
    const listener = this.context.tas.listeners.get(words[at + AS_HANDLE])
    if (listener === null) return false
    listener.end(event, words[at + AS_STATUS])
    this.context.tas.listeners.remove(listener.handle)
    return true
  }

  private connectionOpen(words: Int32Array, at: number, event: TasEvent, type: number): boolean {
    const connection = this.context.tas.connections.get(words[at + AS_HANDLE])
    if (connection === null || connection.flow >= 0 || connection.ended) return false
    const status = words[at + AS_STATUS]
    if (status !== 0) {
      this.ends(connection, status)
      return false
    }
    connection.open(words, at)
    this.context.inbox.flows.add(connection)
    if (connection.state !== 'open') return false
    event.set(type, connection, type === LISTEN_ACCEPT ? connection.listener : null, 0)
    return true
  }

  private connectionClosed(words: Int32Array, at: number): boolean {
    const connection = this.context.tas.connections.get(words[at + AS_HANDLE])
    if (connection === null || connection.ended) return false
    // What it had last stands in the ring of the worker that had it last.
    if (connection.flow >= 0) connection.worker = words[at + AS_GEN_WORKER] >>> 16
    this.ends(connection, words[at + AS_STATUS])
    return false
  }

  /** The last event is made when the connection is reported, behind its data. */
  private ends(connection: Connection, status: number): void {
    const { inbox } = this.context
    if (connection.context !== this.context) this.takeOver(connection)
    const closing = connection.state === 'closing'
    const quiet = connection.flow < 0 || closing
    // An attempt that the program itself called off has not failed.
    connection.end(closing && connection.flow < 0 ? 0 : status)
    if (!quiet) {
      inbox.ends(connection)
      return
    }
    inbox.flows.remove(connection)
    connection.drained = true
    inbox.list(connection)
  }

  private connectionMoved(words: Int32Array, at: number, event: TasEvent): boolean {
    const connection = this.named(words, at)
    if (connection === null || connection.movingTo === null || connection.ended) return false
    const status = words[at + AS_STATUS]
    if (status !== 0 && connection.wasHanded) {
      // It has ended while no thread had it, and its buffers are somebody else's.
      connection.rx.lose()
      this.ends(connection, status)
      return false
    }
    if (status === 0) this.takeOver(connection)
    else connection.moved(connection.context)
    // What happened in between is reported, and what was done in between handed over, by whom it belongs to now.
    connection.context.inbox.list(connection)
    connection.context.outbox.touch(connection)
    if (connection.state !== 'open') return false
    event.set(CONN_MOVED, connection, null, status)
    return true
  }

  /** The connection that an entry names by handle, flow and generation, if it is there. */
  private named(words: Int32Array, at: number): Connection | null {
    const connection = this.context.tas.connections.get(words[at + AS_HANDLE])
    const isSame = words[at + AS_FLOW] === connection?.flow && (words[at + AS_GEN_WORKER] & 0xffff) === connection.gen
    return isSame ? connection : null
  }

  /** The same, if it is still the program's. */
  private answered(words: Int32Array, at: number): Connection | null {
    const connection = this.named(words, at)
    return connection?.state === 'open' ? connection : null
  }

  private connectionOption(words: Int32Array, at: number, event: TasEvent): boolean {
    const connection = this.answered(words, at)
    if (connection === null) return false
    event.set(CONN_OPTION, connection, null, words[at + AS_STATUS])
    event.option = OPTION_NAMES[words[at + AS_OPTION]] ?? ''
    return true
  }

  private connectionInfo(words: Int32Array, at: number, event: TasEvent): boolean {
    const connection = this.answered(words, at)
    const requests = connection?.infoRequests ?? null
    if (connection === null || requests === null) return false
    const status = words[at + AS_STATUS]
    const info = status === 0 ? requests.take(words, at) : null
    if (status === 0 && info === null) return false
    const waiter = requests.next()
    if (waiter === undefined) return false
    if (waiter === null) {
      event.setInfo(connection, info, status)
      return true
    }
    if (info !== null) waiter.resolve(info)
    else waiter.reject(errorOfStatus(status, 'the connection has ended'))
    return false
  }

  /** CONN_URGENT is made when the connection is reported, before its data; not while it moves. */
  private urgent(words: Int32Array, at: number): boolean {
    const connection = this.answered(words, at)
    if (connection?.rx.urge(words[at + AS_VALUE]) === true) connection.context.inbox.list(connection)
    return false
  }

  /** Another transmit buffer. The worker hears of it, and of the room that there may be now, with the positions. */
  private transmitBuffer(words: Int32Array, at: number): boolean {
    const connection = this.named(words, at)
    if (connection === null || connection.ended) return false
    const place = words[at + AS_TX_BUFFER]
    // Told again after a change of threads: it is there already.
    if (place === connection.tx.place) return false
    connection.tx.grant(connection.piece(place, (words[at + AS_SIZES] >>> 8) & 0xff), place)
    if (!connection.tx.adopt()) return false
    connection.context.outbox.touch(connection)
    connection.context.inbox.list(connection)
    return false
  }

  private takeOver(connection: Connection): void {
    connection.context.inbox.flows.remove(connection)
    connection.moved(this.context)
    if (connection.flow >= 0) this.context.inbox.flows.add(connection)
  }
}
