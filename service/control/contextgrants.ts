/**
 * The contexts of one application, as the service keeps them for it: granted one by one, watched for their end, their ids given away again.
 *
 *   asked for ---> granted: eventfd and life descriptor are sent ---> our end of the life descriptor hangs up ---> ended ---> id free
 *      |                                                                                                            (all workers have let go)
 *      +--> waits: while too many were granted lately, or all ids are taken and some will be free
 */
import { CONTEXTS_MAX, CONTROL_MESSAGE_MAX, type Wakeable } from '../../lib/memif/index.js'
import { ClientError } from './clienterror.js'
import type { Closable, ControlSystem, WakeFd } from '../system.js'

/**
 * Contexts that an application gets in a second; further ones come later. The requests for those of two seconds, which one second of another
 * clock may have part of, are fewer than the messages that it may send (client.ts).
 */
const GRANTS_PER_SECOND = 100
const SECOND_US = 1_000_000

/** What is asked of the control server for one application. */
export interface GrantsEnv {
  readonly system: Pick<ControlSystem, 'after' | 'closeFd' | 'eventFd' | 'nowUs' | 'receiveMessage' | 'socketPair' | 'watch'>
  /** Registers a context, woken by `wake`. Returns its id. Throws Error if there is no room. */
  add(wake: Wakeable): number
  /** The context has ended; `freed` is to be called when its id is free again. */
  remove(id: number): void
  /** Tells the application of a context, with its eventfd and the application's end of its life. Throws ClientError if it does not listen. */
  tell(id: number, fds: readonly number[]): void
  /** A context for which the application had to wait cannot be granted. */
  refuse(error: unknown): void
  /** Runs `close` once no descriptor is on its way to a worker any more. */
  readonly retire: (close: () => void) => void
}

/** What wakes a context, and our end of its life descriptor, watched until it has ended. */
interface Grant {
  readonly wake: WakeFd
  readonly lifeFd: number
  watcher: Closable | null
}

export class ContextGrants {
  private readonly env: GrantsEnv
  /** By id, also those that have ended while their id is not free. */
  private readonly grants = new Map<number, Grant>()
  private readonly inbox = new Uint8Array(CONTROL_MESSAGE_MAX)
  /** Asked for and not granted yet. */
  private waiting = 0
  private timer: Closable | null = null
  /** Since when grants are counted. */
  private windowUs: number
  private granted = 0

  constructor(env: GrantsEnv) {
    this.env = env
    this.windowUs = env.system.nowUs()
  }

  /** The application asks for a context, which comes now or later. Throws ClientError EMFILE, or what `add` and `tell` throw. */
  ask(): void {
    this.waiting++
    this.grantWaiting()
  }

  /** Nobody uses the rings of `id`, which has ended, any more: it may be given away. */
  freed(id: number): void {
    const grant = this.grants.get(id)
    if (grant === undefined) return
    this.grants.delete(id)
    this.env.retire(() => grant.wake.close())
    // Not from within the slow path's poll: a client that is refused takes memory along.
    if (this.waiting > 0) this.grantLater(0)
  }

  /** The application has ended. Its eventfds stay open until no worker can be about to get one. */
  end(): void {
    this.timer?.close()
    for (const grant of this.grants.values()) this.closeLife(grant)
    this.env.retire(() => {
      for (const { wake } of this.grants.values()) wake.close()
    })
  }

  private grantWaiting(): void {
    for (; this.waiting > 0; this.waiting--) {
      const restUs = this.restOfWindowUs()
      if (this.granted >= GRANTS_PER_SECOND) return this.grantLater(restUs)
      if (this.grants.size === CONTEXTS_MAX && this.mustWait()) return
      this.granted++
      this.grant()
    }
  }

  /** Grants are counted anew when the second is over. */
  private restOfWindowUs(): number {
    const nowUs = this.env.system.nowUs()
    if (nowUs - this.windowUs >= SECOND_US) {
      this.windowUs = nowUs
      this.granted = 0
    }
    return this.windowUs + SECOND_US - nowUs
  }

  /** All ids are taken: returns true if some will be free, throws ClientError otherwise. The end of a context may be here and not noticed yet. */
  private mustWait(): boolean {
    for (const [id, grant] of this.grants) if (grant.watcher !== null && this.isOver(grant)) this.endContext(id, grant)
    if ([...this.grants.values()].some(({ watcher }) => watcher === null)) return true
    throw new ClientError('EMFILE', `an application has at most ${CONTEXTS_MAX} contexts`)
  }

  private isOver({ lifeFd }: Grant): boolean {
    const { system } = this.env
    try {
      const received = system.receiveMessage(lifeFd, this.inbox)
      for (const fd of received?.fds ?? []) system.closeFd(fd)
      return received !== null
    } catch {
      return true
    }
  }

  private grantLater(delayUs: number): void {
    this.timer ??= this.env.system.after(delayUs, () => {
      this.timer = null
      try {
        this.grantWaiting()
      } catch (error) {
        this.env.refuse(error)
      }
    })
  }

  private grant(): void {
    const { system } = this.env
    const [lifeFd, heldFd] = system.socketPair()
    try {
      const { id, wake } = this.register(lifeFd)
      this.env.tell(id, [wake.fd, heldFd])
    } finally {
      system.closeFd(heldFd)
    }
  }

  /** Takes `lifeFd`, in any case. */
  private register(lifeFd: number): { id: number; wake: WakeFd } {
    const { system } = this.env
    let wake: WakeFd | null = null
    try {
      wake = system.eventFd()
      const id = this.env.add(wake)
      const grant: Grant = { wake, lifeFd, watcher: null }
      this.grants.set(id, grant)
      // Nobody has anything to say there: whatever comes is the end.
      grant.watcher = system.watch(lifeFd, () => this.endContext(id, grant))
      return { id, wake }
    } catch (error) {
      wake?.close()
      system.closeFd(lifeFd)
      throw error
    }
  }

  private endContext(id: number, grant: Grant): void {
    this.closeLife(grant)
    this.env.remove(id)
  }

  private closeLife(grant: Grant): void {
    if (grant.watcher === null) return
    grant.watcher.close()
    grant.watcher = null
    this.env.system.closeFd(grant.lifeFd)
  }
}
