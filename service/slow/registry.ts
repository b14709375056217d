/** Applications and their contexts: who there is, and how they come and go. */
import {
  APPS_MAX, buffersOffset, clearContext, CONTEXT_NONE, CONTEXTS_MAX, PAGE_BYTES, TO_FAST_APP_ADD, TO_FAST_APP_REMOVE, TO_FAST_CONTEXT_ADD,
  TO_FAST_CONTEXT_REMOVE, TO_FAST_FLOW_CONTEXT, TO_FAST_FLOW_REMOVE, writeAppRegionHeader, type Wakeable,
} from '../../lib/memif/index.js'
import { closeListener } from './accept.js'
import { App, AppContext, type AppOwner } from './app.js'
import { leastBufferBytes } from './buffersize.js'
import { abandon, endContext } from './departure.js'
import { serveRequests } from './requests.js'
import type { Stack } from './stack.js'
import type { AppRegion, WorkerChannel } from './workers.js'

/** Why an application or context was not taken. */
export class RegistryError extends Error {
  /** EMFILE: a limit is reached. EINVAL: the region cannot be used. ENOENT: no such application. */
  readonly code: 'EMFILE' | 'EINVAL' | 'ENOENT'

  constructor(code: RegistryError['code'], message: string) {
    super(message)
    this.name = 'RegistryError'
    this.code = code
  }
}

export class AppRegistry {
  private readonly stack: () => Stack
  /** Called when the slow path itself ends an application: the service should hang up. */
  private readonly ended: (app: number, reason: string) => void
  /** Called when a context's id is free again: what woke it is not needed any more. */
  private readonly contextFreed: (app: number, context: number) => void
  private readonly byId: (App | null)[] = new Array<App | null>(APPS_MAX).fill(null)
  /** All contexts of applications that are not gone, for every poll. Made anew when they change: who walks through it sees those of before. */
  private active: readonly AppContext[] = []
  private lastId = 0

  constructor(stack: () => Stack, ended: (app: number, reason: string) => void, contextFreed: (app: number, context: number) => void) {
    this.stack = stack
    this.ended = ended
    this.contextFreed = contextFreed
  }

  /**
   * Takes a new application in: writes its region's header, hands the region to all workers. The region is all
   * zeros and a whole number of pages. Returns its id. Throws RegistryError.
   */
  addApp(region: AppRegion, owner: AppOwner): number {
    const stack = this.stack()
    const { config, workers } = stack
    const { kinBytes, koutBytes, fastEntries } = config
    const shape = { regionBytes: region.buffer.byteLength, workers: workers.length, kinBytes, koutBytes, fastEntries }
    const { regionBytes } = shape
    const least = buffersOffset(shape) + leastBufferBytes(config)
    const most = config.appRegionBytes
    if (regionBytes > most || regionBytes < least || regionBytes % PAGE_BYTES !== 0) {
      throw new RegistryError('EINVAL', `region of ${regionBytes} bytes: whole pages, ${least} to ${most} bytes, are needed`)
    }
    const { discard } = stack
    const app = new App(this.freeId(), owner, region, shape, stack.stats, {
      timers: stack.timers, nowUs: () => stack.nowUs, discard: discard && ((from, len) => discard(region, from, len)),
    })
    writeAppRegionHeader(app.words, shape, config.appPollIntervalUs)
    this.byId[app.id] = app
    stack.stats.add('apps')
    for (const worker of workers) {
      worker.link.appAdded(app.id, region)
      worker.control(TO_FAST_APP_ADD, app.id, 0, regionBytes)
      worker.publish()
    }
    return app.id
  }

  /** Gives application `appId` one more context, woken by `wake`. Returns its id. Throws RegistryError. */
  addContext(appId: number, wake: Wakeable): number {
    const stack = this.stack()
    const app = this.byId[appId] ?? null
    if (app === null || app.isGone) throw new RegistryError('ENOENT', `no application ${appId}`)
    const id = app.freeContextId()
    if (id < 0) throw new RegistryError('EMFILE', `application ${appId} has ${CONTEXTS_MAX} contexts, the most there can be`)
    const context = new AppContext(app, id, wake, stack.stats)
    app.contexts.set(id, context)
    this.active = [...this.active, context]
    stack.stats.add('contexts')
    for (const worker of stack.workers) {
      worker.link.contextAdded(app.id, context.id, wake)
      worker.control(TO_FAST_CONTEXT_ADD, app.id, context.id)
      worker.publish()
    }
    return context.id
  }

  /**
   * A context has ended (departure.ts). Its id is free when all workers have let go; until then its rings belong to nobody. Does nothing for one
   * that there is not.
   */
  removeContext(appId: number, contextId: number): void {
    const stack = this.stack()
    const app = this.byId[appId] ?? null
    const context = app?.context(contextId) ?? null
    if (app === null || app.isGone || context === null) return
    endContext(stack, context)
    this.active = this.active.filter((other) => other !== context)
    app.contexts.delete(contextId)
    app.endings.set(contextId, new Set(stack.workers.keys()))
    stack.stats.add('contexts', -1)
    for (const worker of stack.workers) worker.control(TO_FAST_CONTEXT_REMOVE, app.id, contextId)
    this.publish()
    for (const worker of stack.workers) worker.publish()
  }

  /** Whether contexts of application `appId` have ended whose ids will be free. */
  hasEndings(appId: number): boolean {
    return (this.byId[appId]?.endings.size ?? 0) > 0
  }

  /**
   * The application is gone: its connections are reset, its listeners closed; workers tell it nothing more, since its
   * rings may be full for ever. The slow path does not touch the region after this returns; the id is free when all
   * workers have let go. Does nothing for an unknown id.
   */
  removeApp(appId: number): void {
    const stack = this.stack()
    const app = this.byId[appId] ?? null
    if (app === null || app.isGone) return
    app.isGone = true
    this.active = this.active.filter((context) => context.app !== app)
    stack.stats.add('apps', -1)
    stack.stats.add('contexts', -app.contexts.size)
    for (const listener of [...app.listeners]) closeListener(stack, listener)
    for (const connection of app.connections) {
      if (connection.isWithWorker) stack.workers[connection.worker].flow(TO_FAST_FLOW_CONTEXT, connection, CONTEXT_NONE)
    }
    // Also those that were being closed in good order: their unsent bytes are gone with the region.
    for (const connection of app.connections) abandon(stack, connection)
    app.releaseAll()
    this.flowsGone(app)
    this.publish()
    for (const worker of stack.workers) worker.publish()
  }

  /** A connection of an application that is gone has been let go: the last one takes the region along. */
  flowsGone(app: App): void {
    const { workers } = this.stack()
    if (app.flows > 0 || app.workersLeft !== null) return
    app.workersLeft = new Set(workers.keys())
    for (const worker of workers) worker.control(TO_FAST_APP_REMOVE, app.id)
  }

  /** Worker `worker` has unmapped the region (TO_SLOW_APP_REMOVED). */
  onRemoved(appId: number, worker: number): void {
    const left = this.byId[appId]?.workersLeft ?? null
    if (left?.delete(worker) && left.size === 0) this.byId[appId] = null
  }

  /** Worker `worker` has forgotten a context (TO_SLOW_CONTEXT_REMOVED). With the last one its id is free and its rings are as new. */
  onContextRemoved(appId: number, contextId: number, worker: number): void {
    const app = this.byId[appId] ?? null
    const left = app?.endings.get(contextId)
    if (app === null || left === undefined || !left.delete(worker) || left.size > 0) return
    app.endings.delete(contextId)
    if (app.isGone) return
    clearContext(app.words, app.shape, contextId)
    this.contextFreed(appId, contextId)
  }

  /**
   * The process behind `worker` has ended and no other has begun; all that it wrote has been read. What it was told to let go and had read,
   * nobody will answer any more.
   */
  onWorkerDied(worker: WorkerChannel): void {
    for (const app of this.byId) {
      if (app === null) continue
      // To a flow that it had let go already, the next one answers at once; a second answer says nothing new.
      for (const connection of app.connections) {
        const isLost = connection.phase === 'removing' && connection.worker === worker.index
        if (isLost) worker.flow(TO_FAST_FLOW_REMOVE, connection)
      }
      this.forgetAgain(app, worker)
      // The region was unmapped by its end. The id may be used again only if no order to forget it is still on its way.
      if (!worker.hasUnread(TO_FAST_APP_REMOVE, app.id)) this.onRemoved(app.id, worker.index)
    }
  }

  /**
   * Contexts have ended that some worker still has: the one that follows a dead one hears of them from the service. It reads the bumps that the dead
   * one may have left, and forgets them, whether that one had answered or not.
   */
  private forgetAgain(app: App, worker: WorkerChannel): void {
    if (app.isGone) return
    for (const [context, left] of app.endings) {
      if (worker.hasUnread(TO_FAST_CONTEXT_REMOVE, app.id, context)) continue
      left.add(worker.index)
      worker.control(TO_FAST_CONTEXT_REMOVE, app.id, context)
    }
  }

  /** One round over all contexts: events that waited, then requests. Returns the work done. */
  poll(): number {
    const stack = this.stack()
    let work = 0
    for (const context of this.active) {
      // Another context of its application may have been the end of both: its memory must not be touched then.
      if (context.app.isGone) continue
      work += context.flush() + serveRequests(stack, context)
      if (context.requests.corrupt && !context.app.isGone) this.expel(context.app, 'its request ring is corrupt')
    }
    return work
  }

  publish(): void {
    for (const context of this.active) context.publish()
  }

  /** Whether a context has requests that can be read now. */
  hasRequests(): boolean {
    for (const { requests, isBlocked } of this.active) {
      if (!isBlocked && (!requests.isEmpty() || requests.corrupt)) return true
    }
    return false
  }

  /** Whether some context must be looked at again though no doorbell will ring for it. */
  needsRetry(): boolean {
    for (const context of this.active) if (context.isBlocked) return true
    return false
  }

  /** All applications that are not gone. */
  * all(): Generator<App, void> {
    for (const app of this.byId) if (app !== null && !app.isGone) yield app
  }

  /** All contexts of applications that are not gone. */
  get contexts(): readonly AppContext[] {
    return this.active
  }

  private expel(app: App, reason: string): void {
    this.stack().log.warn({ app: app.id, name: app.name, pid: app.pid }, `application ended: ${reason}`)
    this.removeApp(app.id)
    this.ended(app.id, reason)
  }

  /** Ids are taken in turn, so that one is not used again at once. */
  private freeId(): number {
    for (let tries = 1; tries < APPS_MAX; tries++) {
      const id = 1 + (this.lastId + tries - 1) % (APPS_MAX - 1)
      if (this.byId[id] !== null) continue
      this.lastId = id
      return id
    }
    throw new RegistryError('EMFILE', `${APPS_MAX - 1} applications are connected, the most there can be`)
  }
}
