/** One end of a connection at work: writes, reads, pauses and ends as its plan says, and checks every byte. */
import { CONN_CLOSED, CONN_OPEN, CONN_RECEIVED, CONN_RXCLOSED, CONN_SENDBUF, LISTEN_ACCEPT, type Connection, type TasEvent } from '../../../lib/tas/index.js'
import { Pattern } from './pattern.js'
import type { EndPlan } from './plan.js'

/** A slow reader is done with everything after so many reads, and after so long. */
const READS_MAX = 2000
const READING_MAX_US = 20_000_000

/** What a side needs of the world: to be given a step at a time. */
export interface Clock {
  readonly nowUs: number
  wakeAt(atUs: number): void
}

export interface SideOptions {
  readonly name: string
  readonly plan: EndPlan
  readonly peerPlan: EndPlan
  /** Sends first when there are rounds. */
  readonly isClient: boolean
  /** What the connection is known by at both ends, once it is open. */
  readonly key: (connection: Connection) => number
}

export class Side {
  readonly name: string
  readonly connection: Connection
  /** Of the connection, the same at both ends; 0 before it is open. */
  key = 0
  received = 0
  sent = 0
  opened = false
  closed = false
  /** errno number that ended it. */
  status = 0
  /** It ended the connection without regard for what was under way. */
  aborted = false
  rxClosed = false
  /** A connection with itself: it reads what it writes. */
  isLoop = false
  /** What is wrong; empty if nothing is. */
  fault = ''
  private readonly options: SideOptions
  private readonly clock: Clock
  private readonly readBytes: number
  private out = new Pattern(0)
  private in = new Pattern(0)
  private unread = 0
  private finished = false
  private nextWriteUs = 0
  private nextReadUs = 0
  private hasPaused = false
  /** Waits for CONN_SENDBUF. */
  private isFull = false

  constructor(connection: Connection, clock: Clock, options: SideOptions) {
    const { plan, peerPlan } = options
    this.name = options.name
    this.connection = connection
    this.options = options
    this.clock = clock
    const reads = plan.readUs === 0 ? READS_MAX : Math.min(READS_MAX, Math.max(1, READING_MAX_US / plan.readUs))
    this.readBytes = plan.readUs === 0 ? plan.readBytes : Math.max(plan.readBytes, Math.ceil(peerPlan.sendBytes / reads))
  }

  /** What its peer sends if nothing goes wrong. */
  get expected(): number {
    return this.options.peerPlan.sendBytes
  }

  get planned(): number {
    return this.options.plan.sendBytes
  }

  handle(event: TasEvent): void {
    if (this.closed) return this.fail(`event ${event.type} after its end`)
    switch (event.type) {
      case CONN_OPEN: case LISTEN_ACCEPT: return this.open(event)
      case CONN_RECEIVED: return this.receive(event)
      case CONN_SENDBUF:
        this.isFull = false
        return
      case CONN_RXCLOSED:
        if (this.rxClosed) this.fail('CONN_RXCLOSED twice')
        this.rxClosed = true
        return
      case CONN_CLOSED:
        this.closed = true
        this.status = event.status
    }
  }

  private open(event: TasEvent): void {
    this.status = event.status
    if (event.status !== 0) {
      this.closed = true
      return
    }
    if (this.opened) this.fail('opened twice')
    this.opened = true
    this.key = this.options.key(this.connection)
    const { isClient } = this.options
    this.out = new Pattern(this.key * 2 + (isClient ? 0 : 1))
    this.in = this.isLoop ? this.out : new Pattern(this.key * 2 + (isClient ? 1 : 0))
  }

  private receive(event: TasEvent): void {
    if (event.stale) return
    if (this.rxClosed) this.fail('bytes after CONN_RXCLOSED')
    for (const bytes of [event.bytes, event.bytes2]) {
      if (!this.in.isAt(this.received, bytes)) this.fail(`wrong bytes in ${this.received} to ${this.received + bytes.length}`)
      this.received += bytes.length
    }
    this.unread += event.total
    if (this.received > this.expected) this.fail(`${this.received} bytes of ${this.expected}`)
  }

  /** Does what is due. Returns how much that was. */
  step(): number {
    if (this.closed || !this.opened || this.connection.state !== 'open') return 0
    const work = this.read() + this.write()
    this.finish()
    return work
  }

  private read(): number {
    const { plan } = this.options
    if (this.unread === 0 || !this.isDue(this.nextReadUs)) return 0
    if (plan.pauseAt >= 0 && !this.hasPaused && this.received >= plan.pauseAt) {
      this.hasPaused = true
      this.nextReadUs = this.later(plan.pauseUs)
      return 0
    }
    const len = Math.min(this.unread, this.readBytes)
    const { connection } = this
    // What is not given back must stay readable, whatever buffer it is in by now.
    const first = connection.rxBuffer[connection.rxOffset]
    if (first !== this.in.bytes(this.received - this.unread, 1)[0]) this.fail(`byte ${this.received - this.unread} has changed`)
    connection.rxDone(len)
    this.unread -= len
    if (plan.readUs > 0 && this.unread > 0) this.nextReadUs = this.later(plan.readUs)
    return 1
  }

  /** Bytes that may have been sent by now: rounds wait for the other's. */
  private get allowed(): number {
    const { plan, peerPlan, isClient } = this.options
    if (plan.roundBytes === 0 || peerPlan.roundBytes === 0 || this.isLoop) return plan.sendBytes
    const rounds = Math.floor(this.received / peerPlan.roundBytes) + (isClient ? 1 : 0)
    return Math.min(plan.sendBytes, rounds * plan.roundBytes)
  }

  private write(): number {
    const { plan } = this.options
    let work = 0
    while (!this.finished && !this.isFull && this.sent < this.allowed && this.isDue(this.nextWriteUs)) {
      const want = Math.min(plan.writeBytes, this.allowed - this.sent)
      const bytes = this.out.bytes(this.sent, want)
      const wrote = this.connection.write(bytes)
      this.sent += wrote
      if (wrote > 0) work++
      this.isFull = wrote < bytes.length
      if (plan.thinkUs > 0) this.nextWriteUs = this.later(plan.thinkUs)
    }
    return work
  }

  private finish(): void {
    const { plan } = this.options
    const { connection } = this
    if (plan.end === 'abort' && this.sent + this.received >= plan.abortAt) return this.abort(plan.isLinger0)
    const isAllSent = this.sent === plan.sendBytes
    const isAllReceived = this.received === this.expected && this.unread === 0
    if (plan.end === 'close' && isAllSent && isAllReceived) return connection.close()
    // What waits to be read does not keep a FIN back.
    if (isAllSent && !this.finished && plan.end !== 'close') {
      this.finished = true
      connection.txClose()
    }
    if (this.rxClosed && isAllSent && this.unread === 0) connection.close()
  }

  private abort(isLinger0: boolean): void {
    this.aborted = true
    if (isLinger0) this.connection.close({ lingerMs: 0 })
    else this.connection.abort()
  }

  private isDue(atUs: number): boolean {
    return this.clock.nowUs >= atUs
  }

  private later(afterUs: number): number {
    const atUs = this.clock.nowUs + afterUs
    this.clock.wakeAt(atUs)
    return atUs
  }

  private fail(what: string): void {
    if (this.fault === '') this.fault = what
  }
}
