/** Applications as the worker finds them when it is in the same thread: what a service sends over a socket is handed over by a call. */
import { APPS_MAX, type AppRegionShape, type Doorbell, type Wakeable } from '../memif/index.js'
import type { AppSource } from '../../service/fast/commands.js'
import type { AppRegion, WorkerLink } from '../../service/slow/workers.js'

/** What the slow path hands over, until the worker has let it go. */
export class LocalApps implements AppSource, WorkerLink {
  readonly doorbell: Doorbell
  private readonly shape: Omit<AppRegionShape, 'regionBytes'>
  private readonly regions = new Map<number, ArrayBufferLike>()
  private readonly wakes = new Map<number, Wakeable>()

  /** `doorbell` wakes the worker. */
  constructor(doorbell: Doorbell, shape: Omit<AppRegionShape, 'regionBytes'>) {
    this.doorbell = doorbell
    this.shape = shape
  }

  appAdded(app: number, { buffer }: AppRegion): void {
    this.regions.set(app, buffer)
  }

  contextAdded(app: number, context: number, wake: Wakeable): void {
    this.wakes.set(context * APPS_MAX + app, wake)
  }

  region(app: number): { memory: ArrayBufferLike; shape: AppRegionShape } | null {
    const memory = this.regions.get(app)
    return memory === undefined ? null : { memory, shape: { ...this.shape, regionBytes: memory.byteLength } }
  }

  contextWake(app: number, context: number): Wakeable | null {
    return this.wakes.get(context * APPS_MAX + app) ?? null
  }

  releaseContext(app: number, context: number): void {
    this.wakes.delete(context * APPS_MAX + app)
  }

  release(app: number): void {
    this.regions.delete(app)
    for (const key of this.wakes.keys()) if (key % APPS_MAX === app) this.wakes.delete(key)
  }
}
