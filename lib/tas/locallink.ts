/** A link to a TAS in the same thread that somebody else moves on: for simulation and tests. */
import { randomUUID } from 'node:crypto'
import type { Wakeable } from '../memif/index.js'
import type { ContextLink, Networks, ServiceLink, SharedTas, Watcher } from './link.js'
import { TasError } from './errors.js'

/** What the rest of the program hands in. */
export interface LocalService {
  /** For several links to one application, as those of several threads: the same name for each. */
  readonly application?: string
  /** The application's region, its header page written (writeAppRegionHeader). */
  readonly region: ArrayBufferLike
  readonly doorbells: Int32Array
  readonly slow: Wakeable
  readonly workers: readonly Wakeable[]
  /** Registers a context that `wake` wakes; returns its id. */
  createContext(wake: Wakeable): number
  /** The context with this id has ended. Leave it out if ids are not used again. */
  removeContext?(context: number): void
  /** What the service can reach; nothing if left out. */
  readonly networks?: Networks
  /** Clock in microseconds. */
  nowUs(): number
  /**
   * Called where another process would sleep: let slow path and fast path go on until there is something for the
   * application or `timeoutUs` is over. Leave it out if `Context.block` is never used.
   */
  run?(timeoutUs: number): void
}

class LocalContext implements ContextLink, Wakeable {
  readonly context: number
  readonly fd = -1
  private readonly service: LocalService
  private onWake: (() => void) | null = null
  private woken = false

  constructor(service: LocalService) {
    this.service = service
    this.context = service.createContext(this)
  }

  wake(): void {
    this.woken = true
    const onWake = this.onWake
    if (onWake === null) return
    setImmediate(() => {
      if (this.onWake === onWake) onWake()
    })
  }

  sleep(timeoutUs: number, wakeFd: number): void {
    if (wakeFd >= 0) throw new TasError('ENOTSUP', 'a TAS in the same thread cannot wait for descriptors')
    if (!this.woken) {
      if (this.service.run === undefined) {
        throw new TasError('EDEADLK', 'this in-process TAS has no run(): block() would wait for ever')
      }
      this.service.run(timeoutUs)
    }
    this.woken = false
  }

  rest(): void {}

  watch(onWake: () => void): Watcher {
    this.onWake = onWake
    return {
      ref: () => {},
      unref: () => {},
      close: () => {
        this.onWake = null
      },
    }
  }

  close(): void {
    this.onWake = null
    this.service.removeContext?.(this.context)
  }
}

/** ServiceLink to a TAS in the same thread; hand it to `Tas.attach`. */
export class LocalLink implements ServiceLink {
  readonly words: Int32Array
  readonly bytes: Uint8Array
  readonly doorbells: Int32Array
  readonly slow: Wakeable
  readonly workers: readonly Wakeable[]
  readonly application: string
  readonly isShared: boolean
  gone = false
  private readonly service: LocalService
  private onGone: (() => void) | null = null

  constructor(service: LocalService) {
    this.service = service
    this.application = service.application ?? randomUUID()
    this.isShared = service.application !== undefined
    this.words = new Int32Array(service.region)
    this.bytes = new Uint8Array(service.region)
    this.doorbells = service.doorbells
    this.slow = service.slow
    this.workers = service.workers
  }

  /** The service ends: what the end of the unix socket is between processes. */
  end(): void {
    this.gone = true
    this.onGone?.()
  }

  look(): void {}

  watchGone(onGone: () => void): Watcher {
    this.onGone = onGone
    return {
      ref: () => {},
      unref: () => {},
      close: () => {
        this.onGone = null
      },
    }
  }

  share(): SharedTas {
    throw new TasError('ENOTSUP', 'a TAS in the same thread cannot be shared with another')
  }

  createContext(): ContextLink {
    return new LocalContext(this.service)
  }

  networks(): Networks {
    return this.service.networks ?? { addresses: [], routes: [] }
  }

  nowUs(): number {
    return this.service.nowUs()
  }

  currentCpu(): number {
    return -1
  }

  /** Whoever handed this link in moves the other parts on. */
  advance(): void {}

  /** Nobody else waits for this thread's turn. */
  yieldCpu(): number {
    return 0
  }

  close(): void {
    this.onGone = null
  }
}
