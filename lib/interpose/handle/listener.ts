/** The handle of a listener: what `net.Server` has in place of `TCP`. */
import { type Connection, type Listener, type ListenOptions, TasError } from '../../tas/index.js'
import { atRoot, callProgram, ShownResource } from '../async.js'
import type { Claim } from '../claims.js'
import { UV_EADDRINUSE, UV_EADDRNOTAVAIL, UV_EBADF, UV_ETIMEDOUT } from '../errors.js'
import { type KernelHandle, type SocketName, TCP, TCP_SERVER } from '../internals.js'
import { isWildcard } from '../routing.js'
import type { ListenerSink, Session } from '../session.js'
import type { LiveHandle, Transport, Waiting } from '../transport.js'
import { whenClosed } from './closing.js'
import { closeAll, forward, type KernelListener, openCompanions, portOf } from './companions.js'
import { type ConnectionHandle } from './connection.js'
import { writeName } from './name.js'

/** What to listen on. */
export interface ListenPlace {
  /** An address of TAS, or '0.0.0.0' or '::' for all. */
  readonly address: string
  readonly port: number
  readonly isIpv6: boolean
  readonly flags: number
  /** Other listeners may share the port (SO_REUSEPORT). */
  readonly isShared: boolean
}

/** What is sent to another process for a listener. */
export interface SentListener {
  readonly handle: KernelHandle
  /** It has nothing to do with the listener: the descriptor that a message must have. */
  readonly isPlaceholder: boolean
}

/** So often a port that TAS has chosen may be taken in the kernel. */
const PORT_TRIES = 16
const STATUS_NO_ANSWER = -1

/** Makes the handle of a connection that comes from the resource with the async id. */
export type MakeHandle = (triggerAsyncId: number) => ConnectionHandle

export class ListenerHandle implements ListenerSink, Waiting, KernelListener, LiveHandle {
  [key: symbol]: unknown
  onconnection?: (this: unknown, status: number, client: unknown) => void
  readonly fd = -1
  readonly reading = false
  /** Called when it listens, and when it is closed. */
  afterListen: ((port: number) => void) | null = null
  afterClose: (() => void) | null = null
  /** Asked of each connection before the server hears of it; it is reset if the answer is no. */
  admits: ((client: ConnectionHandle) => boolean) | null = null
  readonly place: ListenPlace
  private readonly transport: Transport
  private readonly makeClient: () => ConnectionHandle
  private readonly resource = new ShownResource('TCPSERVERWRAP', this)
  private companions: readonly KernelListener[]
  private readonly isGiven: boolean
  private isShared: boolean
  /** Others listen in its place: it only holds the name. */
  private hasStoodBack = false
  private placeholder: KernelHandle | null = null
  private session: Session | null = null
  private listener: Listener | null = null
  private claim: Claim | null = null
  port: number
  private backlog = 0
  private isListening = false
  private isReferenced = true
  private isHeld = false
  private isClosed = false

  /** `given`: a listener of the kernel that is there already, and whose port this one takes. */
  constructor(transport: Transport, place: ListenPlace, makeHandle: MakeHandle, given: KernelListener | null = null) {
    this.transport = transport
    this.place = place
    this.makeClient = () => makeHandle(this.resource.asyncId())
    transport.live.add(this)
    this.isGiven = given !== null
    this.isShared = place.isShared
    this.companions = given === null ? [] : [given]
    this.port = given === null ? place.port : portOf(given) || place.port
  }

  /** Listens, in TAS and beside it. Returns 0 or an error. Without a service it does so as soon as there is one; without a TAS of its own, never. */
  listen(backlog: number): number {
    this.backlog = Math.max(1, backlog)
    if (this.port !== 0 && !this.transport.claims.isFree(this.wanted(this.port))) return UV_EADDRINUSE
    const error = this.isGiven ? this.listenBeside() : this.listenAnew()
    if (error !== 0) return error
    for (const companion of this.companions) forward(companion, this)
    this.claim = this.wanted(this.port)
    this.transport.claims.add(this.claim)
    this.isListening = true
    this.updateHold()
    this.afterListen?.(this.port)
    return 0
  }

  getsockname(out: SocketName): number {
    if (this.isClosed) return UV_EBADF
    writeName(out, this.place.address, this.port, this.place.isIpv6)
    return 0
  }

  ref(): void {
    this.isReferenced = true
    for (const companion of this.companions) companion.ref()
    this.updateHold()
  }

  unref(): void {
    this.isReferenced = false
    for (const companion of this.companions) companion.unref()
    this.updateHold()
  }

  hasRef(): boolean {
    return this.isReferenced && this.transport.live.has(this)
  }

  getAsyncId(): number {
    return this.resource.asyncId()
  }

  get kernelHandles(): readonly object[] {
    return this.companions
  }

  setSimultaneousAccepts(): number {
    return 0
  }

  close(callback?: () => void): void {
    if (this.isClosed) return
    this.isClosed = true
    this.isListening = false
    this.transport.unwait(this)
    if (this.claim !== null) this.transport.claims.delete(this.claim)
    this.leave()
    closeAll(this.companions, this)
    this.placeholder?.close()
    this.afterClose?.()
    this.updateHold()
    whenClosed(() => {
      this.transport.live.delete(this)
      if (callback !== undefined) callProgram(this.resource, callback, this)
      this.resource.emitDestroy()
    })
  }

  // Other processes.

  /**
   * Lets other processes of this user listen on the port as well. TAS asks that of every listener from its start, so it is opened anew:
   * connections that have not been accepted are reset. Returns 0 or an error.
   */
  share(): number {
    if (this.isShared) return 0
    this.isShared = true
    if (this.claim === null) return 0
    this.transport.claims.delete(this.claim)
    this.claim = this.wanted(this.port)
    this.transport.claims.add(this.claim)
    if (this.listener === null) return 0
    this.leave()
    return this.open(this.port)
  }

  /** Other processes listen by now: leaves all connections to them. */
  standBack(): void {
    this.hasStoodBack = true
    this.transport.unwait(this)
    this.leave()
  }

  /**
   * A descriptor that can be sent to another process for this listener: of a listener in the kernel, where there is one, else one that only
   * stands for it. Returns an error if there is none to be had.
   */
  sendable(): SentListener | number {
    const [companion] = this.companions
    if (companion instanceof TCP) return { handle: companion as KernelListener as KernelHandle, isPlaceholder: false }
    if (this.placeholder === null) {
      const handle = new TCP(TCP_SERVER)
      const error = handle.bind('127.0.0.1', 0)
      if (error !== 0) return error
      this.placeholder = handle
    }
    return { handle: this.placeholder, isPlaceholder: true }
  }

  // What TAS tells.

  onConnection(connection: Connection): void {
    const { session, onconnection } = this
    if (session === null || onconnection === undefined) {
      connection.abort()
      return
    }
    // As a TCPWrap made by C++: it belongs to no async context of the program's.
    const client = atRoot(this.makeClient)
    client.accept(session, connection, this.place.isIpv6)
    if (this.admits !== null && !this.admits(client)) client.reset()
    else callProgram(this.resource, onconnection, this, 0, client)
  }

  /** The service has ended. As on a host whose network is gone nobody comes, until it is back. */
  onGone(): void {
    this.listener = null
    this.session = null
    if (!this.isClosed && !this.hasStoodBack) this.transport.wait(this)
  }

  onService(): void {
    if (this.isClosed) return
    const error = this.open(this.port)
    // The port may still be held by what the service before left behind, or be somebody else's now.
    if (error !== 0) this.transport.wait(this)
  }

  /** A listener of the kernel is there: TAS has to take its port. */
  private listenBeside(): number {
    const [given] = this.companions
    const error = given.listen(this.backlog)
    if (error !== 0) return error
    if (this.port === 0) this.port = portOf(given)
    return this.open(this.port)
  }

  private listenAnew(): number {
    if (this.port !== 0 || this.transport.session() === null) return this.listenOn(this.port)
    let error = 0
    for (let tries = 0; tries < PORT_TRIES; tries++) {
      error = this.open(0)
      if (error !== 0) return error
      error = this.openBeside(this.port)
      if (error !== UV_EADDRINUSE) break
      this.leave()
      this.port = 0
    }
    if (error !== 0) this.leave()
    return error
  }

  /** The kernel first: whether port and address can be had at all is its answer as well. */
  private listenOn(port: number): number {
    let error = this.openBeside(port)
    if (error !== 0) return error
    if (port === 0 && this.companions.length > 0) this.port = portOf(this.companions[0])
    error = this.open(this.port)
    if (error !== 0) {
      closeAll(this.companions, this)
      this.companions = []
    }
    return error
  }

  private openBeside(port: number): number {
    if (!isWildcard(this.place.address)) return 0
    const opened = openCompanions(this.transport.settings.kernelListen, this.place.isIpv6, port, this.place.flags, this.backlog, this)
    if (typeof opened === 'number') return opened
    this.companions = opened
    return 0
  }

  /** Opens the listener in TAS, or sees to it that it will be. */
  private open(port: number): number {
    const session = this.transport.session()
    if (session === null) {
      const { refusal } = this.transport
      if (refusal === 0) this.transport.wait(this)
      return refusal
    }
    const opened = this.tryOpen(session, port)
    if (typeof opened === 'number') return opened
    this.session = session
    this.listener = opened
    this.port = opened.port
    return 0
  }

  private tryOpen(session: Session, port: number): Listener | number {
    const { isShared, place: { address } } = this
    const options: ListenOptions = { backlog: this.backlog, reusePort: isShared, ...(isWildcard(address) ? {} : { address }) }
    try {
      // The wait for the answer sets off the loop that takes events.
      const opened = atRoot(() => session.listen(port, options, this))
      if (typeof opened !== 'number') return opened
      return opened === STATUS_NO_ANSWER ? UV_ETIMEDOUT : -opened
    } catch (error) {
      if (error instanceof TasError) return UV_EADDRNOTAVAIL
      throw error
    }
  }

  private wanted(port: number): Claim {
    return { address: this.place.address, port, isShared: this.isShared }
  }

  private leave(): void {
    if (this.listener !== null) this.session?.unlisten(this.listener)
    this.listener = null
    this.session = null
  }

  private updateHold(): void {
    const isHeld = this.isListening && this.isReferenced
    if (isHeld === this.isHeld) return
    this.isHeld = isHeld
    if (isHeld) this.transport.hold()
    else this.transport.release()
  }
}
