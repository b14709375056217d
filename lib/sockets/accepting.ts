/** listen and accept: the queue of connections that are open and wait for `accept`. */
import type { Listener } from '../tas/index.js'
import { constants } from 'node:os'
import { errnoOfStatus, errorOfErrno, repeatedError, SocketError, translated } from './errors.js'
import { setOptions } from './options.js'
import { TcpSocket } from './socket.js'
import { takeError } from './transfer.js'
import { mayWait, receiveDeadline } from './waiting.js'

const SOMAXCONN = 4096
const { ECANCELED, EINVAL, ENETDOWN } = constants.errno

/**
 * Takes connections from TAS as they come, at most `backlog` at a time; the others stay with TAS, whose own backlog is as long.
 *
 *      TAS: waiting --listener.accept()--> asked --LISTEN_ACCEPT--> ready --accept(2)--> the program
 *
 * A listener that several threads share tells nobody of connections: each thread that wants one asks for one, and no more, ahead.
 */
export class AcceptQueue {
  readonly listener: Listener
  readonly backlog: number
  /** Other threads accept from the same listener. */
  readonly isShared: boolean
  /** -1: the answer to the open request is still to come; otherwise its status. */
  openStatus = -1
  private readonly socket: TcpSocket
  /** Options that the listener was opened with need not be set again. */
  private readonly known: string
  /** Connections that TAS has told of and that were not asked for. */
  private waiting = 0
  private asked = 0
  private isClosed = false
  private ready: TcpSocket[] = []
  private readyAt = 0

  constructor(socket: TcpSocket, listener: Listener, backlog: number, isShared: boolean) {
    this.socket = socket
    this.listener = listener
    this.backlog = backlog
    this.isShared = isShared
    this.known = JSON.stringify(socket.options.forConnection())
  }

  get isReady(): boolean {
    return this.readyAt < this.ready.length
  }

  /** The oldest connection, or undefined. */
  take(): TcpSocket | undefined {
    if (!this.isReady) return undefined
    const child = this.ready[this.readyAt++]
    if (this.readyAt === this.ready.length) {
      this.ready = []
      this.readyAt = 0
    }
    child.parent = null
    this.ask()
    // An edge-triggered watcher would not look again, and looking is what asks for the next one.
    if (this.isShared && !this.isReady) this.socket.lookForConnection()
    return child
  }

  /** Somebody wants a connection: of a shared listener one is asked for, unless there is one or it has been. */
  demand(): void {
    if (!this.isShared || this.isReady || this.asked > 0) return
    this.waiting = 1
    this.ask()
  }

  /** TAS has a connection. */
  arrived(): void {
    this.waiting++
    this.ask()
  }

  private ask(): void {
    while (this.waiting > 0 && this.asked + this.ready.length - this.readyAt < this.backlog && this.listener.state === 'open') {
      this.waiting--
      this.asked++
      const { stack, options } = this.socket
      const child = new TcpSocket(stack, false, options.clone())
      child.connection = this.listener.accept()
      child.state = 'connecting'
      child.parent = this
      stack.enter(child.connection, child)
      this.setLaterOptions(child)
    }
  }

  /** Options that were set since the listener was opened. */
  private setLaterOptions(child: TcpSocket): void {
    const options = child.options.forConnection()
    if (JSON.stringify(options) === this.known) return
    if (child.connection !== null) setOptions(child.connection, options)
  }

  /** Result of an accept that was asked for. */
  completed(child: TcpSocket, isOpen: boolean): void {
    this.asked--
    if (!isOpen) {
      // Another thread has closed the listener, before or after it was asked.
      if (this.isShared && !this.isClosed && (child.error === ECANCELED || child.error === EINVAL)) this.gone()
      else if (!this.isClosed) this.demand()
      return
    }
    if (this.isClosed) {
      this.drop(child)
      return
    }
    this.ready.push(child)
    this.socket.lookForConnection()
  }

  opened(status: number): void {
    this.openStatus = status
  }

  /** The listener has ended by itself. */
  ended(status: number): void {
    if (this.openStatus < 0) {
      this.openStatus = status
      return
    }
    this.close()
    this.socket.listenerEnded(errnoOfStatus(status, ENETDOWN))
  }

  private gone(): void {
    this.close()
    this.socket.listenerEnded(0)
  }

  /** Stops listening; connections that nobody has accepted are reset. */
  close(): void {
    this.listener.close()
    this.socket.stack.leaveListener(this.listener)
    this.isClosed = true
    for (const child of this.ready.slice(this.readyAt)) this.drop(child)
    this.ready = []
    this.readyAt = 0
  }

  private drop({ connection, stack }: TcpSocket): void {
    if (connection === null) return
    connection.abort()
    stack.abandon(connection)
  }
}

/** Listens, and waits until TAS has said that it does. Throws SocketError EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENETDOWN. listen(2). */
export function listenSocket(socket: TcpSocket, backlog: number, syscall: string): void {
  if (socket.state === 'listening') return
  if (socket.state !== 'idle') throw new SocketError('EINVAL', syscall, `the socket is ${socket.state}`)
  const { stack, bound, options } = socket
  const { address, port } = bound ?? { address: '0.0.0.0', port: 0 }
  const limit = Math.min(Math.max(Math.trunc(backlog), 1), SOMAXCONN)
  const { isShared } = stack.tas
  const listener = translated(syscall, () => stack.context.listen(port, {
    ...options.forConnection(), address, backlog: limit, reusePort: options.isReusePort, silent: isShared,
  }))
  const queue = new AcceptQueue(socket, listener, limit, isShared)
  socket.queue = queue
  stack.enterListener(listener, socket)
  while (queue.openStatus < 0) stack.wait(Infinity, syscall)
  if (queue.openStatus === 0) {
    socket.state = 'listening'
    return
  }
  socket.queue = null
  stack.leaveListener(listener)
  throw errorOfErrno(errnoOfStatus(queue.openStatus, ENETDOWN), syscall, `cannot listen at ${address}:${port}`)
}

/** Takes the oldest connection, waiting for one unless the socket is non-blocking. Throws SocketError EAGAIN, EINVAL. accept(2). */
export function acceptSocket(socket: TcpSocket, syscall: string): TcpSocket {
  let deadlineUs = -1
  for (;;) {
    if (socket.state !== 'listening' || socket.queue === null) {
      if (socket.error !== 0) throw takeError(socket, syscall)
      throw new SocketError('EINVAL', syscall, 'the socket does not listen')
    }
    const child = socket.queue.take()
    if (child !== undefined) return child
    socket.queue.demand()
    if (!mayWait(socket)) {
      // Also when it listens no longer.
      if (socket.stack.poll() && socket.queue?.isReady !== false) continue
      throw repeatedError('EAGAIN', syscall)
    }
    if (deadlineUs < 0) deadlineUs = receiveDeadline(socket)
    if (!socket.stack.wait(deadlineUs, syscall)) throw repeatedError('EAGAIN', syscall)
  }
}
