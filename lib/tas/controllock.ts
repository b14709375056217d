/** What threads that share an application agree on beside its memory: who talks on the control socket, and how many use it. */
import { TasError } from './errors.js'

/** Words: 1 while somebody talks; threads that use the application, 0 once the last has left. */
const BUSY = 0
const USERS = 1
const WORDS = 2
/** Longer than the service may take to answer: whoever has the lock for longer was ended with it. */
const PATIENCE_MS = 10_000

export class ControlLock {
  /** Can be sent to other threads. */
  readonly memory: SharedArrayBuffer
  private readonly words: Int32Array

  /** One of its own for the first thread, or that of another. */
  constructor(memory?: SharedArrayBuffer) {
    this.memory = memory ?? new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT)
    this.words = new Int32Array(this.memory)
    if (memory === undefined) this.words[USERS] = 1
  }

  /** How many threads use the application: one word, which only the end of a thread may change from elsewhere. */
  get users(): Int32Array {
    return this.words.subarray(USERS, USERS + 1)
  }

  /** Whether other threads use, or have used, the application. */
  get isShared(): boolean {
    return Atomics.load(this.words, USERS) > 1
  }

  /** Runs `talk` while nobody else talks. Throws TasError EBUSY if somebody does not end, and what `talk` throws. */
  run<T>(talk: () => T): T {
    while (Atomics.compareExchange(this.words, BUSY, 0, 1) !== 0) {
      if (Atomics.wait(this.words, BUSY, 1, PATIENCE_MS) === 'timed-out') {
        throw new TasError('EBUSY', 'another thread was ended while it talked to the TAS service: start the program again')
      }
    }
    return this.finish(talk)
  }

  /** The same, or not at all if somebody talks. */
  tryRun(talk: () => void): void {
    if (Atomics.compareExchange(this.words, BUSY, 0, 1) === 0) this.finish(talk)
  }

  /** One thread more. Returns false if the last has left. */
  enter(): boolean {
    for (;;) {
      const users = Atomics.load(this.words, USERS)
      if (users === 0) return false
      if (Atomics.compareExchange(this.words, USERS, users, users + 1) === users) return true
    }
  }

  /** One thread fewer. Returns whether it was the last. */
  leave(): boolean {
    return Atomics.sub(this.words, USERS, 1) === 1
  }

  private finish<T>(talk: () => T): T {
    try {
      return talk()
    } finally {
      Atomics.store(this.words, BUSY, 0)
      Atomics.notify(this.words, BUSY, 1)
    }
  }
}
