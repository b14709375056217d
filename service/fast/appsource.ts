/** A worker process's applications: regions and eventfds that the service sends over the control socket. */
import { CONTROL_MESSAGE_MAX, decodeControl, type AppRegionShape, type Wakeable } from '../../lib/memif/index.js'
import { closeFd, EventFd, mapRegion, receiveMessage, unmapRegion, waitReadable } from '../../native/index.js'
import type { AppSource } from './commands.js'

/** A message that no order in the ring has asked for yet. */
interface Delivery {
  readonly op: unknown
  readonly app: number
  readonly context: number
  readonly regionBytes: number
  readonly fd: number
}

/** How long the service may take to send what it has announced. */
const PATIENCE_US = 2_000_000

export class ControlSocketSource implements AppSource {
  /** The service has closed the socket: it is gone. */
  ended = false
  private readonly socket: number
  private readonly shape: Omit<AppRegionShape, 'regionBytes'>
  private readonly buffer = new Uint8Array(CONTROL_MESSAGE_MAX)
  private readonly regions = new Map<number, ArrayBuffer>()
  /** By application and context. */
  private readonly wakes = new Map<number, Map<number, EventFd>>()
  private waiting: Delivery[] = []

  constructor(socket: number, shape: Omit<AppRegionShape, 'regionBytes'>) {
    this.socket = socket
    this.shape = shape
  }

  /** Receives what is there. */
  pump(): void {
    while (!this.ended) {
      const message = receiveMessage(this.socket, this.buffer)
      if (message === null) return
      if (message.lenBytes === 0) this.ended = true
      else this.keep(this.buffer.slice(0, message.lenBytes), message.fds)
    }
  }

  private keep(bytes: Uint8Array, fds: readonly number[]): void {
    const fields = decodeControl(bytes)
    if (fields === null || fds.length !== 1) {
      for (const fd of fds) closeFd(fd)
      return
    }
    const { op, app, context, regionBytes } = fields
    this.waiting.push({ op, app: Number(app), context: Number(context ?? -1), regionBytes: Number(regionBytes ?? 0), fd: fds[0] })
  }

  /**
   * Waits for the first `count` messages, which say what an earlier worker knew. Throws Error if they do not come in time.
   * Returns the applications with their contexts.
   */
  known(count: number): { app: number; contexts: number[] }[] {
    const fds = Int32Array.of(this.socket)
    while (this.waiting.length < count && !this.ended) {
      if (waitReadable(fds, 1, PATIENCE_US) === 0) throw new Error(`control socket: ${this.waiting.length} of ${count} messages came`)
      this.pump()
    }
    const apps = this.waiting.filter((delivery) => delivery.op === 'app').map((delivery) => delivery.app)
    return apps.map((app) => ({
      app,
      contexts: this.waiting.filter((delivery) => delivery.op === 'context' && delivery.app === app).map((delivery) => delivery.context),
    }))
  }

  /** The service sends a message before it writes the order that needs it. */
  private take(op: string, app: number, context: number): Delivery | null {
    this.pump()
    const at = this.waiting.findIndex((delivery) => delivery.op === op && delivery.app === app && delivery.context === context)
    return at < 0 ? null : this.waiting.splice(at, 1)[0]
  }

  region(app: number): { memory: ArrayBuffer; shape: AppRegionShape } | null {
    const delivery = this.take('app', app, -1)
    if (delivery === null) return null
    const memory = mapRegion(delivery.fd, delivery.regionBytes, true)
    closeFd(delivery.fd)
    this.regions.set(app, memory)
    return { memory, shape: { ...this.shape, regionBytes: delivery.regionBytes } }
  }

  contextWake(app: number, context: number): Wakeable | null {
    const delivery = this.take('context', app, context)
    if (delivery === null) return null
    const wake = new EventFd(delivery.fd)
    const wakes = this.wakes.get(app) ?? new Map<number, EventFd>()
    this.wakes.set(app, wakes.set(context, wake))
    return wake
  }

  releaseContext(app: number, context: number): void {
    const wakes = this.wakes.get(app)
    wakes?.get(context)?.close()
    wakes?.delete(context)
  }

  release(app: number): void {
    for (const wake of this.wakes.get(app)?.values() ?? []) wake.close()
    this.wakes.delete(app)
    const memory = this.regions.get(app)
    this.regions.delete(app)
    if (memory !== undefined) unmapRegion(memory)
  }
}
