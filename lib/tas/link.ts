/**
 * What the library needs of a TAS service: memory, bells and a way to wait. The real service is
 * reached over its unix socket (nativelink.ts); a simulation hands in its own (locallink.ts), and so does
 * an embedded TAS (lib/embedded).
 */
import type { Wakeable } from '../memif/index.js'

/** Something that watches from the event loop; made referenced. */
export interface Watcher {
  /** Keeps the process alive. */
  ref(): void
  /** Does not keep the process alive. */
  unref(): void
  close(): void
}

/** One context's way to sleep and be woken. */
export interface ContextLink {
  /** Context id, 0 to CONTEXTS_MAX - 1: says where its rings stand (appregion.ts). */
  readonly context: number
  /** Descriptor that polls readable after a wake-up, or -1 if there is none. */
  readonly fd: number
  /**
   * Sleeps until woken, the service is gone, the descriptor `wakeFd` is readable (-1: none), a signal came or `timeoutUs` microseconds are
   * over (-1: no limit). Throws TasError ENOTSUP for a descriptor where there is none to sleep on.
   */
  sleep(timeoutUs: number, wakeFd: number): void
  /** The context sleeps in the event loop from now on: its mark is set, and its rings were found empty after that. */
  rest(): void
  /** Calls `onWake` after each wake-up: from the event loop, or from whoever wakes it in this thread. It must only note that. */
  watch(onWake: () => void): Watcher
  /** Nothing is read or written any more; the service gives the id to another context when it has read the rings. */
  close(): void
}

/** A network: addresses whose first `prefix` bits are those of `ip`, a signed word (10.0.0.1 is 0x0a000001). */
export interface Network {
  readonly ip: number
  readonly prefix: number
}

/** What a TAS service can reach. */
export interface Networks {
  /** Its own addresses, each with the length of its on-link prefix. */
  readonly addresses: readonly Network[]
  /** Destinations of its routes. */
  readonly routes: readonly Network[]
}

/** For another thread of the process: what it needs to use the same application. `postMessage` and `workerData` can carry it. */
export interface SharedTas {
  readonly application: string
  readonly socket: string
  readonly regionBytes: number
  /** Descriptors, which all threads of a process share. */
  readonly control: number
  readonly regionFd: number
  readonly doorbellFd: number
  readonly slowFd: number
  readonly workerFds: readonly number[]
  /** That of a ControlLock. */
  readonly lock: SharedArrayBuffer
}

/** A connection to a TAS service. */
export interface ServiceLink {
  /** Which application this is, among all that connections could be handed to. */
  readonly application: string
  /** The application's region as words; its header page says how it is laid out. */
  readonly words: Int32Array
  /** The same region as bytes. */
  readonly bytes: Uint8Array
  /** The doorbell page. */
  readonly doorbells: Int32Array
  /** Wakes the slow path. */
  readonly slow: Wakeable
  /** Wakes each worker. */
  readonly workers: readonly Wakeable[]
  /** Set for good once the service is known to be gone. */
  readonly gone: boolean
  /** Looks, without waiting, whether the service is still there; result in `gone`. */
  look(): void
  /** Calls `onGone` from the event loop once the service is gone. One watcher at a time. */
  watchGone(onGone: () => void): Watcher
  /** Whether other threads use the application, or may: it does not end with this one. */
  readonly isShared: boolean
  /** What another thread needs to use it. Throws TasError ENOTSUP where that cannot be. */
  share(): SharedTas
  /** Asks for another context. Throws TasError if the service refuses or is gone. */
  createContext(): ContextLink
  /** Asks what the service can reach. Throws TasError if it does not say. */
  networks(): Networks
  /** A monotonic clock in microseconds. */
  nowUs(): number
  /** The CPU that this thread is on, for workers that want to be there; -1 where they have no choice. */
  currentCpu(): number
  /** Lets the other parts go on, as far as they have no process of their own. At each poll and flush. */
  advance(): void
  /** Lets other processes have the CPU, then does as `advance`; microseconds until it came back. */
  yieldCpu(): number
  /** Gives everything back; the views must not be used afterwards. */
  close(): void
}
