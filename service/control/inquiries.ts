/** What tools ask on the control socket, which need not be applications: networks, state, one flow, trace, scale. */
import {
  STATE_PARTS, TRACE_KINDS, type FlowDetail, type FlowQuery, type NetworksMessage, type ScaleMessage, type StatePage, type StatePart,
} from '../../lib/memif/index.js'
import type { Log } from '../log.js'
import type { SlowPath } from '../slow/slowpath.js'
import type { ControlSystem } from '../system.js'
import type { TraceMemory } from '../trace.js'
import type { Client, Message } from './client.js'
import { ClientError } from './clienterror.js'
import type { Topic } from './server.js'

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

export interface InquiriesEnv {
  readonly system: Pick<ControlSystem, 'nowUs'>
  readonly state: StateSource
  readonly trace: Pick<TraceMemory, 'lenBytes' | 'readOnlyFd' | 'want'>
  /** What can be reached. */
  readonly networks: Omit<NetworksMessage, 'op'>
  /** Which workers are used, and for what. */
  readonly scale: Scale
  /** How many workers there are. */
  readonly workers: number
  readonly log: Log
  /** Our user, who sees everything, as root does. */
  readonly ownUid: number
  /** Something was given to the slow path: let it poll. */
  readonly changed: () => void
}

/** What `slow` tells of itself, and lets be changed. */
export function sourcesOf(slow: SlowPath, nowUs: () => number): Pick<InquiriesEnv, 'state' | 'scale'> {
  return {
    state: { list: (part) => slow.listState(part), describeFlow: (query, us) => slow.describeFlow(query, us) },
    scale: {
      state: () => {
        const { isAuto, ...state } = slow.scaleState(nowUs())
        return { auto: isAuto, ...state }
      },
      set: (count) => slow.scale(count, nowUs()),
    },
  }
}

/** What a client is doing. */
interface Inquirer {
  /** The walk under way in each part. */
  readonly listings: Map<StatePart, Listing>
  /** Kinds that it has traced, a bit for each. */
  traceKinds: number
}

/** Which flow a message names, null if none. Addresses may come signed or unsigned. */
function readFlowQuery(message: Message): FlowQuery | null {
  const integers = (names: readonly string[]): readonly number[] | null => {
    const values = names.map((name) => message[name])
    return values.every((value) => typeof value === 'number' && Number.isSafeInteger(value)) ? values as number[] : null
  }
  const [flow] = integers(['flow']) ?? []
  if (flow !== undefined) return { flow }
  const [localIp, localPort, remoteIp, remotePort] = integers(['localIp', 'localPort', 'remoteIp', 'remotePort']) ?? []
  return localIp === undefined ? null : { localIp: localIp | 0, localPort, remoteIp: remoteIp | 0, remotePort }
}

export class Inquiries implements Topic {
  private readonly env: InquiriesEnv
  private readonly inquirers = new Map<Client, Inquirer>()

  constructor(env: InquiriesEnv) {
    this.env = env
  }

  answer(client: Client, message: Message): boolean {
    switch (message['op']) {
      case 'networks':
        client.sendPage({ op: 'networks', ...this.env.networks })
        return true
      case 'state':
        this.listState(client, message['part'], message['first'] === true)
        return true
      case 'flow':
        this.describeFlow(client, message)
        return true
      case 'trace':
        this.startTrace(client, message['kinds'])
        return true
      case 'scale':
        this.scale(client, message['workers'])
        return true
      default:
        return false
    }
  }

  left(client: Client): void {
    const inquirer = this.inquirers.get(client)
    if (inquirer === undefined) return
    this.inquirers.delete(client)
    if (inquirer.traceKinds === 0) return
    this.wantKinds()
    this.env.log.info({ pid: client.peer.pid }, 'tracing ends')
  }

  private inquirer(client: Client): Inquirer {
    const known = this.inquirers.get(client)
    if (known !== undefined) return known
    const inquirer: Inquirer = { listings: new Map(), traceKinds: 0 }
    this.inquirers.set(client, inquirer)
    return inquirer
  }

  /** Other users of this service may not see who is connected to whom, though --socket-mode may let them use it. */
  private demandOwner({ peer: { uid } }: Client, what: string): void {
    if (uid !== this.env.ownUid && uid !== 0) throw new ClientError('EACCES', `user ${uid} may not ${what}; the user of tas and root may`)
  }

  private listState(client: Client, name: unknown, isFirst: boolean): void {
    this.demandOwner(client, 'see the state')
    const part = STATE_PARTS.find((known) => known === name)
    if (part === undefined) throw new ClientError('EPROTO', `want a part of the state: ${STATE_PARTS.join(', ')}`)
    const { listings } = this.inquirer(client)
    const listing = (isFirst ? null : listings.get(part)) ?? this.env.state.list(part)
    listings.set(part, listing)
    const page = listing.next(this.env.system.nowUs())
    if (!page.more) listings.delete(part)
    client.sendPage({ op: 'state', part, ...page })
  }

  private describeFlow(client: Client, message: Message): void {
    this.demandOwner(client, 'see the state')
    const query = readFlowQuery(message)
    if (query === null) throw new ClientError('EPROTO', 'want a flow: { flow } or { localIp, localPort, remoteIp, remotePort }, all integers')
    client.sendPage({ op: 'flow', detail: this.env.state.describeFlow(query, this.env.system.nowUs()) })
  }

  private startTrace(client: Client, kinds: unknown): void {
    this.demandOwner(client, 'see the state')
    if (typeof kinds !== 'number' || !Number.isInteger(kinds) || kinds < 1 || kinds >= 2 ** TRACE_KINDS.length) {
      throw new ClientError('EPROTO', 'want kinds to trace, a bit for each')
    }
    const { log, trace } = this.env
    const inquirer = this.inquirer(client)
    if (inquirer.traceKinds === 0) log.info({ pid: client.peer.pid }, 'tracing begins')
    inquirer.traceKinds = kinds
    this.wantKinds()
    client.send({ op: 'trace', lenBytes: trace.lenBytes }, [trace.readOnlyFd])
  }

  /** What anybody has traced. */
  private wantKinds(): void {
    let kinds = 0
    for (const { traceKinds } of this.inquirers.values()) kinds |= traceKinds
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
    client.sendPage({ op: 'scale', ...scale.state() })
  }
}
