/** The handle of a connection: what `net.Socket` has beneath it in place of `TCP` (deps/uv, src/tcp_wrap.cc, src/stream_base.cc). */
import type { AsyncResource } from 'node:async_hooks'
import { type Connection, TasError } from '../../tas/index.js'
import { setImmediate } from '../../tas/timers.js'
import { callProgram, unshareId } from '../async.js'
import {
  UV_EADDRINUSE, UV_EADDRNOTAVAIL, UV_EBADF, UV_ECANCELED, UV_ECONNREFUSED, UV_ECONNRESET, UV_EINVAL, UV_EISCONN, UV_ENOTCONN, uvError,
} from '../errors.js'
import { type KernelHandle, OWNER, type Request, runTicks, type SocketName } from '../internals.js'
import { isWildcard } from '../routing.js'
import type { ConnectionSink, Session } from '../session.js'
import type { Transport } from '../transport.js'
import { whenClosed } from './closing.js'
import { writeName } from './name.js'
import { HandleOptions } from './options.js'
import type { Reads } from './reads.js'
import { complete, StreamHandle } from './stream.js'
import type { Writes } from './writes.js'

/** An address that the program has bound the handle to, before `connect`. */
interface Binding {
  readonly address: string
  readonly port: number
  readonly isIpv6: boolean
  readonly flags: number
}

/** Puts a handle of the kernel's TCP in the place of `handle` beneath its socket, and returns it (hooks/kernelhandle.ts). */
export type ToKernel = (handle: ConnectionHandle) => KernelHandle

/** What is closed in the place of a handle whose connection has been lent. */
export interface Closable {
  close(callback?: () => void): void
}

export class ConnectionHandle extends StreamHandle {
  readonly options = new HandleOptions()
  private readonly toKernel: ToKernel
  private readonly events = new ConnectionEvents(this, this.reads, this.writes)
  private session: Session | null = null
  private connection: Connection | null = null
  private connecting: Request | null = null
  private connectContext: AsyncResource | null = null
  private bound: Binding | null = null
  private isIpv6 = false
  private hadPeerFin = false
  private standIn: Closable | null = null
  private isBack = false

  constructor(transport: Transport, toKernel: ToKernel, triggerAsyncId?: number) {
    super(transport, triggerAsyncId)
    this.toKernel = toKernel
  }

  /** Takes over a connection that has been accepted in `session`. `isIpv6`: by a listener on `::`, which shows mapped addresses. */
  accept(session: Session, connection: Connection, isIpv6: boolean): void {
    this.isIpv6 = isIpv6
    session.adopt(connection, this.events)
    this.attach(session, connection)
  }

  // Names, as src/tcp_wrap.cc has them.

  bind(address: string, port: number, flags = 0): number {
    return this.bindTo({ address, port, isIpv6: false, flags })
  }

  bind6(address: string, port: number, flags = 0): number {
    return this.bindTo({ address, port, isIpv6: true, flags })
  }

  getsockname(out: SocketName): number {
    const { connection, bound } = this
    if (connection !== null && connection.localPort !== 0) {
      writeName(out, connection.localAddress, connection.localPort, this.isIpv6)
    } else if (bound !== null) {
      writeName(out, bound.address, bound.port, bound.isIpv6)
    } else {
      return UV_EBADF
    }
    return 0
  }

  getpeername(out: SocketName): number {
    const { connection } = this
    if (connection === null || connection.remotePort === 0) return UV_ENOTCONN
    writeName(out, connection.remoteAddress, connection.remotePort, this.isIpv6)
    return 0
  }

  // Opening.

  connect(request: Request, address: string, port: number): number {
    return this.connectTo(request, address, port, false)
  }

  connect6(request: Request, address: string, port: number): number {
    return this.connectTo(request, address, port, true)
  }

  /** A listener has a handle of its own (handle/listener.ts). */
  listen(): number {
    return UV_EINVAL
  }

  /** There is no descriptor to open. */
  open(): number {
    return UV_EINVAL
  }

  // Options.

  setNoDelay(isOn: boolean): number {
    return this.options.setNoDelay(isOn)
  }

  setKeepAlive(isOn: boolean, idleSeconds: number, intervalSeconds?: number, count?: number): number {
    return this.options.setKeepAlive(isOn, idleSeconds, intervalSeconds, count)
  }

  setTypeOfService(tos: number): number {
    return this.options.setTypeOfService(tos)
  }

  getTypeOfService(): number {
    return this.options.getTypeOfService()
  }

  setSimultaneousAccepts(): number {
    return 0
  }

  setBlocking(): number {
    return 0
  }

  // Life.

  close(callback?: () => void): void {
    // Two close a handle that has been lent: its owner, who means the descriptor that has gone to another process, and the relay.
    if (this.standIn !== null && (!this.isBack || this.isClosed)) this.standIn.close(callback)
    else if (!this.isClosed) this.end(false, callback)
  }

  /**
   * Lends the connection to a relay, which reads and writes it until it has called `giveBack`. What its owner closes until then is `standIn`.
   * What has been received and not read is the relay's, and it hears of the end also if that has been told.
   */
  lend(standIn: Closable): void {
    this.standIn = standIn
    this.readStop()
    this.reads.handOver()
  }

  /** The relay is about to close the connection. */
  giveBack(): void {
    this.isBack = true
  }

  /** Whether the connection can be lent: it is established, or was. */
  get isLendable(): boolean {
    return this.isConnected && this.connecting === null && !this.isClosed
  }

  /** Closes with a RST (uv_tcp_close_reset). */
  reset(callback?: () => void): number {
    if (this.isClosed) return UV_EINVAL
    this.end(true, callback)
    return 0
  }

  // What TAS tells.

  onOpen(status: number): void {
    const request = this.connecting
    if (request === null || this.isClosed) return
    this.connecting = null
    this.countRequests(-1)
    if (status === 0 && this.connection !== null && this.session !== null) this.attach(this.session, this.connection)
    else this.connection = null
    this.completeConnect(request, status === 0 ? 0 : uvError(status, UV_ECONNREFUSED), true)
  }

  onReceiveEnd(): void {
    this.hadPeerFin = true
    this.reads.peerDone()
  }

  onGone(status: number): void {
    const error = status === 0 ? 0 : uvError(status, UV_ECONNRESET)
    this.options.close()
    this.session = null
    this.reads.ended(error)
    if (this.isClosed) return
    if (this.reads.isOver) this.writes.clearError()
    this.writes.ended(this.reads.isOver && !this.hadPeerFin ? 0 : error, this.hadPeerFin)
    this.updateHold()
  }

  /** What another handle that takes this one's place needs to know. */
  get binding(): Binding | null {
    return this.bound
  }

  get openRequest(): object | null {
    return this.connecting
  }

  /** Whether the program has called unref. */
  get isUnreferenced(): boolean {
    return !this.isReferenced
  }

  protected get isConnected(): boolean {
    return this.connection !== null
  }

  private bindTo(binding: Binding): number {
    if (this.isClosed) return UV_EBADF
    if (this.bound !== null || this.connection !== null) return UV_EINVAL
    if (isWildcard(binding.address) || this.transport.router.isOwn(binding.address)) {
      if (!this.isFree(binding)) return UV_EADDRINUSE
      this.bound = binding
      return 0
    }
    return bindKernel(this.toKernel(this), binding)
  }

  /** bind(2) refuses the port of a listener. */
  private isFree({ address, port }: Binding): boolean {
    return port === 0 || this.transport.claims.isFree({ address, port, isShared: false })
  }

  private connectTo(request: Request, address: string, port: number, isIpv6: boolean): number {
    if (this.isClosed) return UV_EBADF
    if (this.connection !== null || this.connecting !== null) return UV_EISCONN
    if (!this.transport.router.connects(address, port, this.bound?.address)) return this.connectInKernel(request, address, port, isIpv6)
    this.isIpv6 = isIpv6
    const error = this.openOnTas(address, port)
    if (error !== 0) return error
    this.connecting = request
    this.connectContext = this.contextFor('TCPCONNECTWRAP', request)
    this.countRequests(1)
    return 0
  }

  private completeConnect(request: Request, status: number, isOpen: boolean): void {
    const context = this.connectContext
    this.connectContext = null
    if (context !== null) complete(request, context, status, this, request, isOpen, isOpen)
  }

  private openOnTas(address: string, port: number): number {
    const session = this.transport.session()
    if (session === null) {
      setImmediate(failOpen, this)
      return 0
    }
    const { bound } = this
    const localAddress = bound === null || isWildcard(bound.address) ? {} : { localAddress: plain(bound.address) }
    try {
      this.session = session
      this.connection = session.connect(plain(address), port, { ...localAddress, localPort: bound?.port ?? 0 }, this.events)
      return 0
    } catch (error) {
      if (!(error instanceof TasError)) throw error
      if (error.code === 'EINVAL') return UV_EADDRNOTAVAIL
      setImmediate(failOpen, this)
      return 0
    }
  }

  private connectInKernel(request: Request, address: string, port: number, isIpv6: boolean): number {
    const { bound } = this
    const kernel = this.toKernel(this)
    const error = bound === null ? 0 : bindKernel(kernel, bound)
    if (error !== 0) return error
    return isIpv6 ? kernel.connect6(request, address, port) : kernel.connect(request, address, port)
  }

  private attach(session: Session, connection: Connection): void {
    this.session = session
    this.connection = connection
    this.reads.open(connection)
    this.writes.open(connection)
    this.options.open(connection)
    this.updateHold()
  }

  private end(isReset: boolean, callback: (() => void) | undefined): void {
    this.isClosed = true
    this.reads.close()
    this.writes.close()
    this.options.close()
    const { connection, session } = this
    if (connection !== null && session !== null) {
      if (isReset) connection.abort()
      else connection.close()
      session.forget(connection)
    }
    this.updateHold()
    whenClosed(() => this.finishClose(callback))
  }

  private finishClose(callback: (() => void) | undefined): void {
    this.transport.live.delete(this)
    const request = this.connecting
    this.connecting = null
    if (request !== null) {
      this.countRequests(-1)
      this.completeConnect(request, UV_ECANCELED, false)
    }
    this.writes.cancel()
    // As behind each callback of libuv: what was called off is told before the close.
    runTicks()
    if (callback !== undefined) callProgram(this.resource, callback, this)
    unshareId(this, this.resource.asyncId())
    this.resource.emitDestroy()
    this.letGo()
  }

  /**
   * A JSStream counts as reachable until V8 collects its old generation, and with it all that it holds: without this half of what each
   * connection leaves behind is copied there first.
   */
  private letGo(): void {
    this[OWNER] = null
    this.connection = null
    this.session = null
  }
}

/**
 * Hears what happens to the connection of a handle. What comes with each packet goes to the halves without the handle: `_tls_wrap.js`
 * redefines its property `reading`, whereupon V8 keeps all its properties in a hash table, and each is slow to read.
 */
class ConnectionEvents implements ConnectionSink {
  private readonly handle: ConnectionHandle
  private readonly reads: Reads
  private readonly writes: Writes

  constructor(handle: ConnectionHandle, reads: Reads, writes: Writes) {
    this.handle = handle
    this.reads = reads
    this.writes = writes
  }

  onOpen(status: number): void {
    this.handle.onOpen(status)
  }

  onReceived(): void {
    this.reads.deliver()
  }

  onReceiveEnd(): void {
    this.handle.onReceiveEnd()
  }

  onRoom(): void {
    this.writes.room()
  }

  onGone(status: number): void {
    this.handle.onGone(status)
  }
}

/** The address without the IPv6 form around it. */
function plain(address: string): string {
  return address.replace(/^::ffff:/i, '')
}

function bindKernel(kernel: KernelHandle, { address, port, isIpv6, flags }: Binding): number {
  return isIpv6 ? kernel.bind6(address, port, flags) : kernel.bind(address, port, flags)
}

/** TAS is away: what a host without the service answers to a SYN. */
function failOpen(handle: ConnectionHandle): void {
  handle.onOpen(-UV_ECONNREFUSED)
}

/** The socket or server that a handle belongs to. */
export function ownerOf(handle: { [key: symbol]: unknown }): unknown {
  return handle[OWNER]
}
