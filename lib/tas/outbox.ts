/**
 * What a context hands over: positions of connections to workers, requests to the slow path.
 *
 * Connections whose positions changed stand in a list, each once, whatever was done to it: rxDone
 * and several txSend become one entry. Because entries carry absolute positions, a full ring only
 * means that a connection stays listed until the next flush.
 */
import {
  AS_CONTEXT, AS_FLAGS, AS_VALUE, CLOSE_ABORT, CLOSE_LINGER, REQ_CONN_CLOSE, REQ_CONN_MOVE,
} from '../memif/index.js'
import type { WorkerChannel } from './channel.js'
import type { Connection } from './connection.js'
import type { ServiceLink } from './link.js'
import type { RequestQueue } from './requests.js'

/** Sends after which positions are handed over without waiting for poll, block or flush. */
const BATCH = 32
/** Sends between two looks at the clock, and what they take a program that is slow: all that waits is handed over, lest its worker and peers run dry. */
const LOOK_SENDS = 4
const SLOW_US = 20

type Clock = Pick<ServiceLink, 'nowUs'>

export class Outbox {
  readonly requests: RequestQueue
  private readonly channels: readonly WorkerChannel[]
  private readonly onRoom: (connection: Connection) => void
  private readonly dirty: Connection[] = []
  private readonly clock: Clock
  private count = 0
  private sends = 0
  private lookedUs = 0
  private isHeld = false

  /** `onRoom` is told of a connection whose positions went out after its ring had been full. */
  constructor(channels: readonly WorkerChannel[], requests: RequestQueue, clock: Clock, onRoom: (connection: Connection) => void) {
    this.channels = channels
    this.requests = requests
    this.clock = clock
    this.onRoom = onRoom
  }

  /** The positions of `connection` have changed, or it has a request that must follow them. */
  touch(connection: Connection): void {
    if (connection.dirty) return
    connection.dirty = true
    this.dirty[this.count++] = connection
  }

  /** As `touch`, after txSend: hands over every BATCH sends, so that a long burst starts to leave early; of a slow program sooner. */
  sent(connection: Connection): void {
    this.touch(connection)
    if (this.isHeld) return
    if (++this.sends % LOOK_SENDS === 0 && (this.sends >= BATCH || this.isSlow())) this.flush()
  }

  /** Until `release` nothing leaves because of `sent`. */
  hold(): void {
    this.isHeld = true
  }

  /** What was sent since `hold` counts as one. */
  release(connection: Connection): void {
    this.isHeld = false
    if (connection.dirty) this.sent(connection)
  }

  /** Whether what was sent since the last look took long. The first look since the last flush only begins to measure. */
  private isSlow(): boolean {
    const nowUs = this.clock.nowUs()
    const tookUs = nowUs - this.lookedUs
    this.lookedUs = nowUs
    return this.sends > LOOK_SENDS && tookUs >= SLOW_US
  }

  /** Writes and publishes everything there is room for. */
  flush(): void {
    this.sends = 0
    if (this.count > 0) this.flushPositions()
    this.requests.flush()
  }

  /** Whether something waits for room in a ring. Nobody wakes us when there is. */
  get stuck(): boolean {
    return this.count > 0 || this.requests.stuck
  }

  private flushPositions(): void {
    const listed = this.count
    let kept = 0
    for (let i = 0; i < listed; i++) {
      const connection = this.dirty[i]
      if (this.handOver(connection)) connection.dirty = false
      else this.dirty[kept++] = connection
    }
    this.count = kept
    for (let worker = 0; worker < this.channels.length; worker++) this.channels[worker].publish()
  }

  /** Returns whether the connection is done with; requests are published after the positions they follow. */
  private handOver(connection: Connection): boolean {
    if (connection.context.outbox !== this) return true
    // Between request and CONN_MOVED two rings could overtake each other: what comes up meanwhile waits for CONN_MOVED.
    if (connection.moveSent || connection.ended) return true
    if (!connection.aborting && connection.flow >= 0 && !this.channels[connection.worker].push(connection)) {
      connection.held = true
      return false
    }
    if (connection.held) {
      connection.held = false
      this.onRoom(connection)
    }
    if (connection.request !== 0) this.sendRequest(connection)
    return true
  }

  private sendRequest(connection: Connection): void {
    const entry = connection.composeRequest(connection.request)
    if (connection.request === REQ_CONN_CLOSE && connection.aborting) entry[AS_FLAGS] = CLOSE_ABORT
    else if (connection.request === REQ_CONN_CLOSE && connection.lingerMs >= 0) {
      entry[AS_FLAGS] = CLOSE_LINGER
      entry[AS_VALUE] = connection.lingerMs
    }
    if (connection.request === REQ_CONN_MOVE && connection.movingTo !== null) {
      entry[AS_CONTEXT] = connection.movingTo.id
      connection.moveSent = true
    }
    connection.request = 0
    this.requests.send(entry)
  }
}
