/** A context and the sockets that live from its events. */
import {
  CONN_CLOSED, CONN_INFO, CONN_MOVED, CONN_OPEN, CONN_OPTION, CONN_RECEIVED, CONN_RXCLOSED, CONN_SENDBUF, CONN_TXCLOSED, CONN_URGENT,
  ConnectionMap, createEvents, LISTEN_ACCEPT, LISTEN_CLOSED, LISTEN_NEWCONN, LISTEN_OPEN, Tas, TasError,
  type Connection, type Context, type Listener, type SharedTas, type TasEvent, type TasOptions,
} from '../tas/index.js'
import { waitReadable } from '../../native/wake.js'
import { SocketError } from './errors.js'
import type { TcpSocket } from './socket.js'

const EVENTS = 64
/** Full batches that a look at the context takes in at most, so that a flood cannot hold a call for ever. */
const BATCHES_MAX = 16
/** How long closed connections may take when the thread ends; see `finish`. */
const FINISH_US = 1_000_000

/** What sockets of a thread live from; a thread can have several (`init`, `socket`). */
export class Stack {
  readonly tas: Tas
  readonly context: Context
  private readonly sockets = new ConnectionMap<TcpSocket>()
  private readonly listening = new Map<Listener, TcpSocket>()
  /** Closed by the program; their CONN_CLOSED is still to come. */
  private readonly closing = new ConnectionMap<true>()
  private readonly events = createEvents(EVENTS)
  private readonly wakeFds = new Int32Array(1)
  /** The service has ended and all sockets know. */
  private hasEnded = false

  /** Makes a context of `tas`, which stays its maker's to close. */
  constructor(tas: Tas) {
    this.tas = tas
    this.context = tas.createContext()
  }

  /**
   * For `init({ share })` in other threads of the process, which use the same application then: sockets can change from one to the other (`give`,
   * `take`). `workerData` and `postMessage` can carry it. Throws TasError ENOTSUP for a TAS in this thread.
   */
  share(): SharedTas {
    return this.tas.share()
  }

  /** Tells sockets what has happened; hands over what was done before. Returns whether there was anything. */
  poll(): boolean {
    let total = 0
    for (let batch = 0; batch < BATCHES_MAX; batch++) {
      const count = this.context.poll(this.events)
      for (let i = 0; i < count; i++) this.dispatch(this.events[i])
      total += count
      if (count < EVENTS) break
    }
    // Sockets may have asked for connections.
    if (total > 0) this.context.flush()
    return total > 0
  }

  /**
   * Sleeps until something may have happened, `wakeFd` (-1: none) is readable or the clock is at `deadlineUs` (Infinity: never), and tells
   * sockets. Returns false if the time is over. Throws SocketError ENETDOWN if the service has ended, so that nothing can come.
   */
  wait(deadlineUs: number, syscall: string, wakeFd = -1): boolean {
    if (this.poll()) return true
    const timeoutUs = deadlineUs === Infinity ? -1 : deadlineUs - this.tas.nowUs()
    if (timeoutUs !== -1 && timeoutUs <= 0) return false
    if (this.hasEnded) return this.waitWithoutService(timeoutUs, syscall, wakeFd)
    try {
      this.context.block(timeoutUs, wakeFd)
    } catch (error) {
      if (!(error instanceof TasError && error.code === 'ESERVICEGONE')) throw error
      this.hasEnded = true
    }
    this.poll()
    return true
  }

  private waitWithoutService(timeoutUs: number, syscall: string, wakeFd: number): boolean {
    if (wakeFd < 0) throw new SocketError('ENETDOWN', syscall, 'the TAS service has ended')
    this.wakeFds[0] = wakeFd
    waitReadable(this.wakeFds, 1, timeoutUs)
    return true
  }

  /** The clock at the end of a wait of `timeoutUs` microseconds; negative or Infinity: none. */
  deadline(timeoutUs: number): number {
    return timeoutUs < 0 || timeoutUs === Infinity ? Infinity : this.tas.nowUs() + timeoutUs
  }

  enter(connection: Connection, socket: TcpSocket): void {
    this.sockets.set(connection, socket)
  }

  leave(connection: Connection): void {
    this.sockets.delete(connection)
  }

  enterListener(listener: Listener, socket: TcpSocket): void {
    this.listening.set(listener, socket)
  }

  leaveListener(listener: Listener): void {
    this.listening.delete(listener)
  }

  /** The program has closed `connection`, which goes on until all is sent. */
  abandon(connection: Connection): void {
    this.sockets.delete(connection)
    if (connection.state !== 'closed') this.closing.set(connection, true)
    this.context.flush()
  }

  /**
   * Gives closed connections up to a second to deliver what was sent before the thread and, with it, the memory of its connections goes. A
   * kernel would deliver in the background.
   */
  finish(): void {
    const deadlineUs = this.deadline(FINISH_US)
    while (this.closing.size > 0 && !this.tas.gone) {
      if (!this.wait(deadlineUs, 'exit')) break
    }
  }

  /** The thread ends. What it has not closed ends with its application; one that other threads go on with has to be told. */
  end(): void {
    this.finish()
    if (this.tas.isShared) this.tas.close()
  }

  private dispatch(event: TasEvent): void {
    switch (event.type) {
      case LISTEN_OPEN: case LISTEN_NEWCONN: case LISTEN_CLOSED: this.toListener(event); return
      case CONN_CLOSED: this.closing.delete(event.connection)
    }
    const socket = this.sockets.get(event.connection)
    if (socket === undefined) return
    switch (event.type) {
      case CONN_RECEIVED: socket.received(); return
      case CONN_SENDBUF: socket.hasRoom(); return
      case CONN_RXCLOSED: socket.peerFinished(); return
      case CONN_TXCLOSED: socket.allDelivered(); return
      case CONN_URGENT: socket.urgentAnnounced(); return
      case CONN_OPEN: socket.opened(event.status); return
      case LISTEN_ACCEPT: socket.accepted(event.status); return
      case CONN_CLOSED: socket.ended(event.status); return
      case CONN_MOVED: socket.answers.moved = event.status; return
      case CONN_OPTION: if (event.option === 'congestionControl') socket.answers.option = event.status; return
      case CONN_INFO: if (event.status === 0) socket.answers.info = event.info
    }
  }

  private toListener(event: TasEvent): void {
    const queue = this.listening.get(event.listener)?.queue
    if (queue === null || queue === undefined) return
    if (event.type === LISTEN_NEWCONN) queue.arrived()
    else if (event.type === LISTEN_OPEN) queue.opened(event.status)
    else queue.ended(event.status)
  }
}

/** Options of `init`. */
export interface InitOptions extends TasOptions {
  /** Use this Tas of the program, with a context of its own; it stays the program's to close. */
  readonly tas?: Tas
  /** Use the application of another thread (`Stack.share` there). */
  readonly share?: SharedTas
}

let current: Stack | null = null

/**
 * Connects this thread to the TAS service; `socket` and `epoll_create` do it by themselves with default options. Called again it returns
 * what there is, unless for another Tas, or connects anew if the service has ended meanwhile: older sockets stay ended. Throws TasError as
 * `Tas.connect` does. tas_init of the original.
 */
export function init(options: InitOptions = {}): Stack {
  const isOther = (options.tas !== undefined && options.tas !== current?.tas)
    || (options.share !== undefined && options.share.application !== current?.tas.application)
  if (current !== null && !current.tas.gone && !isOther) return current
  const isOwn = options.tas === undefined
  const stack = new Stack(options.tas ?? (options.share === undefined ? Tas.connect(options) : Tas.join(options.share)))
  if (isOwn) process.once('exit', () => stack.end())
  current = stack
  return stack
}
