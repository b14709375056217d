/** One connection to a TAS, a service or the program's own: a context on the event loop, and who hears its events. */
import {
  type Connection, type ConnectOptions, type Context, CONN_CLOSED, CONN_OPEN, CONN_RECEIVED, CONN_RXCLOSED, CONN_SENDBUF, ConnectionMap,
  createEvents, type Listener, LISTEN_ACCEPT, LISTEN_CLOSED, LISTEN_NEWCONN, LISTEN_OPEN, type ListenOptions, type Tas, type TasEvent,
} from '../tas/index.js'
import { nowMs, setImmediate } from '../tas/timers.js'
import { runTicks } from './internals.js'

/** Hears what happens to a connection. */
export interface ConnectionSink {
  /** The result of `connect`: 0 or a status of TAS. */
  onOpen(status: number): void
  /** Bytes have come; they stand in the connection's receive buffer. Runs the ticks behind what the program does. */
  onReceived(): void
  /** The peer sends no more. Runs the ticks, too. */
  onReceiveEnd(): void
  /** There is room in the transmit buffer again. */
  onRoom(): void
  /** The connection is gone: 0 or a status of TAS. Its buffers may be read until this returns. */
  onGone(status: number): void
}

/** Hears what happens to a listener. */
export interface ListenerSink {
  onConnection(connection: Connection): void
  onGone(status: number): void
}

interface Listening {
  readonly sink: ListenerSink
  /** Other processes listen on the port as well. */
  readonly isShared: boolean
}

/**
 * Connections that a listener may be given before this thread has looked: each then comes with one event and one message fewer, and without
 * a turn of the service in between. Of a port that processes share each takes one when it has time for it.
 */
const ACCEPTS_AHEAD = 16

/** How long the service may take to open a listener, microseconds: nothing else in the thread runs meanwhile. */
const LISTEN_PATIENCE_US = 5_000_000
const DRAIN_EVENTS = 64
const DRAIN_STEP_US = 10_000

export class Session {
  private readonly tas: Tas
  private readonly context: Context
  /** Null for those that the program has closed and that are not done: their last bytes may be on their way. */
  private readonly connections = new ConnectionMap<ConnectionSink | null>()
  private readonly listeners = new Map<Listener, Listening>()
  private isEnded = false
  private isReplaced = false

  /** Takes `tas` over. Throws TasError if it gives no context. The process is not kept alive until `ref`. */
  constructor(tas: Tas) {
    this.tas = tas
    this.context = this.tas.createContext()
    this.context.attach((event) => this.take(event), { ref: false })
  }

  /** Whether the service is known to have ended. */
  get isGone(): boolean {
    return this.isEnded || this.tas.gone
  }

  /** The service has ended and another session takes over: gives memory and descriptors back once everything has been told. */
  dispose(): void {
    this.isReplaced = true
    if (this.connections.size === 0 && this.listeners.size === 0) this.tas.close()
  }

  networks(): ReturnType<Tas['networks']> {
    return this.tas.networks()
  }

  ref(): void {
    this.context.ref()
  }

  unref(): void {
    this.context.unref()
  }

  /** Opens a connection. Throws TasError as Context.connect does. */
  connect(address: string, port: number, options: ConnectOptions, sink: ConnectionSink): Connection {
    const connection = this.context.connect(address, port, options)
    this.connections.set(connection, sink)
    return connection
  }

  /** Events of an accepted connection go to `sink` from now on. */
  adopt(connection: Connection, sink: ConnectionSink): void {
    this.connections.set(connection, sink)
  }

  /**
   * Opens a listener and waits for the answer. Returns it, or the status of TAS that says why not; -1 if the service does not answer.
   * Throws TasError as Context.listen does.
   */
  listen(port: number, options: ListenOptions, sink: ListenerSink): Listener | number {
    const isShared = options.reusePort === true
    const listener = this.context.listen(port, { ...options, silent: !isShared })
    const status = listener.waitOpen(LISTEN_PATIENCE_US)
    if (status !== 0) {
      listener.close()
      return status
    }
    this.listeners.set(listener, { sink, isShared })
    const ahead = isShared ? 0 : Math.min(options.backlog ?? ACCEPTS_AHEAD, ACCEPTS_AHEAD)
    for (let i = 0; i < ahead; i++) listener.accept()
    return listener
  }

  /** Nobody wants to hear of `connection` any more; it has been closed, or aborted. */
  forget(connection: Connection): void {
    if (connection.state === 'closing') this.connections.set(connection, null)
    else this.connections.delete(connection)
  }

  /** Closes a listener; nobody hears of it any more. */
  unlisten(listener: Listener): void {
    this.listeners.delete(listener)
    listener.close()
  }

  /**
   * The process ends: what it leaves open the service resets. The kernel would close it and deliver what was written, so this is done
   * here first. It takes at most `limitMs`, and `graceMs` once the peers have acknowledged everything, for them to close as well.
   */
  drain(limitMs: number, graceMs: number): void {
    if (this.isGone) return
    this.context.detach()
    for (const connection of this.connections.keys()) this.abandon(connection)
    const events = createEvents(DRAIN_EVENTS)
    const startMs = nowMs()
    let deliveredMs: number | null = null
    while (this.connections.size > 0 && !this.tas.gone) {
      if (this.context.poll(events) === 0) this.context.block(DRAIN_STEP_US)
      for (const connection of this.connections.keys()) if (connection.state === 'closed') this.connections.delete(connection)
      const atMs = nowMs()
      if (deliveredMs === null && [...this.connections.keys()].every((connection) => connection.txDelivered)) deliveredMs = atMs
      if (atMs - startMs > limitMs || (deliveredMs !== null && atMs - deliveredMs > graceMs)) return
    }
  }

  private abandon(connection: Connection): void {
    if (this.connections.get(connection) === null) return
    const isOpen = connection.state === 'open'
    connection.close()
    if (isOpen) this.connections.set(connection, null)
    else this.connections.delete(connection)
  }

  private take(event: TasEvent): void {
    if (this.tas.gone) this.serviceEnded()
    // What a handler throws is an uncaughtException first; Node runs the ticks behind it.
    if (this.deliver(event)) runTicks()
  }

  private serviceEnded(): void {
    this.isEnded = true
    if (this.isReplaced) setImmediate(() => this.dispose())
  }

  /** Returns whether the program may have been called since ticks were last run. */
  private deliver(event: TasEvent): boolean {
    switch (event.type) {
      case CONN_RECEIVED: return this.received(event.connection)
      case CONN_SENDBUF: return this.room(event.connection)
      case CONN_RXCLOSED: return this.receiveEnded(event.connection)
      case CONN_OPEN: return this.opened(event.connection, event.status)
      case CONN_CLOSED: return this.closed(event.connection, event.status)
      case LISTEN_NEWCONN: return this.incoming(event.listener)
      case LISTEN_ACCEPT: return this.accepted(event)
      case LISTEN_CLOSED:
      case LISTEN_OPEN: return this.listenerEvent(event.listener, event.status)
      default: return false
    }
  }

  private received(connection: Connection): boolean {
    this.connections.get(connection)?.onReceived()
    return false
  }

  private receiveEnded(connection: Connection): boolean {
    this.connections.get(connection)?.onReceiveEnd()
    return false
  }

  private room(connection: Connection): boolean {
    this.connections.get(connection)?.onRoom()
    return true
  }

  private opened(connection: Connection, status: number): boolean {
    const sink = this.connections.get(connection)
    if (status !== 0) this.connections.delete(connection)
    sink?.onOpen(status)
    return true
  }

  private closed(connection: Connection, status: number): boolean {
    const sink = this.connections.get(connection) ?? null
    this.connections.delete(connection)
    sink?.onGone(status)
    return sink !== null
  }

  private incoming(listener: Listener): boolean {
    if (this.listeners.has(listener)) acceptNext(listener)
    return false
  }

  /** A client that has gone before it was accepted is nobody's: the kernel's accept does not show it either. */
  private accepted(event: TasEvent): boolean {
    if (event.status !== 0) return false
    const { connection, listener } = event
    const listening = this.listeners.get(listener)
    if (listening === undefined) {
      connection.abort()
      return true
    }
    if (!listening.isShared) acceptNext(listener)
    listening.sink.onConnection(connection)
    return true
  }

  private listenerEvent(listener: Listener, status: number): boolean {
    if (listener.state !== 'closed') return false
    const listening = this.listeners.get(listener)
    this.listeners.delete(listener)
    listening?.sink.onGone(status)
    return true
  }
}

function acceptNext(listener: Listener): void {
  if (listener.state === 'open') listener.accept()
}
