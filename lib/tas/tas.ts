/** The connection of this program to a TAS service (flextcp_init). */
import { DEFAULT_SOCKET, readAppPollIntervalUs, readAppRegionHeader, type AppRegionShape } from '../memif/index.js'
import { Connection } from './connection.js'
import { Context } from './context.js'
import { TasError } from './errors.js'
import { HandleTable } from './handles.js'
import type { Networks, ServiceLink, SharedTas, Watcher } from './link.js'
import { Listener } from './listener.js'
import { joinLink, openLink } from './nativelink.js'

/** Options of `Tas.connect`. */
export interface TasOptions {
  /** Path of the service's unix socket; default: environment variable TAS_SOCKET, else DEFAULT_SOCKET of lib/memif. */
  readonly socket?: string
  /** Name under which the service lists this program; default: its process id. */
  readonly name?: string
}

/**
 * One application as TAS sees it: a region of memory, contexts, connections. Lives in the thread that made it; others can have one of the
 * same application (`share`, `join`).
 */
export class Tas {
  /** @internal */ readonly link: ServiceLink
  /** @internal */ readonly connections = new HandleTable<Connection>()
  /** @internal */ readonly listeners = new HandleTable<Listener>()
  /** @internal How long contexts poll before they block, in microseconds; the service says so. */
  readonly pollIntervalUs: number
  private readonly shape: AppRegionShape
  private readonly contexts = new Set<Context>()
  private watcher: Watcher | null = null
  private closed = false

  private constructor(link: ServiceLink) {
    this.link = link
    this.shape = readAppRegionHeader(link.words)
    this.pollIntervalUs = readAppPollIntervalUs(link.words)
    if (this.shape.workers !== link.workers.length) {
      throw new TasError('EPROTO', `the region is for ${this.shape.workers} workers, the service has ${link.workers.length}`)
    }
  }

  /**
   * Connects to a TAS service in another process. Throws TasError: ENOENT when none runs there, ETIMEDOUT when it does not
   * answer, EVERSION, EACCES, or the code with which it refuses. flextcp_init.
   */
  static connect(options: TasOptions = {}): Tas {
    const socket = options.socket ?? (process.env['TAS_SOCKET'] || DEFAULT_SOCKET)
    return Tas.attach(openLink(socket, options.name ?? `pid ${process.pid}`))
  }

  /**
   * Uses the application of another thread of the process, for which `share` was called there: connections can change from thread to thread
   * then (`Connection.release`, `Context.adopt`), and several accept from one listener. It ends with the last thread that closes its Tas.
   * Throws TasError EBADF if it has ended. The C API needs no such function.
   */
  static join(shared: SharedTas): Tas {
    return Tas.attach(joinLink(shared))
  }

  /** Uses a TAS that is reached in another way, such as one in the same thread (LocalLink). */
  static attach(link: ServiceLink): Tas {
    try {
      return new Tas(link)
    } catch (cause) {
      link.close()
      throw cause instanceof TasError ? cause : new TasError('EVERSION', 'the region does not fit this library', { cause })
    }
  }

  /** For `join` in other threads of the process: `workerData` and `postMessage` can carry it. Throws TasError ENOTSUP for a TAS in this thread. */
  share(): SharedTas {
    if (this.closed) throw new TasError('EBADF', 'this Tas is closed')
    return this.link.share()
  }

  /** Which application it is: a Tas of another thread that shares it says the same. */
  get application(): string {
    return this.link.application
  }

  /** Whether other threads use the application, or may: it does not end with this one. */
  get isShared(): boolean {
    return this.link.isShared
  }

  /** Whether the service is known to have ended. */
  get gone(): boolean {
    return this.link.gone
  }

  /** Addresses and routes of the service, asked for anew. Throws TasError if it does not answer. The C API has no such function. */
  networks(): Networks {
    if (this.closed) throw new TasError('EBADF', 'this Tas is closed')
    return this.link.networks()
  }

  /** The clock by which contexts wait, microseconds; monotonic, and virtual in a simulation. */
  nowUs(): number {
    return this.link.nowUs()
  }

  /**
   * Makes a context; an application has at most CONTEXTS_MAX at once. Waits if many come and go. Throws TasError if the service refuses.
   * flextcp_context_create.
   */
  createContext(): Context {
    if (this.closed) throw new TasError('EBADF', 'this Tas is closed')
    const context = new Context(this, this.shape, this.link.createContext())
    this.contexts.add(context)
    return context
  }

  /**
   * Leaves the service, which resets what is still open: close connections and wait for CONN_CLOSED first if their
   * last bytes matter. Views of buffers must not be used afterwards. The C API has no such function.
   */
  close(): void {
    if (this.closed) return
    this.closed = true
    for (const context of [...this.contexts]) context.close()
    this.unwatch()
    this.link.close()
  }

  /** @internal From now on attached contexts are woken when the service ends. */
  watchService(): void {
    if (this.watcher !== null || this.link.gone) return
    this.watcher = this.link.watchGone(() => this.serviceEnded())
    this.watcher.unref()
  }

  /** @internal */
  addConnection(context: Context, listener: Listener | null): Connection {
    const connection = new Connection(context, this.connections.reserve(), listener)
    this.connections.fill(connection.handle, connection)
    return connection
  }

  /** @internal */
  addListener(context: Context, port: number): Listener {
    const listener = new Listener(context, this.listeners.reserve(), port)
    this.listeners.fill(listener.handle, listener)
    return listener
  }

  /** @internal Closes whatever belongs to `context`. */
  closeAllOf(context: Context): void {
    this.listeners.forEach((listener) => {
      if (listener.context === context) listener.close()
    })
    this.connections.forEach((connection) => {
      if (connection.context === context) connection.close()
      // Asked for now, while the id is still this one's.
      else if (connection.movingTo === context) connection.context.outbox.flush()
    })
  }

  /** @internal `context` is closed: nothing more is heard of what was its, but for connections that another one is about to have. */
  forget(context: Context): void {
    this.contexts.delete(context)
    this.listeners.forEach((listener) => {
      if (listener.context === context) this.listeners.remove(listener.handle)
    })
    this.connections.forEach((connection) => {
      const isLeaving = connection.movingTo !== null && connection.movingTo !== context
      if (connection.context === context && !isLeaving) this.connections.remove(connection.handle)
    })
  }

  private serviceEnded(): void {
    this.unwatch()
    for (const context of this.contexts) context.wakeLoop()
  }

  private unwatch(): void {
    this.watcher?.close()
    this.watcher = null
  }
}
