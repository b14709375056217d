/**
 * A TCP socket as a state machine over a connection or listener of lib/tas. Here: where it stands, what it is ready for, what events do to
 * it. The calls are in connecting.ts, accepting.ts, transfer.ts, closing.ts and sockopt.ts.
 *
 *      idle --connect--> connecting --> connected --> ended
 *      idle --listen---> listening
 */
import type { Connection, ConnectionInfo } from '../tas/index.js'
import { constants } from 'node:os'
import type { AcceptQueue } from './accepting.js'
import type { SocketAddress } from './address.js'
import { closeSocket } from './closing.js'
import {
  EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDHUP, EPOLLRDNORM, EPOLLWRNORM,
} from './constants.js'
import { errnoOfStatus } from './errors.js'
import { OpenFile } from './openfile.js'
import { SocketOptions } from './options.js'
import type { Stack } from './stack.js'

const NOTHING = new Uint8Array(0)
const IN = EPOLLIN | EPOLLRDNORM
const OUT = EPOLLOUT | EPOLLWRNORM
const EVERYTHING = IN | OUT | EPOLLRDHUP | EPOLLHUP | EPOLLERR
const { ECONNREFUSED, ECONNRESET } = constants.errno

export type SocketState = 'idle' | 'connecting' | 'connected' | 'listening' | 'ended'

/** Results of what a call has asked of the slow path; -1 or null until they are there. */
export class Answers {
  moved = -1
  option = -1
  info: ConnectionInfo | null = null
}

export class TcpSocket extends OpenFile {
  state: SocketState = 'idle'
  readonly options: SocketOptions
  readonly answers = new Answers()
  /** What it was bound to; null if it was not. */
  bound: SocketAddress | null = null
  connection: Connection | null = null
  queue: AcceptQueue | null = null
  /** Pending error, an errno number (SO_ERROR); 0 for none. */
  error = 0
  /** SHUT_RD and SHUT_WR, by `shutdown`. */
  isReadShut = false
  isWriteShut = false
  /** The peer's FIN is behind what was received. */
  hasPeerFinished = false
  /** Everything sent, our FIN included, is acknowledged. */
  isDelivered = false
  /** The listener by which it comes, until it is accepted. */
  parent: AcceptQueue | null = null
  /** A write found too little room; until the connection tells of more. */
  private isFull = false
  /** What was unread when the connection ended and its buffers went. */
  private rest = NOTHING
  private restAt = 0
  /** Bytes read since the peer was last told of the room. */
  private untold = 0

  constructor(stack: Stack, isNonBlocking: boolean, options: SocketOptions = new SocketOptions()) {
    super(stack, isNonBlocking)
    this.options = options
  }

  // ---- what it is ready for ----

  /** Received bytes that can be read. */
  get availableBytes(): number {
    if (this.state === 'connected' && this.connection !== null) return this.connection.rxAvailable
    return this.rest.length - this.restAt
  }

  /** The same as `state` says, for loops in which events change it. */
  get isConnected(): boolean {
    return this.state === 'connected'
  }

  /** Nothing will come behind what can be read. */
  get isReadEnded(): boolean {
    return this.hasPeerFinished || this.isReadShut || this.state === 'ended'
  }

  readiness(): number {
    switch (this.state) {
      case 'connecting': return 0
      case 'listening': return this.listeningReadiness()
      case 'idle': return this.error === 0 ? OUT | EPOLLHUP : EVERYTHING
      case 'ended': return this.error === 0 ? EVERYTHING & ~EPOLLERR : EVERYTHING
      case 'connected': return this.connectedReadiness()
    }
  }

  /** Who looks whether a connection waits wants one. */
  private listeningReadiness(): number {
    this.queue?.demand()
    return this.queue?.isReady === true ? IN : 0
  }

  /** As tcp_poll of Linux. */
  private connectedReadiness(): number {
    const { connection } = this
    if (connection === null) return 0
    let events = 0
    const isEnded = this.hasPeerFinished || this.isReadShut
    if (isEnded) events |= IN | EPOLLRDHUP
    if (connection.rxAvailable > 0) events |= IN
    if (connection.rxUrgent > 0) events |= EPOLLPRI
    if (this.isWriteShut && isEnded) events |= EPOLLHUP
    if (this.isWriteShut || this.isWritable(connection)) events |= OUT
    return events
  }

  private isWritable(connection: Connection): boolean {
    if (this.isFull) return false
    if (connection.txFree > 0) return true
    // Full to the last byte without a write that came short: nobody has asked for word of room yet. Nothing can be allocated by it.
    this.isFull = true
    connection.txAlloc2(Math.max(1, connection.txBuffer.length >> 2))
    return false
  }

  // ---- bytes ----

  /** Bytes that can be sent without waiting. */
  get roomBytes(): number {
    return this.state === 'connected' && this.connection !== null && !this.isFull ? this.connection.txFree : 0
  }

  /** Moves up to `len` received bytes to `target` at `offset`; `isPeek` leaves them where they are. Returns how many. */
  take(target: Uint8Array, offset: number, len: number, isPeek: boolean): number {
    if (this.state !== 'connected' || this.connection === null) return this.takeRest(target, offset, len, isPeek)
    const got = this.connection.peek(target, offset, len)
    if (!isPeek && got > 0) this.giveBack(this.connection, got)
    return got
  }

  /** Drops up to `len` received bytes; `isPeek` leaves them. Returns how many. */
  discard(len: number, isPeek: boolean): number {
    const got = Math.min(len, this.availableBytes)
    if (isPeek) return got
    if (this.state === 'connected' && this.connection !== null) this.giveBack(this.connection, got)
    else this.restAt += got
    return got
  }

  private takeRest(target: Uint8Array, offset: number, len: number, isPeek: boolean): number {
    const got = Math.min(len, this.rest.length - this.restAt)
    target.set(this.rest.subarray(this.restAt, this.restAt + got), offset)
    if (!isPeek) this.restAt += got
    return got
  }

  /**
   * The window opens for the peer at the next call that looks at the context; at once after a quarter of the buffer, so that a program that
   * goes on to something else does not keep it closed.
   */
  private giveBack(connection: Connection, len: number): void {
    connection.rxDone(len)
    this.untold += len
    if (this.untold < connection.rxBuffer.length >> 2) return
    this.untold = 0
    this.stack.context.flush()
  }

  /** Copies up to `len` bytes of `source` from `offset` on to what is sent. Returns how many fitted. To be followed by a flush. */
  put(source: Uint8Array, offset: number, len: number): number {
    const { connection } = this
    if (connection === null || len === 0) return 0
    const got = connection.write(source, offset, len)
    const wasFull = this.isFull
    this.isFull = got < len
    // Room that the program has found by itself; no word of it will come.
    if (wasFull && !this.isFull) this.notify(OUT)
    return got
  }

  // ---- events ----

  received(): void {
    this.notify(IN)
  }

  hasRoom(): void {
    this.isFull = false
    this.notify(OUT)
  }

  peerFinished(): void {
    this.hasPeerFinished = true
    this.notify(this.isWriteShut ? IN | EPOLLRDHUP | EPOLLHUP : IN | EPOLLRDHUP)
  }

  allDelivered(): void {
    this.isDelivered = true
  }

  urgentAnnounced(): void {
    this.notify(EPOLLPRI)
  }

  opened(status: number): void {
    if (status !== 0) {
      this.failed(errnoOfStatus(status, ECONNREFUSED))
      return
    }
    this.state = 'connected'
    this.notify(OUT)
  }

  /** Result of an accept that its parent has asked for. */
  accepted(status: number): void {
    if (status === 0) this.state = 'connected'
    else this.failed(errnoOfStatus(status, ECONNRESET))
    this.parent?.completed(this, status === 0)
  }

  private failed(errno: number): void {
    if (this.connection !== null) this.stack.leave(this.connection)
    this.connection = null
    this.state = 'idle'
    this.error = errno
    this.notify(EVERYTHING)
  }

  ended(status: number): void {
    const { connection } = this
    if (connection === null) return
    this.rest = new Uint8Array(connection.rxAvailable)
    this.take(this.rest, 0, this.rest.length, true)
    this.restAt = 0
    this.state = 'ended'
    this.error = errnoOfStatus(status, ECONNRESET)
    this.hasPeerFinished = true
    this.stack.leave(connection)
    this.notify(EVERYTHING)
  }

  /** It has been shut down in a direction. */
  shut(): void {
    this.notify(EVERYTHING & ~EPOLLERR)
  }

  /** A connection waits to be accepted, or the next one is to be asked for: whoever watches looks. */
  lookForConnection(): void {
    this.notify(IN)
  }

  /** The listener has ended by itself. */
  listenerEnded(errno: number): void {
    this.queue = null
    this.state = 'idle'
    this.error = errno
    this.notify(EVERYTHING)
  }

  /** It lives from the events of `stack` from now on. */
  movedTo(stack: Stack): void {
    this.moveTo(stack)
  }

  protected release(syscall: string): void {
    closeSocket(this, syscall)
  }
}
