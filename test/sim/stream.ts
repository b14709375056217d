/** Long streams between two simulated hosts: bytes are made and checked on the way, so that megabytes cost little. */
import { expect } from 'vitest'
import { CONN_CLOSED, CONN_OPEN, CONN_RECEIVED, CONN_RXCLOSED, createEvents, LISTEN_ACCEPT, type Connection, type Context, type TasEvent } from '../../lib/tas/index.js'
import { SeededRandom } from './random.js'

/** A prime length, so that a byte in the wrong place of any buffer is noticed. */
const PATTERN = new SeededRandom(42).bytes(65_521)
const WRITE_BYTES = 1 << 16

/** What one side does: sends `sendBytes`, expects the pattern, closes after the peer has. */
export class Side {
  received = 0
  sent = 0
  closed = false
  status = 0
  connection: Connection | null = null
  /** Received bytes are given back by this much at most with each poll. */
  readBytes = Infinity
  /** Nothing more is written. */
  hold = false
  private unread = 0
  private finished = false
  private peerFinished = false
  private readonly sendBytes: number
  private readonly context: Context
  private readonly events = createEvents(32)

  constructor(context: Context, sendBytes: number) {
    this.context = context
    this.sendBytes = sendBytes
  }

  listen(port: number): void {
    this.connection = this.context.listen(port).accept()
  }

  connect(ip: number, port: number): void {
    this.connection = this.context.connect(ip, port)
  }

  step(): number {
    const count = this.context.poll(this.events)
    for (let i = 0; i < count; i++) this.handle(this.events[i])
    const before = this.unread
    this.read()
    if (count > 0) this.pump()
    if (this.finished && this.peerFinished && this.unread === 0 && this.connection?.state === 'open') this.connection.close()
    this.context.flush()
    return count + (before - this.unread)
  }

  private handle(event: TasEvent): void {
    if (event.type === CONN_OPEN || event.type === LISTEN_ACCEPT) this.status = event.status
    if (event.type === CONN_RECEIVED) {
      this.check(event.bytes)
      this.check(event.bytes2)
      this.unread += event.total
    }
    if (event.type === CONN_RXCLOSED) this.peerFinished = true
    if (event.type === CONN_CLOSED) {
      this.closed = true
      this.status = event.status
    }
  }

  private check(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const from = this.received % PATTERN.length
      const len = Math.min(bytes.length - at, PATTERN.length - from)
      if (Buffer.compare(bytes.subarray(at, at + len), PATTERN.subarray(from, from + len)) !== 0) throw new Error(`wrong bytes near ${this.received}`)
      this.received += len
      at += len
    }
  }

  private read(): void {
    const { connection } = this
    if (connection === null || this.unread === 0 || this.readBytes === 0) return
    const len = Math.min(this.unread, this.readBytes)
    // What is not given back must stay readable, whatever buffer it is in by now.
    const at = (this.received - this.unread) % PATTERN.length
    expect(connection.rxBuffer[connection.rxOffset]).toBe(PATTERN[at])
    connection.rxDone(len)
    this.unread -= len
  }

  pump(): void {
    const { connection } = this
    if (this.hold || connection === null || connection.state !== 'open' || this.finished) return
    while (this.sent < this.sendBytes) {
      const from = this.sent % PATTERN.length
      const want = Math.min(WRITE_BYTES, this.sendBytes - this.sent, PATTERN.length - from)
      const wrote = connection.write(PATTERN.subarray(from, from + want))
      this.sent += wrote
      if (wrote < want) return
    }
    this.finished = true
    connection.txClose()
  }
}
