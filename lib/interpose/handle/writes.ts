/** The sending half of a handle: what fits goes straight into the transmit buffer, the rest waits for room. */
import type { AsyncResource } from 'node:async_hooks'
import type { Connection } from '../../tas/index.js'
import { UV_EBADF, UV_ECANCELED, UV_ENOTCONN, UV_EPIPE } from '../errors.js'
import { BYTES_WRITTEN, LAST_WRITE_WAS_ASYNC, newWriteRequest, type Request, runTicks, streamState } from '../internals.js'

/** What the writes need of their handle. */
export interface WriteTarget {
  /** The async context of a request that completes later: it is that of who has asked. */
  contextFor(type: string, request: Request): AsyncResource
  /** Tells the result of a write, or of the shutdown. Those of C++ have no context here. */
  completeWrite(request: Request, status: number, context: AsyncResource | null): void
  completeShutdown(request: Request, status: number, context: AsyncResource | null): void
  /** So many requests more, or fewer, are on their way. */
  countRequests(change: number): void
}

/** The request of a write; null: `net` has none, and wants one only of a write that completes later (from Node 26 on). */
export type WriteRequest = Request | null

interface Pending {
  request: WriteRequest
  context: AsyncResource | null
  readonly chunks: readonly Uint8Array[]
  index: number
  offset: number
}

const NOTHING = Buffer.alloc(0)
/** Strings longer than this are encoded before they are copied: it is not known whether they fit. */
const DIRECT_STRING_MAX = 16_384

export class Writes {
  bytesWritten = 0
  /** Bytes that wait for room: `writeQueueSize` of a handle, by which `net` sees whether a write moves. */
  queuedBytes = 0
  private readonly target: WriteTarget
  private connection: Connection | null = null
  /** The transmit buffer as a Buffer, which can take strings. */
  private buffer: Buffer = NOTHING
  private bufferOf: Uint8Array | null = null
  private pending: Pending[] = []
  private shutdownRequest: Request | null = null
  private shutdownContext: AsyncResource | null = null
  private isShut = false
  /** Whether C++ is writing: what waits then is completed there. */
  private isForNative = false
  /** What the next write fails with, once: the error that ended the connection (SO_ERROR); EPIPE after that. */
  private error = 0
  private isEnded = false
  private isClosed = false

  constructor(target: WriteTarget) {
    this.target = target
  }

  open(connection: Connection): void {
    this.connection = connection
  }

  /** One Buffer without an array around it: the common case. */
  writeBytes(request: WriteRequest, bytes: Uint8Array): number {
    const { connection } = this
    if (connection === null || this.pending.length > 0 || this.isShut) return this.writeChunks(request, [bytes], bytes.length)
    const len = bytes.length
    const written = len === 0 ? 0 : connection.write(bytes)
    if (written < len) return this.queue({ request, context: null, chunks: [bytes], index: 0, offset: written }, len, len - written)
    return this.written(len)
  }

  /** What C++ writes. Returns as `writeChunks`. */
  writeNative(request: WriteRequest, buffers: readonly Uint8Array[]): number {
    this.isForNative = true
    try {
      return buffers.length === 1 ? this.writeBytes(request, buffers[0]) : this.writeChunks(request, buffers, lengthOf(buffers))
    } finally {
      this.isForNative = false
    }
  }

  /** The request of the last write that completes later. */
  get lastRequest(): WriteRequest {
    return this.pending.at(-1)?.request ?? null
  }

  /** Encodes a string into the transmit buffer if it fits there in one piece. */
  writeText(request: WriteRequest, text: string, encoding: BufferEncoding): number {
    const len = this.direct === null || text.length === 0 ? -1 : this.putText(this.direct, text, encoding)
    return len < 0 ? this.writeBytes(request, Buffer.from(text, encoding)) : this.written(len)
  }

  /**
   * Several chunks as Node has them: Buffers, or each chunk followed by its encoding (StreamBase::Writev). The answer of an HTTP server is
   * a string and an empty one: what fits goes into the transmit buffer without a Buffer in between, the rest as `writeChunks` has it. All of
   * it leaves together.
   */
  writeList(request: WriteRequest, list: readonly unknown[], areBuffers: boolean): number {
    const { direct } = this
    const step = areBuffers ? 1 : 2
    if (direct === null) return this.writeRest(request, list, 0, step, 0)
    direct.context.hold()
    try {
      return this.putList(direct, request, list, step)
    } finally {
      direct.context.release(direct)
    }
  }

  /** Several chunks. Returns an error, or 0: then streamState says how many bytes, and whether the request completes later. */
  writeChunks(request: WriteRequest, chunks: readonly Uint8Array[], len: number): number {
    streamState[BYTES_WRITTEN] = len
    streamState[LAST_WRITE_WAS_ASYNC] = 0
    const failure = this.check()
    if (failure !== 0) return failure
    const write: Pending = { request, context: null, chunks, index: 0, offset: 0 }
    const before = this.queuedBytes
    this.queuedBytes += len
    if (this.pending.length === 0 && this.push(write)) return this.written(len)
    const left = this.queuedBytes - before
    this.queuedBytes = before
    return this.queue(write, len, left)
  }

  /** There is room: goes on with what waits. */
  room(): void {
    while (this.pending.length > 0 && this.push(this.pending[0])) {
      const done = this.pending.shift()
      if (done !== undefined) this.complete(done, 0)
    }
    if (this.pending.length === 0 && this.shutdownRequest !== null) this.sendFin()
  }

  /**
   * Ends the stream behind what was written. Returns an error, or 0: then the request completes later, and as in libuv (uv_shutdown, uv__drain) what
   * ends the handle before that is not preceded by a FIN.
   */
  shutdown(request: Request, isForNative: boolean): number {
    const { connection } = this
    if (connection === null || this.isShut) return UV_ENOTCONN
    this.isShut = true
    this.shutdownRequest = request
    this.shutdownContext = isForNative ? null : this.target.contextFor('SHUTDOWNWRAP', request)
    this.target.countRequests(1)
    if (this.pending.length === 0) connection.context.defer(() => this.runShutdown())
    return 0
  }

  /**
   * The connection has ended. With `error` what waits fails, and the next write does so: with EPIPE where the peer had sent its FIN
   * (tcp_reset of Linux).
   */
  ended(error: number, hadPeerFin: boolean): void {
    this.connection = null
    this.isEnded = true
    this.error = error !== 0 && hadPeerFin ? UV_EPIPE : error
    const failure = this.pending.length > 0 ? this.takeError() : UV_EPIPE
    this.failAll(failure)
    const request = this.shutdownRequest
    this.shutdownRequest = null
    if (request !== null) this.finishShutdown(request, error === 0 ? 0 : UV_ENOTCONN)
  }

  /** Another part of the handle has told the error. */
  clearError(): void {
    this.error = 0
  }

  /** The handle is closed: nothing more is handed over. */
  close(): void {
    this.connection = null
    this.buffer = NOTHING
    this.bufferOf = null
    this.isEnded = true
    this.isClosed = true
  }

  /** What waited when the handle was closed is called off. */
  cancel(): void {
    this.failAll(UV_ECANCELED)
    const request = this.shutdownRequest
    this.shutdownRequest = null
    if (request !== null) this.finishShutdown(request, UV_ECANCELED)
  }

  /** The connection, if what is written now comes next in its stream. */
  private get direct(): Connection | null {
    return this.pending.length > 0 || this.isShut ? null : this.connection
  }

  private putList(connection: Connection, request: WriteRequest, list: readonly unknown[], step: number): number {
    let at = 0
    let put = 0
    for (; at < list.length; at += step) {
      const len = this.put(connection, list[at], step === 1 ? undefined : list[at + 1])
      if (len < 0) break
      put += len
    }
    if (at > 0 && at >= list.length) return this.written(put)
    return this.writeRest(request, list, at, step, put)
  }

  /** Puts a chunk into the transmit buffer if it fits there as a whole. Returns its length in bytes, or -1. */
  private put(connection: Connection, chunk: unknown, encoding: unknown): number {
    if (typeof chunk === 'string') {
      if (chunk.length === 0) return 0
      if (encoding === 'latin1' || encoding === 'binary') return this.putText(connection, chunk, 'latin1')
      return encoding === 'utf8' || encoding === 'utf-8' ? this.putText(connection, chunk, 'utf8') : -1
    }
    if (!(chunk instanceof Uint8Array) || connection.txFree < chunk.length) return -1
    return chunk.length === 0 ? 0 : connection.write(chunk)
  }

  /** The same for a string that is not empty. */
  private putText(connection: Connection, text: string, encoding: BufferEncoding): number {
    if (text.length > DIRECT_STRING_MAX) return -1
    const len = encoding === 'latin1' ? text.length : Buffer.byteLength(text, encoding)
    if (connection.txFree < len) return -1
    connection.txAlloc2(len)
    const { txOffset, txLength, txLength2, txBuffer } = connection
    if (txLength2 === 0) {
      this.bufferFor(txBuffer).write(text, txOffset, len, encoding)
    } else {
      const bytes = Buffer.from(text, encoding)
      txBuffer.set(bytes.subarray(0, txLength), txOffset)
      txBuffer.set(bytes.subarray(txLength), 0)
    }
    connection.txSend(len)
    return len
  }

  /** What of `list` does not fit from place `from` on; `put` bytes before it did. */
  private writeRest(request: WriteRequest, list: readonly unknown[], from: number, step: number, put: number): number {
    const chunks: Uint8Array[] = []
    let len = 0
    for (let i = from; i < list.length; i += step) {
      const bytes = bytesOf(list[i], step === 1 ? undefined : list[i + 1])
      chunks.push(bytes)
      len += bytes.length
    }
    const failure = this.writeChunks(request, chunks, len)
    this.bytesWritten += put
    streamState[BYTES_WRITTEN] += put
    return failure
  }

  private check(): number {
    if (this.connection !== null && !this.isShut) return 0
    if (this.isClosed) return UV_EBADF
    return this.isEnded ? this.takeError() : UV_EPIPE
  }

  private takeError(): number {
    const error = this.error === 0 ? UV_EPIPE : this.error
    this.error = 0
    return error
  }

  private written(len: number): number {
    this.bytesWritten += len
    streamState[BYTES_WRITTEN] = len
    streamState[LAST_WRITE_WAS_ASYNC] = 0
    return 0
  }

  private queue(write: Pending, len: number, left: number): number {
    this.written(len)
    this.queuedBytes += left
    const request = write.request ??= newWriteRequest()
    if (!this.isForNative) write.context = this.target.contextFor('WRITEWRAP', request)
    this.pending.push(write)
    this.target.countRequests(1)
    streamState[LAST_WRITE_WAS_ASYNC] = 1
    return 0
  }

  /** Hands over as much of `write` as fits. Returns whether that was all. */
  private push(write: Pending): boolean {
    const { connection } = this
    if (connection === null) return false
    while (write.index < write.chunks.length) {
      const chunk = write.chunks[write.index]
      const left = chunk.length - write.offset
      const got = left === 0 ? 0 : connection.write(chunk, write.offset)
      this.queuedBytes -= got
      if (got < left) {
        write.offset += got
        return false
      }
      write.index++
      write.offset = 0
    }
    return true
  }

  private complete({ request, context }: Pending, status: number): void {
    this.target.countRequests(-1)
    if (request !== null) this.target.completeWrite(request, status, context)
  }

  private failAll(status: number): void {
    const failed = this.pending
    this.pending = []
    this.queuedBytes = 0
    for (const write of failed) this.complete(write, status)
  }

  private runShutdown(): void {
    if (this.connection === null || this.shutdownRequest === null || this.pending.length > 0) return
    this.sendFin()
    runTicks()
  }

  private sendFin(): void {
    const request = this.shutdownRequest
    this.shutdownRequest = null
    if (request === null) return
    if (this.connection?.state === 'open') this.connection.txClose()
    this.finishShutdown(request, 0)
  }

  private finishShutdown(request: Request, status: number): void {
    const context = this.shutdownContext
    this.shutdownContext = null
    this.target.countRequests(-1)
    this.target.completeShutdown(request, status, context)
  }

  private bufferFor(bytes: Uint8Array): Buffer {
    if (this.bufferOf !== bytes) {
      this.bufferOf = bytes
      this.buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    }
    return this.buffer
  }
}

function lengthOf(buffers: readonly Uint8Array[]): number {
  let lenBytes = 0
  for (const bytes of buffers) lenBytes += bytes.length
  return lenBytes
}

function bytesOf(chunk: unknown, encoding: unknown): Uint8Array {
  if (typeof chunk === 'string') return Buffer.from(chunk, typeof encoding === 'string' && Buffer.isEncoding(encoding) ? encoding : 'utf8')
  return chunk instanceof Uint8Array ? chunk : Buffer.alloc(0)
}
