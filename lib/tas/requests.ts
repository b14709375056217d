/** A context's requests to the slow path: none is lost, however full the ring is. */
import { AS_HANDLE, AS_TYPE, APP_SLOW_ENTRY_WORDS, type Doorbell, type RingProducer } from '../memif/index.js'
import { Queue } from './queue.js'

export class RequestQueue {
  private readonly ring: RingProducer
  private readonly doorbell: Doorbell
  private readonly waiting = new Queue<Int32Array>()
  /** The request that is being composed: one at a time. */
  private readonly composed = new Int32Array(APP_SLOW_ENTRY_WORDS)

  constructor(ring: RingProducer, doorbell: Doorbell) {
    this.ring = ring
    this.doorbell = doorbell
  }

  /** A new request of `type` for `handle`, all other words 0; fill them in and hand it to `send` before the next one is composed. */
  compose(type: number, handle: number): Int32Array {
    const entry = this.composed
    entry.fill(0)
    entry[AS_TYPE] = type
    entry[AS_HANDLE] = handle
    return entry
  }

  /** Queues a request; visible to the slow path after the next `flush`. */
  send(entry: Int32Array): void {
    if (this.waiting.length > 0 || !this.write(entry)) this.waiting.push(entry.slice())
  }

  /** Writes what waited for room, publishes, wakes the slow path. */
  flush(): void {
    for (let entry = this.waiting.front(); entry !== undefined && this.write(entry); entry = this.waiting.front()) {
      this.waiting.shift()
    }
    if (this.ring.publish()) this.doorbell.ring()
  }

  /** Whether requests wait for room in the ring. */
  get stuck(): boolean {
    return this.waiting.length > 0
  }

  private write(entry: Int32Array): boolean {
    const at = this.ring.reserve()
    if (at < 0) return false
    this.ring.words.set(entry, at)
    this.ring.push()
    return true
  }
}
