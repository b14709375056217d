/**
 * The control socket (lib/memif/control.ts): who may connect, messages one by one, and their answers by topic. What clients send is not trusted:
 * a mistake is told and closes the socket, and nobody else notices.
 *
 *   server.ts --+-- applications.ts    hello, context: memory and descriptors of an application
 *               +-- inquiries.ts       networks, state, flow, trace, scale: for tools and for whoever chooses a route
 */
import { APPS_MAX, CONTROL_MESSAGE_MAX, decodeControl, encodeControl } from '../../lib/memif/index.js'
import { errorCode, errorText } from '../errors.js'
import { RateLimiter, type Log } from '../log.js'
import type { Closable, Credentials, ListenSystem } from '../system.js'
import { Client, type ClientHost, type Message } from './client.js'
import { ClientError } from './clienterror.js'

/** Some of the questions. */
export interface Topic {
  /** Answers the message if it is one of its questions. Returns whether it is. Throws ClientError. */
  answer(client: Client, message: Message): boolean
  /** The client's socket is closed. */
  left(client: Client): void
}

/** What the control socket is made of. */
export interface ServerEnv {
  readonly system: ListenSystem
  readonly log: Log
  /** The listening socket. */
  readonly listenFd: number
  /** Mode of the socket and our user: who may connect. */
  readonly socketMode: number
  readonly ownUid: number
}

/** Clients at once; more are refused. Some have not said hello yet, so there are more than applications. */
const CLIENTS_MAX = APPS_MAX * 2
/** Most connections taken and messages read at one wake-up: the slow path gets its turn in between. */
const STEPS_PER_TURN = 32

/** Whether a process with these credentials may use TAS. */
export function mayConnect(peer: Credentials, ownUid: number, socketMode: number): boolean {
  return peer.uid === ownUid || peer.uid === 0 || (socketMode & 0o022) !== 0
}

/** The server. It accepts from `start` on. */
export class ControlServer {
  private readonly env: ServerEnv
  private readonly topics: readonly Topic[]
  private readonly host: ClientHost
  private readonly clients = new Set<Client>()
  private readonly limiter: RateLimiter
  private readonly inbox = new Uint8Array(CONTROL_MESSAGE_MAX)
  private watcher: Closable | null = null

  constructor(env: ServerEnv, topics: readonly Topic[]) {
    this.env = env
    this.topics = topics
    this.host = { system: env.system, refuse: (client, error) => this.refuse(client, errorCode(error) || 'EIO', errorText(error)) }
    this.limiter = new RateLimiter(env.log, 10, 1, env.system.nowUs())
  }

  /** Begins to accept; clients that connected before wait in the socket's queue. */
  start(): void {
    this.watcher = this.env.system.watch(this.env.listenFd, () => this.accept())
    this.accept()
  }

  /** Number of connected processes. */
  get size(): number {
    return this.clients.size
  }

  /** Stops accepting; connected clients stay. */
  stopAccepting(): void {
    this.watcher?.close()
    this.watcher = null
  }

  /** Tells all clients that the service ends, and closes their sockets. Connections must have been reset before. */
  closeAll(): void {
    this.stopAccepting()
    for (const client of [...this.clients]) this.dismiss(client, 'ESHUTDOWN', 'tas is stopping')
  }

  private accept(): void {
    const { system } = this.env
    for (let step = 0; step < STEPS_PER_TURN; step++) {
      const fd = this.acceptOne()
      if (fd < 0) return
      const client = new Client(this.host, fd, system.peerCredentials(fd), system.nowUs())
      this.clients.add(client)
      this.admit(client)
    }
  }

  /** Out of descriptors is the machine's trouble, not a reason to stop serving those who are connected. */
  private acceptOne(): number {
    try {
      return this.env.system.acceptUnix(this.env.listenFd)
    } catch (error) {
      this.limiter.warn(this.env.system.nowUs(), { error: errorText(error) }, 'cannot accept an application')
      return -1
    }
  }

  private admit(client: Client): void {
    const { ownUid, socketMode, system } = this.env
    if (!mayConnect(client.peer, ownUid, socketMode)) {
      this.refuse(client, 'EACCES', `user ${client.peer.uid} may not use this tas; see --socket-mode`)
    } else if (this.clients.size > CLIENTS_MAX) {
      this.refuse(client, 'EAGAIN', `${CLIENTS_MAX} processes are connected already`)
    } else {
      client.watcher = system.watch(client.fd, () => this.readable(client))
    }
  }

  private readable(client: Client): void {
    for (let step = 0; step < STEPS_PER_TURN && this.clients.has(client); step++) {
      try {
        if (!this.readOne(client)) return
      } catch (error) {
        client.refuse(error)
      }
    }
  }

  /** Handles one message. Returns whether there may be another. */
  private readOne(client: Client): boolean {
    const { system } = this.env
    const received = system.receiveMessage(client.fd, this.inbox)
    if (received === null) return false
    for (const fd of received.fds) system.closeFd(fd)
    if (received.lenBytes === 0) {
      this.remove(client, 'ended')
      return false
    }
    client.countMessage(system.nowUs())
    if (received.fds.length > 0) throw new ClientError('EPROTO', 'descriptors are not taken')
    this.handle(client, decodeControl(this.inbox.subarray(0, received.lenBytes)))
    return true
  }

  private handle(client: Client, message: Message | null): void {
    if (message !== null && this.topics.some((topic) => topic.answer(client, message))) return
    throw new ClientError('EPROTO', 'want a message { op: "hello" } or { op: "context" }')
  }

  /** Closes a client for its mistake, with a line in the log. */
  private refuse(client: Client, code: string, message: string): void {
    const fields = { ...client.peer, app: client.app, code }
    this.limiter.warn(this.env.system.nowUs(), fields, `${client.app === 0 ? 'process' : 'application'} refused: ${message}`)
    this.dismiss(client, code, message)
  }

  /** Tells a client why it is closed, as far as it listens, and removes it. */
  private dismiss(client: Client, code: string, message: string): void {
    try {
      this.env.system.sendMessage(client.fd, encodeControl({ op: 'error', code, message }), [])
    } catch {
      // It is gone or does not listen; it is closed all the same.
    }
    this.remove(client, 'closed')
  }

  private remove(client: Client, how: string): void {
    if (!this.clients.delete(client)) return
    const { system, log } = this.env
    client.watcher?.close()
    system.closeFd(client.fd)
    for (const topic of this.topics) topic.left(client)
    if (client.app !== 0) log.info({ app: client.app, pid: client.peer.pid }, `application ${how}`)
  }
}
