/** Servers and clients whose connections do what the plans of a seed say. */
import { once } from 'node:events'
import net from 'node:net'
import type { Socket } from 'node:net'
import tls from 'node:tls'
import { HOST, listen } from '../runner.js'
import { isOrderly, planOf, SECOND_IDS, totalOf } from './plan.js'
import { type Outcome, Side } from './side.js'

/** How connections are made. */
export interface Kind {
  createServer(): net.Server
  connect(port: number): Socket
  /** Whether an end that has sent its end still receives: who closes TLS in Node loses what is on its way (SSL_shutdown reads it). */
  readonly halfCloses: boolean
  /**
   * Whether the client must not leave before its first bytes have: over TLS it would take the end of its handshake along, and from Node 26 on a half-open server
   * waits for that without end.
   */
  readonly isHeldUp: boolean
  /** What the client's socket emits when it is there. */
  readonly opened: string
  /** What the server emits. */
  readonly accepted: string
}

export const OVER_TCP: Kind = {
  createServer: () => net.createServer({ allowHalfOpen: true }),
  connect: (port) => net.connect({ port, host: HOST, allowHalfOpen: true }),
  halfCloses: true,
  isHeldUp: false,
  opened: 'connect',
  accepted: 'connection',
}

/** TLS with a certificate that nobody else has signed. */
export function overTls(key: Buffer, cert: Buffer): Kind {
  // Documented for tls.connect, but not in its types.
  const halfOpen = { allowHalfOpen: true }
  const trusting = { ca: cert, servername: 'localhost', checkServerIdentity: () => undefined }
  return {
    createServer: () => tls.createServer({ key, cert, ...halfOpen }),
    connect: (port) => tls.connect({ port, host: HOST, ...trusting, ...halfOpen }),
    halfCloses: false,
    isHeldUp: true,
    opened: 'secureConnect',
    accepted: 'secureConnection',
  }
}

/** Of each connection the id comes first. */
const ID_BYTES = 8

/** Calls `then` with the id as soon as it is there, the socket paused; what comes behind it stays in the socket. */
function withId(socket: Socket, then: (id: number) => void): void {
  let head = Buffer.alloc(0)
  const look = (bytes: Buffer): void => {
    head = Buffer.concat([head, bytes])
    if (head.length < ID_BYTES) return
    socket.off('data', look).pause()
    if (head.length > ID_BYTES) socket.unshift(head.subarray(ID_BYTES))
    then(Number(head.toString('latin1', 0, ID_BYTES)))
  }
  socket.on('data', look)
}

export class Churn {
  readonly clients: Outcome[] = []
  readonly servers: Outcome[] = []
  private readonly seed: number
  private readonly kind: Kind
  /** Sockets that are not closed. */
  private readonly open = new Set<Socket>()
  private readonly runs: Promise<unknown>[] = []

  constructor(seed: number, kind: Kind) {
    this.seed = seed
    this.kind = kind
  }

  /** A server that does its part of each connection. */
  async serve(): Promise<{ server: net.Server; port: number }> {
    const server = this.kind.createServer()
    server.on('tlsClientError', () => undefined)
    const port = await listen(server)
    server.on('connection', (socket: Socket) => this.watch(socket))
    server.on(this.kind.accepted, (socket: Socket) => this.answer(socket, port))
    return { server, port }
  }

  /** A connection that somebody else has accepted. */
  take(socket: Socket): void {
    socket.allowHalfOpen = true
    this.watch(socket)
    this.answer(socket, null)
  }

  /** Opens connections 0 to `count` - 1, some of them at once. */
  async connectAll(port: number, count: number): Promise<void> {
    for (let id = 0; id < count; id++) {
      this.runs.push(this.connect(port, id))
      if (id % 7 === 0) await new Promise(setImmediate)
    }
  }

  /** Waits until all that was begun is done, and what it has begun. */
  async done(): Promise<void> {
    for (let at = 0; at < this.runs.length; at++) await this.runs[at]
    await Promise.all([...this.open].map((socket) => once(socket, 'close').catch(() => undefined)))
  }

  /** The connections that are open, for whoever has waited too long. */
  describeOpen(): string[] {
    return [...this.open].map((socket) => `${socket.localPort} ${socket.remotePort} ${socket.readyState}, ${socket.bytesRead} read, ${socket.bytesWritten} written`)
  }

  /** Others are opened to `port`; null: none. */
  private answer(socket: Socket, port: number | null): void {
    socket.on('error', () => undefined)
    withId(socket, (id) => this.runs.push(this.runSide(socket, id, false, port)))
  }

  private watch(socket: Socket): void {
    this.open.add(socket)
    socket.on('error', () => undefined)
    socket.once('close', () => this.open.delete(socket))
  }

  private async connect(port: number, id: number): Promise<void> {
    const socket = this.kind.connect(port)
    this.watch(socket)
    const opened = new Promise<boolean>((resolve) => {
      socket.once(this.kind.opened, () => resolve(true))
      socket.once('close', () => resolve(false))
    })
    if (!await opened) {
      this.clients.push({ id, sentBytes: 0, receivedBytes: 0, isRight: true, sawEnd: false, error: 'not opened', closes: 1 })
      return
    }
    const written = new Promise((resolve) => socket.write(String(id).padStart(ID_BYTES, '0'), resolve))
    if (this.kind.isHeldUp) await written
    await this.runSide(socket, id, true, port)
  }

  private async runSide(socket: Socket, id: number, isClient: boolean, port: number | null): Promise<void> {
    const plan = planOf(this.seed, id)
    const [own, others] = isClient ? [plan.client, plan.server] : [plan.server, plan.client]
    const endsAfterBytes = isOrderly(plan) && !this.kind.halfCloses ? totalOf(others) : 0
    const side = new Side(socket, id, own, isClient, endsAfterBytes)
    const outcomes = isClient ? this.clients : this.servers
    outcomes.push(side.outcome)
    if (own.opensAnother && port !== null) this.runs.push(this.connect(port, SECOND_IDS * (isClient ? 1 : 2) + id))
    await side.run()
  }
}

