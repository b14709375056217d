/** A control server in a kernel of its own, and its clients: for tests. */
import { expect } from 'vitest'
import { encodeControl, LAYOUT_VERSION } from '../../lib/memif/index.js'
import { Applications, type ApplicationsEnv } from '../../service/control/applications.js'
import { Inquiries, type InquiriesEnv } from '../../service/control/inquiries.js'
import { ControlServer, type ServerEnv } from '../../service/control/server.js'
import type { ControlSystem, Credentials, WakeFd } from '../../service/system.js'

const LISTEN = 3

/** What server and topics are made of. */
export type ControlEnv = ServerEnv & ApplicationsEnv & InquiriesEnv

/** A message to a client. */
export interface Sent { readonly fd: number; readonly message: Record<string, unknown>; readonly fds: readonly number[] }

/** A kernel in which clients are lists of messages. */
export class FakeSystem implements ControlSystem {
  readonly waiting: number[] = []
  readonly inbox = new Map<number, { bytes: Uint8Array; fds: number[] }[]>()
  readonly sent: Sent[] = []
  readonly closed: number[] = []
  readonly unmapped: ArrayBufferLike[] = []
  readonly watchers = new Map<number, () => void>()
  /** What is to be called later, and when. */
  timers: { delayUs: number; run: () => void }[] = []
  credentials: Credentials = { pid: 77, uid: 1000, gid: 1000 }
  full = false
  timeUs = 0
  private nextFd = 100

  acceptUnix(): number {
    return this.waiting.shift() ?? -1
  }

  receiveMessage(fd: number, bytes: Uint8Array): { lenBytes: number; fds: number[] } | null {
    const message = this.inbox.get(fd)?.shift()
    if (message === undefined) return null
    if (message.bytes.length > bytes.length) throw Object.assign(new Error('message too long'), { code: 'EMSGSIZE' })
    bytes.set(message.bytes)
    return { lenBytes: message.bytes.length, fds: message.fds }
  }

  sendMessage(fd: number, bytes: Uint8Array, fds: readonly number[]): boolean {
    if (this.full) return false
    this.sent.push({ fd, message: JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>, fds })
    return true
  }

  peerCredentials(): Credentials {
    return this.credentials
  }

  closeFd(fd: number): void {
    this.closed.push(fd)
  }

  createRegion(): { fd: number; buffer: ArrayBuffer } {
    return { fd: this.nextFd++, buffer: new ArrayBuffer(8) }
  }

  unmapRegion(buffer: ArrayBufferLike): void {
    this.unmapped.push(buffer)
  }

  eventFd(): WakeFd {
    const fd = this.nextFd++
    return { fd, wake: () => undefined, close: () => this.closeFd(fd) }
  }

  watch(fd: number, onReadable: () => void): { close(): void } {
    this.watchers.set(fd, onReadable)
    return { close: () => void this.watchers.delete(fd) }
  }

  socketPair(): readonly [number, number] {
    return [this.nextFd++, this.nextFd++]
  }

  after(delayUs: number, run: () => void): { close(): void } {
    const timer = { delayUs, run }
    this.timers.push(timer)
    return { close: () => void (this.timers = this.timers.filter((other) => other !== timer)) }
  }

  /** Lets the only timer expire. */
  expire(): void {
    const [timer, ...others] = this.timers.splice(0)
    expect(others).toEqual([])
    this.timeUs += timer.delayUs
    timer.run()
  }

  nowUs(): number {
    return this.timeUs
  }
}

export function text(value: string): Uint8Array {
  return new TextEncoder().encode(value)
}

export const HELLO = encodeControl({ op: 'hello', version: LAYOUT_VERSION, name: 'echo' })
export const CONTEXT = encodeControl({ op: 'context' })

/** Starts with a server that has accepted nobody. */
export class ControlScene {
  readonly system = new FakeSystem()
  /** What the slow path was asked for. */
  readonly calls: string[] = []
  /** Kinds of trace entries that were wanted, one after the other. */
  readonly wanted: number[] = []
  applications!: Applications // made with the server
  server = this.makeServer()
  /** All workers have let go of the context that ended last. */
  freeId: () => void = () => undefined

  constructor() {
    this.server.start()
  }

  /** Another server on the same system, in place of the one before. */
  makeServer(changes: Partial<ControlEnv> = {}): ControlServer {
    const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }
    const env: ControlEnv = {
      system: this.system, log, listenFd: LISTEN, socketMode: 0o600, ownUid: 1000, regionBytes: 4096, workers: 1, welcomeFds: [7, 8, 9],
      apps: this.makeApps(),
      state: { list: () => ({ next: () => ({ rows: [], more: false }) }), describeFlow: () => null },
      trace: { lenBytes: 12_345, readOnlyFd: 6, want: (kinds) => void this.wanted.push(kinds) },
      scale: {
        state: () => ({ auto: true, active: 1, workers: [{ groups: 128, flows: 3, load: 0.5 }] }),
        set: (workers) => void this.calls.push(`scale ${workers}`),
      },
      networks: { addresses: ['10.0.0.1/24'], routes: ['0.0.0.0/0'] },
      changed: () => undefined,
      retire: (close) => close(),
      ...changes,
    }
    this.applications = new Applications(env)
    this.server = new ControlServer(env, [this.applications, new Inquiries(env)])
    return this.server
  }

  private makeApps(): ControlEnv['apps'] {
    let nextApp = 1
    const contexts = new Map<number, Set<number>>()
    return {
      addApp: (_region, { name, pid }) => {
        this.calls.push(`add ${name} ${pid}`)
        return nextApp++
      },
      addContext: (app) => {
        this.calls.push(`context ${app}`)
        const taken = contexts.get(app) ?? new Set()
        contexts.set(app, taken)
        let id = 0
        while (taken.has(id)) id++
        taken.add(id)
        return id
      },
      removeContext: (app, context) => {
        this.calls.push(`end ${app}.${context}`)
        this.freeId = () => {
          contexts.get(app)?.delete(context)
          this.applications.contextFreed(app, context)
        }
      },
      removeApp: (app) => void this.calls.push(`remove ${app}`),
    }
  }

  /** A client connects; returns its descriptor on our side. */
  connect(fd: number): number {
    this.system.waiting.push(fd)
    this.system.inbox.set(fd, [])
    this.system.watchers.get(LISTEN)?.()
    return fd
  }

  /** A client sends a message. Returns the last message that anybody was sent. */
  say(fd: number, bytes: Uint8Array, fds: number[] = []): Sent | undefined {
    this.system.inbox.get(fd)?.push({ bytes, fds })
    this.system.watchers.get(fd)?.()
    return this.system.sent.at(-1)
  }
}
