/**
 * The control socket for applications (lib/memif/control.ts): who may connect, the version handshake, memory and
 * descriptors of an application, and its end (its contexts: contextgrants.ts). What an application sends is not trusted.
 */
import {
  APPS_MAX,
  CONTROL_MESSAGE_MAX,
  decodeControl,
  encodeControl,
  encodePage,
  LAYOUT_VERSION,
  STATE_PARTS,
  TRACE_KINDS,
  type FlowAnswer,
  type FlowDetail,
  type FlowQuery,
  type NetworksMessage,
  type ScaleMessage,
  type StatePage,
  type StatePart,
  type TasToApp,
  type Wakeable,
} from '../lib/memif/index.js'
import { ClientError } from './clienterror.js'
import { ContextGrants } from './contextgrants.js'
import { errorCode, errorText } from './errors.js'
import { RateLimiter, type Log } from './log.js'
import type { AppOwner } from './slow/app.js'
import type { Closable, ControlSystem, Credentials, Region } from './system.js'
import type { TraceMemory } from './trace.js'

/** The slow path's registry of applications. */
export interface AppRegistry {
  /** Takes an application in and returns its id. Throws Error with `code` if there is no room. */
  addApp(region: Region, owner: AppOwner): number
  /** Gives the application one more context, woken by `wake`. Returns the context id. Throws Error if there is no room. */
  addContext(app: number, wake: Wakeable): number
  /** The context has ended. `ControlServer.contextFreed` is to be called when its id is free again. */
  removeContext(app: number, context: number): void
  /** Resets its connections and closes its listeners. Its region is not touched any more. */
  removeApp(app: number): void
}

/** A walk through a part of the state. */
export interface Listing {
  next(nowUs: number): Pick<StatePage, 'rows' | 'more'>
}

/** What the slow path tells of itself. */
export interface StateSource {
  /** Begins a walk through a part. */
  list(part: StatePart): Listing
  /** Everything about one connection, null if there is none. */
  describeFlow(query: FlowQuery, nowUs: number): FlowDetail | null
}

/** How many workers are used. */
export interface Scale {
  state(): Omit<ScaleMessage, 'op'>
  /** Uses `workers` from now on; 0: as many as the load needs. */
  set(workers: number): void
}

/** What the control socket is made of. */
export interface ControlEnv {
  readonly system: ControlSystem
  readonly apps: AppRegistry
  readonly state: StateSource
  readonly trace: Pick<TraceMemory, 'lenBytes' | 'readOnlyFd' | 'want'>
  /** What can be reached. */
  readonly networks: Omit<NetworksMessage, 'op'>
  /** Which workers are used, and for what. */
  readonly scale: Scale
  readonly log: Log
  /** The listening socket. */
  readonly listenFd: number
  /** Mode of the socket and our user: who may connect. */
  readonly socketMode: number
  readonly ownUid: number
  readonly regionBytes: number
  readonly workers: number
  /** Descriptors of the welcome message behind the region: doorbell page, slow path's and workers' eventfds. */
  readonly welcomeFds: readonly number[]
  /** Something was given to the slow path: let it poll. */
  readonly changed: () => void
  /** Runs `close` once no descriptor of an application is on its way to a worker any more. */
  readonly retire: (close: () => void) => void
}

/** Clients at once; more are refused. Some have not said hello yet, so there are more than applications. */
const CLIENTS_MAX = APPS_MAX * 2
/** Most connections taken and messages read at one wake-up: the slow path gets its turn in between. */
const STEPS_PER_TURN = 32
/** Messages an application may send in a second; more is no honest one's, since it waits for its contexts. */
const MESSAGES_PER_SECOND = 256
const SECOND_US = 1_000_000
/** Longest name an application may give itself, in characters. */
const NAME_MAX = 64

/** Whether a process with these credentials may use TAS. */
export function mayConnect(peer: Credentials, ownUid: number, socketMode: number): boolean {
  return peer.uid === ownUid || peer.uid === 0 || (socketMode & 0o022) !== 0
}

/** Which flow a message names, null if none. Addresses may come signed or unsigned. */
function readFlowQuery(message: Readonly<Record<string, unknown>>): FlowQuery | null {
  const integers = (names: readonly string[]): readonly number[] | null => {
    const values = names.map((name) => message[name])
    return values.every((value) => typeof value === 'number' && Number.isSafeInteger(value)) ? values as number[] : null
  }
  const [flow] = integers(['flow']) ?? []
  if (flow !== undefined) return { flow }
  const [localIp, localPort, remoteIp, remotePort] = integers(['localIp', 'localPort', 'remoteIp', 'remotePort']) ?? []
  return localIp === undefined ? null : { localIp: localIp | 0, localPort, remoteIp: remoteIp | 0, remotePort }
}

/** One connected process. */
class Client {
  readonly fd: number
  readonly peer: Credentials
  watcher: Closable | null = null
  app = 0
  contexts: ContextGrants | null = null
  region: Region | null = null
  /** The walk under way in each part. */
  readonly listings = new Map<StatePart, Listing>()
  /** Kinds that it has traced, a bit for each. */
  traceKinds = 0
  /** Since when messages are counted. */
  windowUs: number
  messages = 0

  constructor(fd: number, peer: Credentials, nowUs: number) {
    this.fd = fd
    this.peer = peer
    this.windowUs = nowUs
  }
}

/** The server. It accepts from `start` on. */
export class ControlServer {
  private readonly env: ControlEnv
  private readonly clients = new Set<Client>()
  private readonly limiter: RateLimiter
  private readonly inbox = new Uint8Array(CONTROL_MESSAGE_MAX)
  private watcher: Closable | null = null

  constructor(env: ControlEnv) {
    this.env = env
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

  /** Closes the socket of application `app`, telling it why. */
  hangUp(app: number, reason: string): void {
    for (const client of [...this.clients]) if (client.app === app) this.refuse(client, 'ECONNABORTED', reason)
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
      const client = new Client(fd, system.peerCredentials(fd), system.nowUs())
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
        this.refuseFor(client, error)
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
    this.countMessage(client)
    if (received.fds.length > 0) throw new ClientError('EPROTO', 'descriptors are not taken')
    this.handle(client, decodeControl(this.inbox.subarray(0, received.lenBytes)))
    return true
  }

  private countMessage(client: Client): void {
    const nowUs = this.env.system.nowUs()
    if (nowUs - client.windowUs > SECOND_US) {
      client.windowUs = nowUs
      client.messages = 0
    }
    if (++client.messages > MESSAGES_PER_SECOND) {
      throw new ClientError('EAGAIN', `more than ${MESSAGES_PER_SECOND} messages in a second`)
    }
  }

  private handle(client: Client, message: Readonly<Record<string, unknown>> | null): void {
    if (message?.['op'] === 'hello') this.hello(client, message['version'], message['name'])
    else if (message?.['op'] === 'context') this.askContext(client)
    else if (message?.['op'] === 'networks') this.sendPage(client, { op: 'networks', ...this.env.networks })
    else if (message?.['op'] === 'state') this.listState(client, message['part'], message['first'] === true)
    else if (message?.['op'] === 'flow') this.describeFlow(client, message)
    else if (message?.['op'] === 'trace') this.startTrace(client, message['kinds'])
    else if (message?.['op'] === 'scale') this.scale(client, message['workers'])
    else throw new ClientError('EPROTO', 'want a message { op: "hello" } or { op: "context" }')
  }

  private hello(client: Client, version: unknown, name: unknown): void {
    if (client.app !== 0) throw new ClientError('EALREADY', 'hello was said before')
    if (version !== LAYOUT_VERSION) {
      const versions = `application has layout version ${String(version)}, tas has ${LAYOUT_VERSION}`
      throw new ClientError('EPROTONOSUPPORT', `${versions}; use the same tasjs`)
    }
    if (typeof name !== 'string' || name.length > NAME_MAX) {
      throw new ClientError('EPROTO', `want a name of at most ${NAME_MAX} characters`)
    }
    const { system, apps, regionBytes, workers, welcomeFds } = this.env
    const region = system.createRegion('tas-app', regionBytes)
    client.region = region
    client.app = apps.addApp(region, { name, pid: client.peer.pid, uid: client.peer.uid })
    client.contexts = this.contextsOf(client)
    this.env.log.info({ app: client.app, name, ...client.peer }, 'application connected')
    this.env.changed()
    const welcome = { op: 'welcome' as const, version: LAYOUT_VERSION, app: client.app, regionBytes, workers }
    this.send(client, welcome, [region.fd, ...welcomeFds])
  }

  private contextsOf(client: Client): ContextGrants {
    const { system, apps, changed, retire } = this.env
    return new ContextGrants({
      system, retire,
      add: (wake) => apps.addContext(client.app, wake),
      remove: (id) => {
        apps.removeContext(client.app, id)
        changed()
      },
      tell: (id, fds) => {
        changed()
        this.send(client, { op: 'context', context: id }, fds)
      },
      refuse: (error) => this.refuseFor(client, error),
    })
  }

  private askContext({ contexts }: Client): void {
    if (contexts === null) throw new ClientError('EPROTO', 'want hello first')
    contexts.ask()
  }

  /** Context `id` of application `app` has ended, and nobody uses its rings any more: its id may be given away. */
  contextFreed(app: number, id: number): void {
    for (const client of this.clients) if (client.app === app) client.contexts?.freed(id)
  }

  /** Other users of this service may not see who is connected to whom, though --socket-mode may let them use it. */
  private demandOwner({ peer: { uid } }: Client, what: string): void {
    if (uid !== this.env.ownUid && uid !== 0) throw new ClientError('EACCES', `user ${uid} may not ${what}; the user of tas and root may`)
  }

  private listState(client: Client, name: unknown, isFirst: boolean): void {
    this.demandOwner(client, 'see the state')
    const part = STATE_PARTS.find((known) => known === name)
    if (part === undefined) throw new ClientError('EPROTO', `want a part of the state: ${STATE_PARTS.join(', ')}`)
    const listing = (isFirst ? null : client.listings.get(part)) ?? this.env.state.list(part)
    client.listings.set(part, listing)
    const page = listing.next(this.env.system.nowUs())
    if (!page.more) client.listings.delete(part)
    this.sendPage(client, { op: 'state', part, ...page })
  }

  private describeFlow(client: Client, message: Readonly<Record<string, unknown>>): void {
    this.demandOwner(client, 'see the state')
    const query = readFlowQuery(message)
    if (query === null) throw new ClientError('EPROTO', 'want a flow: { flow } or { localIp, localPort, remoteIp, remotePort }, all integers')
    this.sendPage(client, { op: 'flow', detail: this.env.state.describeFlow(query, this.env.system.nowUs()) })
  }

  private startTrace(client: Client, kinds: unknown): void {
    this.demandOwner(client, 'see the state')
    if (typeof kinds !== 'number' || !Number.isInteger(kinds) || kinds < 1 || kinds >= 2 ** TRACE_KINDS.length) {
      throw new ClientError('EPROTO', 'want kinds to trace, a bit for each')
    }
    const { log, trace } = this.env
    if (client.traceKinds === 0) log.info({ pid: client.peer.pid }, 'tracing begins')
    client.traceKinds = kinds
    this.wantKinds()
    this.send(client, { op: 'trace', lenBytes: trace.lenBytes }, [trace.readOnlyFd])
  }

  /** What anybody has traced. */
  private wantKinds(): void {
    let kinds = 0
    for (const client of this.clients) kinds |= client.traceKinds
    this.env.trace.want(kinds)
  }

  /** One that follows another changes what that one has set; each is told what is so afterwards. */
  private scale(client: Client, count: unknown): void {
    const { scale, workers, changed } = this.env
    this.demandOwner(client, 'scale it')
    if (count !== undefined) {
      if (typeof count !== 'number' || !Number.isInteger(count) || count < 0 || count > workers) {
        throw new ClientError('EINVAL', `${String(count)} workers: there are ${workers} (--fp-cores-max)`)
      }
      scale.set(count)
      changed()
    }
    this.sendPage(client, { op: 'scale', ...scale.state() })
  }

  private sendPage(client: Client, page: StatePage | FlowAnswer | NetworksMessage | ScaleMessage): void {
    if (!this.env.system.sendMessage(client.fd, encodePage(page), [])) {
      throw new ClientError('EAGAIN', 'does not read its control socket')
    }
  }

  private send(client: Client, message: TasToApp, fds: readonly number[]): void {
    if (!this.env.system.sendMessage(client.fd, encodeControl(message), fds)) {
      throw new ClientError('EAGAIN', 'does not read its control socket')
    }
  }

  private refuseFor(client: Client, error: unknown): void {
    this.refuse(client, errorCode(error) || 'EIO', errorText(error))
  }

  /** Closes a client for its mistake, with a line in the log. */
  private refuse(client: Client, code: string, message: string): void {
    const fields = { ...client.peer, app: client.app, code }
    this.limiter.warn(this.env.system.nowUs(), fields, `application refused: ${message}`)
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
    const { system, apps, log, changed } = this.env
    client.watcher?.close()
    system.closeFd(client.fd)
    if (client.app !== 0) apps.removeApp(client.app)
    if (client.traceKinds !== 0) this.endTrace(client)
    this.release(client)
    changed()
    if (client.app !== 0) log.info({ app: client.app, pid: client.peer.pid }, `application ${how}`)
  }

  private endTrace({ peer }: Client): void {
    this.wantKinds()
    this.env.log.info({ pid: peer.pid }, 'tracing ends')
  }

  /** The slow path does not touch a region any more once it was told. Workers have mappings of their own. */
  private release({ region, contexts }: Client): void {
    contexts?.end()
    if (region === null) return
    const { system, retire } = this.env
    system.unmapRegion(region.buffer)
    retire(() => system.closeFd(region.fd))
  }
}
