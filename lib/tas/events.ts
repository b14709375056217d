/** What happens on a context: event types and the reusable event object. */
import type { Connection } from './connection.js'
import type { ConnectionInfo } from './connectioninfo.js'
import type { OptionName } from './connectionoptions.js'
import { codeOfStatus, errorOfStatus, TasError } from './errors.js'
import type { Listener } from './listener.js'

/** Result of `Context.listen`: listener, status. FLEXTCP_EV_LISTEN_OPEN. */
export const LISTEN_OPEN = 1
/** A connection waits to be accepted: listener, remoteIp, remotePort. FLEXTCP_EV_LISTEN_NEWCONN. */
export const LISTEN_NEWCONN = 2
/** `Listener.accept` completed: listener, connection, status. FLEXTCP_EV_LISTEN_ACCEPT. */
export const LISTEN_ACCEPT = 3
/** Result of `Context.connect`: connection, status. FLEXTCP_EV_CONN_OPEN. */
export const CONN_OPEN = 4
/**
 * The connection is gone: connection, status. 0 after an orderly close, else the error that ended it. Nothing follows
 * it, and its buffers must no longer be touched. FLEXTCP_EV_CONN_CLOSED.
 */
export const CONN_CLOSED = 5
/** Data arrived: connection, buffer, offset, length, length2. FLEXTCP_EV_CONN_RECEIVED. */
export const CONN_RECEIVED = 6
/** There is room again after an allocation came short: connection, length (free bytes). FLEXTCP_EV_CONN_SENDBUF. */
export const CONN_SENDBUF = 7
/** The peer sends no more: connection. FLEXTCP_EV_CONN_RXCLOSED. */
export const CONN_RXCLOSED = 8
/** Everything sent, the FIN included, is acknowledged: connection. FLEXTCP_EV_CONN_TXCLOSED. */
export const CONN_TXCLOSED = 9
/** The connection has moved to this context: connection, status. FLEXTCP_EV_CONN_MOVED. */
export const CONN_MOVED = 10
/** The listener is closed and its port free: listener, status. The C API has no such event. */
export const LISTEN_CLOSED = 11
/** An option that `setOption` asked for is in force, or refused: connection, option, status. */
export const CONN_OPTION = 12
/** Answer to `requestInfo`: connection, info, status. */
export const CONN_INFO = 13
/** The peer has urgent data, or more of it; `connection.rxUrgent` says up to where: connection. The C API has no such event. */
export const CONN_URGENT = 14

const NAMES = [
  'NONE', 'LISTEN_OPEN', 'LISTEN_NEWCONN', 'LISTEN_ACCEPT', 'CONN_OPEN', 'CONN_CLOSED', 'CONN_RECEIVED', 'CONN_SENDBUF',
  'CONN_RXCLOSED', 'CONN_TXCLOSED', 'CONN_MOVED', 'LISTEN_CLOSED', 'CONN_OPTION',
  'CONN_INFO', 'CONN_URGENT',
] as const

/** Name of an event type, for messages: 'CONN_RECEIVED'. */
export function eventName(type: number): string {
  return NAMES[type] ?? `event ${type}`
}

const NOTHING = new Uint8Array(0)

/**
 * One event (struct flextcp_event). `Context.poll` fills objects that the program owns, so what is
 * in one holds until it is handed to `poll` again; in a callback, until the callback returns.
 * Which fields mean something is said at the event types.
 */
export class TasEvent {
  /** LISTEN_OPEN, ..., or 0 before the first use. */
  type = 0
  /** 0, or the errno number of what went wrong (`STATUS_SERVICE_GONE` if TAS ended). */
  status = 0
  /** Peer's address as an unsigned 32-bit number (LISTEN_NEWCONN). */
  remoteIp = 0
  /** Peer's port (LISTEN_NEWCONN). */
  remotePort = 0
  /** Whole receive buffer of the connection (CONN_RECEIVED); the bytes are the connection's until `rxDone`. */
  buffer: Uint8Array = NOTHING
  /** Where in `buffer` the received bytes start. */
  offset = 0
  /** Received bytes from `offset` on. */
  length = 0
  /** Received bytes that go on at the start of `buffer`. */
  length2 = 0
  /** Name of the option (CONN_OPTION). */
  option: OptionName | '' = ''
  private theInfo: ConnectionInfo | null = null
  private theConnection: Connection | null = null
  private theListener: Listener | null = null

  /** The connection. Throws TasError EINVAL for an event that has none. */
  get connection(): Connection {
    if (this.theConnection === null) throw this.lacks('connection')
    return this.theConnection
  }

  /** The listener. Throws TasError EINVAL for an event that has none. */
  get listener(): Listener {
    if (this.theListener === null) throw this.lacks('listener')
    return this.theListener
  }

  /** What was asked for (CONN_INFO). Throws TasError EINVAL for an event that has none. */
  get info(): ConnectionInfo {
    if (this.type !== CONN_INFO || this.theInfo === null) throw this.lacks('info')
    return this.theInfo
  }

  /** Name of the status: '' if all is well, else 'ECONNREFUSED', 'ETIMEDOUT', ... */
  get code(): string {
    return codeOfStatus(this.status)
  }

  /** The status as an error to throw, or null if all is well. */
  get error(): TasError | null {
    return this.status === 0 ? null : errorOfStatus(this.status, eventName(this.type))
  }

  /**
   * Whether the program itself closed the connection after the event was made: `poll` may have put more than one of its
   * events into the array. Callbacks of `attach` never see such events.
   */
  get stale(): boolean {
    return this.theConnection !== null && this.type !== CONN_CLOSED && this.theConnection.state === 'closing'
  }

  /** Received bytes in both parts. */
  get total(): number {
    return this.length + this.length2
  }

  /** View of the first part. Makes an object: use `buffer` and `offset` where that counts. */
  get bytes(): Uint8Array {
    return this.buffer.subarray(this.offset, this.offset + this.length)
  }

  /** View of the part behind the wrap, mostly empty. */
  get bytes2(): Uint8Array {
    return this.buffer.subarray(0, this.length2)
  }

  /** @internal */
  set(type: number, connection: Connection | null, listener: Listener | null, status: number): void {
    this.type = type
    this.theConnection = connection
    this.theListener = listener
    this.status = status
    this.length = 0
    this.length2 = 0
  }

  /** @internal */
  setInfo(connection: Connection, info: ConnectionInfo | null, status: number): void {
    this.set(CONN_INFO, connection, null, status)
    this.theInfo = info
  }

  private lacks(what: string): TasError {
    return new TasError('EINVAL', `${eventName(this.type)} has no ${what}`)
  }
}

/** `count` event objects for `Context.poll`. */
export function createEvents(count: number): TasEvent[] {
  return Array.from({ length: count }, () => new TasEvent())
}
