/** What the library is given in place of a service (lib/tas/link.ts): each poll of a context runs the stack. */
import { randomUUID } from 'node:crypto'
import type { Wakeable } from '../memif/index.js'
import type { ContextLink, Networks, ServiceLink, SharedTas, Watcher } from '../tas/link.js'
import { codeOf, TasError } from '../tas/errors.js'
import { setImmediate } from '../tas/timers.js'
import type { LoopDriver } from './loop.js'
import type { Sleeper, Stack } from './stack.js'

/** Most rounds of the stack until the ids of contexts that have ended are free. */
const ENDING_TURNS = 64

export interface LinkParts {
  readonly stack: Stack
  /** Runs the stack from Node's event loop; null where there is none (simulation): contexts cannot be attached then. */
  readonly driver: LoopDriver | null
  /** The application's region, and its id in the slow path. */
  readonly region: ArrayBufferLike
  readonly app: number
  readonly networks: Networks
  /** Takes everything back that the stack was made of. */
  readonly closed: () => void
}

export class EmbeddedLink implements ServiceLink {
  readonly words: Int32Array
  readonly bytes: Uint8Array
  readonly doorbells: Int32Array
  readonly slow: Wakeable
  readonly workers: readonly Wakeable[]
  readonly application = randomUUID()
  readonly isShared = false
  gone = false
  private readonly parts: LinkParts
  private readonly stack: Stack
  private contexts: readonly EmbeddedContext[] = []
  private onGone: (() => void) | null = null
  private isClosed = false

  constructor(parts: LinkParts) {
    const { stack, region } = parts
    this.parts = parts
    this.stack = stack
    this.words = new Int32Array(region)
    this.bytes = new Uint8Array(region)
    this.doorbells = stack.doorbells
    this.slow = stack.slowBell
    this.workers = [stack.workerBell]
  }

  /**
   * The slow path has put the program out, whose memory is damaged: contexts are told as if a service had ended. Called from within the
   * stack, so that handlers run later.
   */
  end(): void {
    this.gone = true
    for (const context of this.contexts) context.end()
    setImmediate(() => this.onGone?.())
  }

  look(): void {}

  watchGone(onGone: () => void): Watcher {
    this.onGone = onGone
    return {
      ref: () => undefined,
      unref: () => undefined,
      close: () => {
        this.onGone = null
      },
    }
  }

  /** What the options say, as the service would. */
  networks(): Networks {
    return this.parts.networks
  }

  share(): SharedTas {
    throw new TasError('ENOTSUP', 'an embedded TAS runs in the thread that made it and cannot be shared with another')
  }

  createContext(): ContextLink {
    this.awaitId()
    const context = new EmbeddedContext(this.parts, () => { this.contexts = this.contexts.filter((other) => other !== context) })
    this.contexts = [...this.contexts, context]
    return context
  }

  /** The id of a context that has ended is free when the worker has answered: two passes, but for full rings. */
  private awaitId(): void {
    const { stack, app } = this.parts
    for (let turns = 0; turns < ENDING_TURNS && stack.slow.apps.hasEndings(app); turns++) stack.advance()
  }

  nowUs(): number {
    return this.stack.nowUs
  }

  currentCpu(): number {
    return -1
  }

  yieldCpu(): number {
    return this.stack.yieldCpu()
  }

  advance(): void {
    if (this.stack.advance() > 0) this.parts.driver?.touch()
  }

  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.gone = true
    try {
      this.stack.shutdown()
    } finally {
      this.parts.closed()
    }
  }
}

/** A context whose rings the stack in this thread serves. */
export class EmbeddedContext implements ContextLink, Wakeable, Sleeper {
  readonly context: number
  readonly fd = -1
  woken = false
  /** It sleeps in the event loop. */
  isResting = false
  private isEnded = false
  private readonly stack: Stack
  private readonly driver: LoopDriver | null
  private onWake: (() => void) | null = null

  private readonly app: number
  private readonly ended: () => void

  /** `ended` is called when it is closed. Throws TasError EMFILE when there are too many. */
  constructor({ stack, driver, app }: LinkParts, ended: () => void) {
    this.stack = stack
    this.driver = driver
    this.app = app
    this.ended = ended
    try {
      this.context = stack.slow.apps.addContext(app, this)
    } catch (cause) {
      throw new TasError(codeOf(cause) || 'EPROTO', cause instanceof Error ? cause.message : String(cause), { cause })
    }
  }

  wake(): void {
    this.woken = true
    if (!this.isResting) return
    this.isResting = false
    this.onWake?.()
  }

  /** Nothing will wake it any more. */
  end(): void {
    this.woken = this.isEnded = true
  }

  sleep(timeoutUs: number, wakeFd: number): void {
    if (wakeFd >= 0) throw new TasError('ENOTSUP', 'an embedded TAS does not wait for descriptors: wait for it from the event loop (attach)')
    this.woken = this.isEnded
    this.stack.sleep(this, timeoutUs)
  }

  rest(): void {
    this.isResting = true
    this.driver?.rested()
  }

  watch(onWake: () => void): Watcher {
    const { driver } = this
    if (driver === null) throw new TasError('ENOTSUP', 'this TAS has no event loop to be attached to: use poll')
    this.onWake = onWake
    driver.add(this)
    return {
      ref: () => driver.setReferenced(this, true),
      unref: () => driver.setReferenced(this, false),
      close: () => this.unwatch(),
    }
  }

  close(): void {
    this.unwatch()
    this.stack.slow.apps.removeContext(this.app, this.context)
    this.ended()
  }

  private unwatch(): void {
    this.onWake = null
    this.isResting = false
    this.driver?.remove(this)
  }
}
