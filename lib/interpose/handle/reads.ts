/**
 * The receiving half of a handle: bytes go from the receive buffer to `net` as one ArrayBuffer each, or to whoever in C++ reads the
 * stream (TLS, HTTP/2, the HTTP parser).
 */
import type { Connection } from '../../tas/index.js'
import { setImmediate } from '../../tas/timers.js'
import { UV_EOF } from '../errors.js'
import { ARRAY_BUFFER_OFFSET, READ_BYTES_OR_ERROR, runTicks, streamState } from '../internals.js'
import type { StreamCutter } from './cutter.js'
import { FrameCutter } from './http2frames.js'
import { RecordCutter } from './tlsrecords.js'

/** Most bytes in a read, as libuv asks for them (uv__read, Node's alloc callback). */
const READ_MAX_BYTES = 65_536

/** What the reads need of their handle. */
export interface ReadTarget {
  /** Calls the handle's `onread` in its async context. Returns the next user buffer, if any. */
  callOnRead(bytes: ArrayBuffer | undefined): unknown
  /** The same for an error, which goes to the owner of the stream that C++ has put above this one, if there is one. */
  callOnError(): void
  /** Gives bytes, or the end, to the reader in C++. */
  readBuffer(bytes: Uint8Array): void
  emitEOF(): void
  /** Whether it has to keep the process alive may have changed. */
  updateHold(): void
}

/** How many readers in C++ are being given bytes of a connection now. */
export const nativeReads = { underWay: 0 }

/** Who reads the stream in C++, as far as it matters for how it is cut. */
export type NativeReader = 'http2' | 'tls' | 'other'

export class Reads {
  /** The program's own buffer (option `onread` of a socket), or null. */
  userBuffer: Uint8Array | null = null
  bytesRead = 0
  isReading = false
  /** Whether C++ reads the stream. */
  isForNative = false
  /** The end, or an error, has been told: nothing follows. */
  isOver = false
  private readonly target: ReadTarget
  private connection: Connection | null = null
  /** Bytes that were unread when the connection ended. */
  private rest: Uint8Array | null = null
  private isPeerDone = false
  private error = 0
  private isScheduled = false
  private isDelivering = false
  private isClosed = false
  /**
   * Bytes in the receive buffer that the reader in C++ is being given, and bytes behind them that one read of libuv would have had as well: HTTP/2
   * is given a frame at a time (http2frames.ts), TLS a record (tlsrecords.ts).
   */
  private lentBytes = 0
  private chunkBytes = 0
  private nativeReader: NativeReader = 'other'
  private cutter: StreamCutter | null = null

  constructor(target: ReadTarget) {
    this.target = target
  }

  open(connection: Connection): void {
    this.connection = connection
  }

  /** Whether a read may still find something. */
  get isActive(): boolean {
    return this.isReading && !this.isOver
  }

  /** C++ reads the stream from now on, or somebody else there does. */
  readNatively(reader: NativeReader): void {
    this.isForNative = true
    if (reader === this.nativeReader) return
    this.nativeReader = reader
    this.cutter = null
  }

  start(): void {
    this.isReading = true
    if (this.hasWork()) this.schedule()
  }

  stop(): void {
    this.isReading = false
  }

  /**
   * Somebody else reads from now on, who has not been told of the end. An error is told once; what follows it is the end, as in the kernel
   * (SO_ERROR).
   */
  handOver(): void {
    if (this.isOver && this.error !== 0) {
      this.error = 0
      this.isPeerDone = true
    }
    this.isOver = false
    this.userBuffer = null
  }

  /** The peer sends no more. */
  peerDone(): void {
    this.isPeerDone = true
    this.deliver()
  }

  /** The connection has ended, with `error` or in good order (0). Its receive buffer is gone when this returns. */
  ended(error: number): void {
    this.keepRest()
    this.connection = null
    this.error = error
    if (error === 0) this.isPeerDone = true
    this.deliver()
  }

  /** The handle is closed. Bytes that a reader is being given count as read: they must not make the close a reset. */
  close(): void {
    this.lentBytes += this.chunkBytes
    this.chunkBytes = 0
    this.takeBack()
    this.isClosed = true
    this.rest = this.connection = this.userBuffer = null
  }

  /** Reads while there is something to read and somebody who wants it. */
  deliver(): void {
    if (this.isDelivering) return
    this.isDelivering = true
    try {
      while ((this.isActive || this.isWithin) && !this.isClosed && this.deliverOne()) runTicks()
    } finally {
      this.isDelivering = false
      // Only after an exception of the program's: the rest comes in a turn of its own.
      if ((this.isReading || this.isWithin) && this.hasWork()) this.schedule()
    }
  }

  /**
   * A TLSWrap decrypts all that it has been given, whether its reader has stopped reading meanwhile or not (TLSWrap::ClearOut): what one read of libuv
   * would have had comes whole. An HTTP/2 session that ends stops reading, and hears of the peer's end no other way.
   */
  private get isWithin(): boolean {
    return this.chunkBytes > 0 && this.nativeReader === 'tls' && !this.isOver
  }

  private hasWork(): boolean {
    if (this.isOver || this.isClosed) return false
    return this.isPeerDone || this.error !== 0 || this.rest !== null || (this.connection?.rxAvailable ?? 0) > 0
  }

  private schedule(): void {
    if (this.isScheduled) return
    this.isScheduled = true
    setImmediate(runScheduled, this)
  }

  /** @internal */
  runScheduled(): void {
    this.isScheduled = false
    this.deliver()
  }

  /** One read. Returns whether there was one. */
  private deliverOne(): boolean {
    const available = this.connection?.rxAvailable ?? 0
    if (this.rest !== null) this.deliverRest(this.rest)
    else if (this.connection !== null && available > 0) this.deliverFrom(this.connection, available)
    else if (this.error !== 0) this.tellError()
    else if (this.isPeerDone) this.tellEnd()
    else return false
    return true
  }

  private deliverFrom(connection: Connection, available: number): void {
    if (this.isForNative) this.lend(connection, available)
    else if (this.userBuffer !== null) this.fillUserBuffer(connection, this.userBuffer)
    else this.giveCopy(connection, available < READ_MAX_BYTES ? available : READ_MAX_BYTES)
  }

  private giveCopy(connection: Connection, len: number): void {
    const bytes = Buffer.allocUnsafeSlow(len)
    connection.peek(bytes)
    connection.rxDone(len)
    this.give(bytes.buffer, len)
  }

  private give(bytes: ArrayBuffer, len: number): void {
    this.bytesRead += len
    streamState[READ_BYTES_OR_ERROR] = len
    streamState[ARRAY_BUFFER_OFFSET] = 0
    this.target.callOnRead(bytes)
  }

  private fillUserBuffer(connection: Connection, user: Uint8Array): void {
    const len = connection.peek(user)
    connection.rxDone(len)
    this.giveUser(len)
  }

  private giveUser(len: number): void {
    this.bytesRead += len
    streamState[READ_BYTES_OR_ERROR] = len
    const next = this.target.callOnRead(undefined)
    if (next instanceof Uint8Array) this.userBuffer = next
  }

  /** C++ copies what it is given, so it may stand in the receive buffer; it is given back afterwards, as it may be read meanwhile. */
  private lend(connection: Connection, available: number): void {
    const { rxBuffer, rxOffset } = connection
    const chunk = this.chunkBytes > 0 ? this.chunkBytes : Math.min(available, READ_MAX_BYTES, rxBuffer.length - rxOffset)
    const len = this.cut(rxBuffer, rxOffset, chunk)
    this.chunkBytes = chunk - len
    this.bytesRead += len
    this.lentBytes = len
    try {
      // Half the cost of subarray.
      this.giveNatively(new Uint8Array(rxBuffer.buffer, rxBuffer.byteOffset + rxOffset, len))
    } finally {
      this.takeBack()
    }
  }

  private giveNatively(bytes: Uint8Array): void {
    nativeReads.underWay++
    try {
      this.target.readBuffer(bytes)
    } finally {
      nativeReads.underWay--
    }
  }

  private cut(bytes: Uint8Array, offset: number, len: number): number {
    if (this.nativeReader === 'other') return len
    this.cutter ??= this.nativeReader === 'tls' ? new RecordCutter() : new FrameCutter()
    return this.cutter.take(bytes, offset, len)
  }

  /** What the reader in C++ was given is read. */
  private takeBack(): void {
    if (this.lentBytes > 0) this.connection?.rxDone(this.lentBytes)
    this.lentBytes = 0
  }

  /** From what was left when the connection ended. */
  private deliverRest(rest: Uint8Array): void {
    const { userBuffer } = this
    const isForUser = userBuffer !== null && !this.isForNative
    const chunk = this.chunkBytes > 0 ? this.chunkBytes : Math.min(rest.length, isForUser ? userBuffer.length : READ_MAX_BYTES)
    const len = this.isForNative ? this.cut(rest, 0, chunk) : chunk
    this.chunkBytes = chunk - len
    this.rest = len < rest.length ? rest.subarray(len) : null
    const part = rest.subarray(0, len)
    if (this.isForNative) {
      this.bytesRead += len
      this.giveNatively(part)
    } else if (isForUser) {
      userBuffer.set(part)
      this.giveUser(len)
    } else {
      const bytes = Buffer.allocUnsafeSlow(len)
      bytes.set(part)
      this.give(bytes.buffer, len)
    }
  }

  private keepRest(): void {
    this.takeBack()
    const { connection, isClosed } = this
    if (connection === null || connection.rxAvailable === 0 || isClosed) {
      this.chunkBytes = 0
      return
    }
    this.rest = Buffer.allocUnsafeSlow(connection.rxAvailable)
    connection.peek(this.rest)
  }

  private tellEnd(): void {
    this.over()
    if (this.isForNative) {
      this.target.emitEOF()
    } else {
      streamState[READ_BYTES_OR_ERROR] = UV_EOF
      this.target.callOnRead(undefined)
    }
  }

  private tellError(): void {
    this.over()
    streamState[READ_BYTES_OR_ERROR] = this.error
    this.target.callOnError()
  }

  private over(): void {
    this.isOver = true
    this.target.updateHold()
  }
}

function runScheduled(reads: Reads): void {
  reads.runScheduled()
}
