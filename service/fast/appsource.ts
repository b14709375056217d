/** A worker process's applications: regions and eventfds that the service sends over the control socket. */
import {
  CONTROL_MESSAGE_MAX,
  decodeControl,
  type AppRegionShape,
  type Wakeable,
} from '../../lib/memif/index.js'
import { closeFd, EventFd, mapRegion, receiveMessage, unmapRegion } from '../../native/index.js'
import type { AppSource } from './commands.js'

interface Delivery {
  readonly fields: Readonly<Record<string, unknown>>
  readonly fds: number[]
}

export class ControlSocketSource implements AppSource {
  /** The service has closed the socket: it is gone. */
  ended = false
  private readonly socket: number
  private readonly shape: Omit<AppRegionShape, 'regionBytes'>
  private readonly buffer = new Uint8Array(CONTROL_MESSAGE_MAX)
  private readonly regions = new Map<number, ArrayBuffer>()
  private readonly wakes = new Map<number, EventFd[]>()
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
      else this.waiting.push({ fields: decodeControl(this.buffer.slice(0, message.lenBytes)) ?? {}, fds: message.fds })
    }
  }

  /** The service sends the message before it writes the command, so it is there. */
  private take(what: string, matches: (fields: Delivery['fields']) => boolean): Delivery {
    this.pump()
    const at = this.waiting.findIndex((delivery) => matches(delivery.fields))
    if (at < 0) throw new Error(`control socket: no message for ${what}`)
    const [delivery] = this.waiting.splice(at, 1)
    if (delivery.fds.length !== 1) throw new Error(`control socket: ${delivery.fds.length} descriptors for ${what}, want 1`)
    return delivery
  }

  region(app: number): { memory: ArrayBuffer; shape: AppRegionShape } {
    const { fields, fds } = this.take(`application ${app}`, (f) => f.op === 'app' && f.app === app)
    const regionBytes = Number(fields.regionBytes)
    const memory = mapRegion(fds[0], regionBytes, true)
    closeFd(fds[0])
    this.regions.set(app, memory)
    return { memory, shape: { ...this.shape, regionBytes } }
  }

  contextWake(app: number, context: number): Wakeable {
    const { fds } = this.take(`context ${context} of application ${app}`,
      (f) => f.op === 'context' && f.app === app && f.context === context)
    const wake = new EventFd(fds[0])
    this.wakes.set(app, [...(this.wakes.get(app) ?? []), wake])
    return wake
  }

  release(app: number): void {
    for (const wake of this.wakes.get(app) ?? []) wake.close()
    this.wakes.delete(app)
    const memory = this.regions.get(app)
    this.regions.delete(app)
    if (memory !== undefined) unmapRegion(memory)
  }
}
