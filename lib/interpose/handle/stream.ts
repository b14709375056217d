/** The stream of a handle: what `net` and C++ read from and write to (src/stream_base.cc, src/js_stream.cc). */
import type { AsyncResource } from 'node:async_hooks'
import { nextTick } from '../../tas/timers.js'
import { callProgram, callReader, muteInits, shareId, ShownResource, TCP_WRAP, unmuteInits } from '../async.js'
import { UV_EBADF, UV_ENOTCONN } from '../errors.js'
import { JSStream, LAST_WRITE_ERROR, LAST_WRITE_WAS_ASYNC, type Request, setOnRead, streamState } from '../internals.js'
import type { Transport } from '../transport.js'
import { noteAsked } from './asked.js'
import { Reads, type ReadTarget } from './reads.js'
import { type WriteRequest, Writes, type WriteTarget } from './writes.js'

type OnRead = (this: unknown, bytes: ArrayBuffer | undefined) => unknown

/** A stream of C++ above this one: the TLSWrap of a TLS socket. */
export interface StreamAbove {
  onread?: OnRead
  /** The one above that: TLS within TLS. */
  above?: StreamAbove | null
}

export abstract class StreamHandle extends JSStream implements ReadTarget, WriteTarget {
  [key: symbol]: unknown
  private tlsAbove: StreamAbove | null = null
  protected readonly transport: Transport
  /** The async context of the callbacks. */
  protected resource: ShownResource
  protected readonly reads = new Reads(this)
  protected readonly writes = new Writes(this)
  protected isReferenced = true
  protected isClosed = false
  private isHeld = false
  private isConsumed = false
  private requests = 0
  private onReadCallback: OnRead | null = null

  /** `triggerAsyncId`: what it comes from if that is not who runs now. */
  constructor(transport: Transport, triggerAsyncId?: number) {
    const inits = muteInits()
    super()
    unmuteInits(inits)
    this.transport = transport
    transport.live.add(this)
    this.resource = new ShownResource('TCPWRAP', this, triggerAsyncId)
    if (inits > 0) shareId(this, this, this.resource.asyncId())
  }

  /** Whether there is a connection that can be read. */
  protected abstract readonly isConnected: boolean

  // The stream, as `net` uses it.

  get fd(): number {
    return -1
  }

  get bytesRead(): number {
    return this.reads.bytesRead
  }

  get bytesWritten(): number {
    return this.writes.bytesWritten
  }

  get writeQueueSize(): number {
    return this.writes.queuedBytes
  }

  get onread(): OnRead | null {
    return this.onReadCallback
  }

  set onread(callback: OnRead | null) {
    this.onReadCallback = callback
    setOnRead.call(this, callback)
  }

  /** Everybody in Node who is going to read the stream in C++ asks this first: TLS, the HTTP parser, HTTP/2. The first two say so then. */
  get isStreamBase(): boolean {
    if (!this.isConnected) noteAsked(this)
    this.readNatively()
    return true
  }

  /** Set by the HTTP server when its parser reads the stream (lib/_http_server.js). */
  get _consumed(): boolean {
    return this.isConsumed
  }

  set _consumed(is: boolean) {
    this.isConsumed = is
    if (this.reads.isForNative) this.readNatively()
  }

  /** An HTTP parser reads the stream from now on. */
  readByParser(): void {
    this.isConsumed = true
    this.readNatively()
  }

  /** The TLSWrap that reads this stream, if there is one: JSStream can tell C++ of an end, but not of an error. */
  get above(): StreamAbove | null {
    return this.tlsAbove
  }

  set above(above: StreamAbove | null) {
    this.tlsAbove = above
    this.readNatively()
  }

  /**
   * What `net` asks before it starts to read and notes when it has (tryReadStart). HTTP/2 stops reading while a write is under way; if its session
   * ends then, it is `net` that has to go on.
   */
  get reading(): boolean {
    return this.reads.isReading
  }

  set reading(_is: boolean) {
    // readStart and readStop follow.
  }

  override useUserBuffer(buffer: Uint8Array): void {
    this.reads.userBuffer = buffer
    super.useUserBuffer(buffer)
  }

  readStart(): number {
    if (this.isClosed) return UV_EBADF
    this.reads.start()
    this.updateHold()
    return 0
  }

  readStop(): number {
    this.reads.stop()
    this.updateHold()
    return 0
  }

  writeBuffer(request: WriteRequest, bytes: Uint8Array): number | Request {
    // By `write` with the encoding `buffer` (src/stream_base.cc, WriteBuffer).
    if (typeof bytes === 'string') throw noBuffer()
    return this.answer(request, this.writes.writeBytes(request, bytes))
  }

  writeUtf8String(request: WriteRequest, text: string): number | Request {
    return this.answer(request, this.writes.writeText(request, text, 'utf8'))
  }

  writeLatin1String(request: WriteRequest, text: string): number | Request {
    return this.answer(request, this.writes.writeText(request, text, 'latin1'))
  }

  writeAsciiString(request: WriteRequest, text: string): number | Request {
    return this.answer(request, this.writes.writeText(request, text, 'latin1'))
  }

  writeUcs2String(request: WriteRequest, text: string): number | Request {
    return this.answer(request, this.writes.writeText(request, text, 'utf16le'))
  }

  /** `chunks` are Buffers, or each chunk is followed by its encoding (StreamBase::Writev). */
  writev(request: WriteRequest, chunks: readonly unknown[], areBuffers: boolean): number | Request {
    return this.answer(request, this.writes.writeList(request, chunks, areBuffers))
  }

  shutdown(request: Request): number {
    return this.isClosed ? UV_ENOTCONN : this.writes.shutdown(request, false)
  }

  // The stream, as C++ uses it (src/js_stream.cc).

  isClosing(): boolean {
    return this.isClosed
  }

  onreadstart(): number {
    this.readNatively()
    return this.readStart()
  }

  onreadstop(): number {
    return this.readStop()
  }

  /** A write of C++ must not complete before this has returned. */
  onwrite(request: Request, buffers: readonly Uint8Array[]): number {
    const error = this.writes.writeNative(request, buffers)
    if (error === 0 && streamState[LAST_WRITE_WAS_ASYNC] === 0) nextTick(finishWrite, this, request)
    return error
  }

  onshutdown(request: Request): number {
    return this.isClosed ? UV_ENOTCONN : this.writes.shutdown(request, true)
  }

  // Life.

  ref(): void {
    this.isReferenced = true
    this.updateHold()
  }

  unref(): void {
    this.isReferenced = false
    this.updateHold()
  }

  hasRef(): boolean {
    return this.isReferenced && this.transport.live.has(this)
  }

  override getAsyncId(): number {
    return this.resource.asyncId()
  }

  override getProviderType(): number {
    return TCP_WRAP ?? super.getProviderType()
  }

  /** The socket serves another request from now on, in the async context of who calls this (lib/_http_agent.js). */
  override asyncReset(shown: object): void {
    this.resource.emitDestroy()
    this.resource = new ShownResource('TCPWRAP', shown)
    shareId(this, shown, this.resource.asyncId())
  }

  // What the halves need.

  callOnRead(bytes: ArrayBuffer | undefined): unknown {
    const callback = this.onReadCallback
    return callback === null ? undefined : callReader(this.resource, callback, this, bytes)
  }

  callOnError(): void {
    let { above } = this
    while (above?.above) above = above.above
    if (above?.onread !== undefined) callReader(this.resource, above.onread, above, undefined)
    else this.callOnRead(undefined)
  }

  contextFor(type: string, request: Request): AsyncResource {
    return new ShownResource(type, request, this.resource.asyncId())
  }

  completeWrite(request: Request, status: number, context: AsyncResource | null): void {
    if (context === null) this.finishWrite(request, status)
    else complete(request, context, status, this, undefined)
  }

  completeShutdown(request: Request, status: number, context: AsyncResource | null): void {
    if (context === null) this.finishShutdown(request, status)
    else complete(request, context, status)
  }

  countRequests(change: number): void {
    this.requests += change
    this.updateHold()
  }

  /** As libuv: handles that read and are referenced keep the process alive, and so does every request. */
  updateHold(): void {
    const isReading = this.isReferenced && !this.isClosed && this.isConnected && this.reads.isActive
    const isHeld = isReading || this.requests > 0
    if (isHeld === this.isHeld) return
    this.isHeld = isHeld
    if (isHeld) this.transport.hold()
    else this.transport.release()
  }

  /** What a write returns: an error, 0, or where `net` has brought no request that of a write which completes later. */
  private answer(given: WriteRequest, failure: number): number | Request {
    if (given !== null || failure !== 0 || streamState[LAST_WRITE_WAS_ASYNC] === 0) return failure
    if (LAST_WRITE_ERROR >= 0) streamState[LAST_WRITE_ERROR] = 0
    return this.writes.lastRequest ?? failure
  }

  /** C++ reads the stream from now on, or may. */
  readNatively(): void {
    if (this.tlsAbove !== null) this.reads.readNatively('tls')
    else this.reads.readNatively(this.isConsumed ? 'other' : 'http2')
  }
}

/** Tells the result of a request in its own context, which ends with it. Hooks hear of that end in a later turn, as from C++. */
export function complete(request: Request, context: AsyncResource, ...results: readonly unknown[]): void {
  context.emitDestroy()
  if (request.oncomplete !== undefined) callProgram(context, request.oncomplete, request, ...results)
}

function noBuffer(): Error {
  return Object.assign(new TypeError('Second argument must be a buffer'), { code: 'ERR_INVALID_ARG_TYPE' })
}

function finishWrite(handle: StreamHandle, request: Request): void {
  handle.finishWrite(request, 0)
}
