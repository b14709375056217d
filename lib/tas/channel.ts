/** The two rings between a context and one worker (lib/memif/appfast.ts). */
import {
  BUMP_FIN, BUMP_FLAGS, BUMP_FLOW, BUMP_GEN, BUMP_RCV_READ, BUMP_RX_SHUT, BUMP_SND_END, BUMP_TX_BASE, BUMP_TX_BUFFER, BUMP_WANTED, RingConsumer, RingProducer,
  type Doorbell, type RingPlace,
} from '../memif/index.js'
import type { Connection } from './connection.js'

export class WorkerChannel {
  readonly events: RingConsumer
  /** Entries of the event ring. */
  readonly capacity: number
  /** Events taken so far, modulo 2^32. */
  absorbed = 0
  private readonly bumps: RingProducer
  private readonly doorbell: Doorbell

  constructor(words: Int32Array, events: RingPlace, bumps: RingPlace, doorbell: Doorbell) {
    this.events = new RingConsumer(words, events)
    this.bumps = new RingProducer(words, bumps)
    this.capacity = events.capacity
    this.doorbell = doorbell
  }

  /** Writes a connection's positions to the bump ring. Returns false if the ring is full. */
  push(connection: Connection): boolean {
    const at = this.bumps.reserve()
    if (at < 0) return false
    const words = this.bumps.words
    words[at + BUMP_FLOW] = connection.flow
    words[at + BUMP_GEN] = connection.gen
    words[at + BUMP_FLAGS] = (connection.tx.finQueued ? BUMP_FIN : 0) | (connection.closedHere ? BUMP_RX_SHUT : 0) | connection.tx.urgentBits()
    words[at + BUMP_RCV_READ] = connection.rx.read
    words[at + BUMP_SND_END] = connection.tx.end
    words[at + BUMP_WANTED] = connection.tx.wanted
    words[at + BUMP_TX_BASE] = connection.tx.base
    words[at + BUMP_TX_BUFFER] = connection.tx.place
    this.bumps.push()
    return true
  }

  /** Makes bumps visible and wakes the worker if it sleeps. */
  publish(): void {
    if (this.bumps.publish()) this.doorbell.ring()
  }
}
