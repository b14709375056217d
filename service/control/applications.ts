/** Applications on the control socket: the version handshake, their memory and descriptors, their contexts (contextgrants.ts), their end. */
import { LAYOUT_VERSION, type Wakeable } from '../../lib/memif/index.js'
import type { Log } from '../log.js'
import type { AppOwner } from '../slow/app.js'
import type { ControlSystem, Region } from '../system.js'
import type { Client, Message } from './client.js'
import { ClientError } from './clienterror.js'
import { ContextGrants } from './contextgrants.js'
import type { Topic } from './server.js'

/** The slow path's registry of applications. */
export interface AppRegistry {
  /** Takes an application in and returns its id. Throws Error with `code` if there is no room. */
  addApp(region: Region, owner: AppOwner): number
  /** Gives the application one more context, woken by `wake`. Returns the context id. Throws Error if there is no room. */
  addContext(app: number, wake: Wakeable): number
  /** The context has ended. `Applications.contextFreed` is to be called when its id is free again. */
  removeContext(app: number, context: number): void
  /** Resets its connections and closes its listeners. Its region is not touched any more. */
  removeApp(app: number): void
}

export interface ApplicationsEnv {
  readonly system: ControlSystem
  readonly apps: AppRegistry
  readonly log: Log
  readonly regionBytes: number
  readonly workers: number
  /** Descriptors of the welcome message behind the region: doorbell page, slow path's and workers' eventfds. */
  readonly welcomeFds: readonly number[]
  /** Something was given to the slow path: let it poll. */
  readonly changed: () => void
  /** Runs `close` once no descriptor of an application is on its way to a worker any more. */
  readonly retire: (close: () => void) => void
}

/** Longest name an application may give itself, in characters. */
const NAME_MAX = 64

/** What a client has that has said hello. It may have failed with the region made and no id yet. */
interface Application {
  readonly region: Region
  contexts: ContextGrants | null
}

export class Applications implements Topic {
  private readonly env: ApplicationsEnv
  private readonly applications = new Map<Client, Application>()

  constructor(env: ApplicationsEnv) {
    this.env = env
  }

  answer(client: Client, message: Message): boolean {
    if (message['op'] === 'hello') this.hello(client, message['version'], message['name'])
    else if (message['op'] === 'context') this.askContext(client)
    else return false
    return true
  }

  left(client: Client): void {
    const application = this.applications.get(client)
    if (application === undefined) return
    this.applications.delete(client)
    if (client.app !== 0) this.env.apps.removeApp(client.app)
    this.release(application)
    this.env.changed()
  }

  /** Closes the socket of application `app`, telling it why. */
  hangUp(app: number, reason: string): void {
    for (const client of [...this.applications.keys()]) if (client.app === app) client.refuse(new ClientError('ECONNABORTED', reason))
  }

  /** Context `id` of application `app` has ended, and nobody uses its rings any more: its id may be given away. */
  contextFreed(app: number, id: number): void {
    for (const [client, { contexts }] of this.applications) if (client.app === app) contexts?.freed(id)
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
    const application: Application = { region, contexts: null }
    this.applications.set(client, application)
    client.app = apps.addApp(region, { name, pid: client.peer.pid, uid: client.peer.uid })
    application.contexts = this.contextsOf(client)
    this.env.log.info({ app: client.app, name, ...client.peer }, 'application connected')
    this.env.changed()
    client.send({ op: 'welcome', version: LAYOUT_VERSION, app: client.app, regionBytes, workers }, [region.fd, ...welcomeFds])
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
        client.send({ op: 'context', context: id }, fds)
      },
      refuse: (error) => client.refuse(error),
    })
  }

  private askContext(client: Client): void {
    const contexts = this.applications.get(client)?.contexts ?? null
    if (contexts === null) throw new ClientError('EPROTO', 'want hello first')
    contexts.ask()
  }

  /** The slow path does not touch a region any more once it was told. Workers have mappings of their own. */
  private release({ region, contexts }: Application): void {
    const { system, retire } = this.env
    contexts?.end()
    system.unmapRegion(region.buffer)
    retire(() => system.closeFd(region.fd))
  }
}
