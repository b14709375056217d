/** Contexts (struct flextcp_context): where events arrive. */
import {
  AS_BACKLOG, AS_CONTEXT, AS_FLAGS, AS_FLOW, AS_GEN_WORKER, AS_LOCAL_IP, AS_OPTION, AS_PORTS, AS_REMOTE_IP, AS_VALUE, Doorbell, DOORBELL_SLOW,
  doorbellWord, EV_LISTEN_OPEN, LISTEN_REUSEPORT, LISTEN_SILENT, MOVE_HANDED, MOVE_LET_GO, placeContext, REQ_CONN_MOVE, REQ_CONN_OPEN,
  REQ_CONN_OPTION, REQ_LISTEN_OPEN, RingConsumer, RingProducer, SleepMark, type AppRegionShape,
} from '../memif/index.js'
import { addressWord, checkPort } from './address.js'
import { WorkerChannel } from './channel.js'
import type { Connection } from './connection.js'
import { allOptionWords, routeOptionWords } from './connectionoptions.js'
import type { AttachOptions, ConnectOptions, EventHandler, ListenOptions } from './contextoptions.js'
import { STATUS_SERVICE_GONE, TasError } from './errors.js'
import type { TasEvent } from './events.js'
import { checkApplication, type HandedConnection, type HandedListener } from './handing.js'
import { Inbox } from './inbox.js'
import type { ContextLink } from './link.js'
import { Listener } from './listener.js'
import { LoopAttachment } from './loop.js'
import { Outbox } from './outbox.js'
import { RequestQueue } from './requests.js'
import { SlowEvents } from './slowevents.js'
import type { Tas } from './tas.js'
import { setImmediate } from './timers.js'
import { Waiter } from './waiter.js'

/** Empty polls between two looks whether the service is still there: a look is a system call. */
const POLLS_PER_LOOK = 1024
/** Offers of the CPU, of a microsecond and more each, until what a context that closes still has to say has found room. */
const CLOSING_TURNS = 10_000
const DEFAULT_BACKLOG = 128
/** Looks for an awaited answer before the thread sleeps between two of them, and for how long it does. */
const ANSWER_SPINS = 64
const ANSWER_SLEEP_US = 200

/**
 * A queue of events and all that belongs to it. Made by `Tas.createContext`; lives in the thread that made it.
 * Either poll it (`poll`, `block`) or attach it to Node's event loop (`attach`).
 */
export class Context {
  readonly tas: Tas
  /** @internal */ readonly inbox: Inbox
  /** @internal */ readonly outbox: Outbox
  private readonly link: ContextLink
  private readonly mark: SleepMark
  private readonly waiter: Waiter
  private loop: LoopAttachment | null = null
  private goneSeen = false
  private closed = false
  private emptyPolls = 0
  private readonly cpuWord: number
  private shownCpu = -1

  /** @internal */
  constructor(tas: Tas, shape: AppRegionShape, link: ContextLink) {
    const service = tas.link
    const { words, doorbells } = service
    const places = placeContext(shape, link.context)
    const channels = places.events.map((events, worker) => {
      const doorbell = new Doorbell(doorbells, doorbellWord(worker), service.workers[worker])
      return new WorkerChannel(words, events, places.bumps[worker], doorbell)
    })
    const slowBell = new Doorbell(doorbells, DOORBELL_SLOW, service.slow)
    this.tas = tas
    this.link = link
    this.mark = new SleepMark(words, places.sleepingWord)
    this.cpuWord = places.cpuWord
    this.inbox = new Inbox(new RingConsumer(words, places.kin), channels, new SlowEvents(this))
    const requests = new RequestQueue(new RingProducer(words, places.kout), slowBell)
    this.outbox = new Outbox(channels, requests, service, (connection) => this.inbox.list(connection))
    this.waiter = new Waiter(service, link, this.mark, this.inbox, this.outbox, tas.pollIntervalUs)
  }

  /** Context id. */
  get id(): number {
    return this.link.context
  }

  /** @internal It is given up. */
  get isClosed(): boolean {
    return this.closed
  }

  /** Descriptor that polls readable when the context was woken while in `block` or attached; -1 if there is none. */
  get fd(): number {
    return this.link.fd
  }

  /** Whether events are delivered from the event loop. */
  get attached(): boolean {
    return this.loop !== null
  }

  /**
   * Opens a connection to `address`:`port`; CONN_OPEN tells the result. Returns the handle at once.
   * Throws TasError EINVAL, ENOENT, ESERVICEGONE, EBADF. flextcp_connection_open.
   */
  connect(address: string | number, port: number, options: ConnectOptions = {}): Connection {
    this.checkUsable()
    const remoteIp = addressWord(address)
    const ports = (checkPort(port, 1) << 16) | checkPort(options.localPort ?? 0, 0)
    const localIp = addressWord(options.localAddress ?? 0)
    const optionList = [...allOptionWords(options), ...routeOptionWords(options.sourceRoute)]
    const connection = this.tas.addConnection(this, null)
    this.sendOptions(connection.handle, optionList)
    const entry = this.outbox.requests.compose(REQ_CONN_OPEN, connection.handle)
    entry[AS_REMOTE_IP] = remoteIp
    entry[AS_LOCAL_IP] = localIp
    entry[AS_PORTS] = ports
    this.outbox.requests.send(entry)
    this.changed()
    return connection
  }

  /**
   * Listens on `port` (0: chosen by TAS); LISTEN_OPEN tells the result. Returns the handle at once.
   * Throws TasError EINVAL, ENOENT, ESERVICEGONE, EBADF. flextcp_listen_open.
   */
  listen(port: number, options: ListenOptions = {}): Listener {
    this.checkUsable()
    checkPort(port, 0)
    const localIp = addressWord(options.address ?? 0)
    const backlog = options.backlog ?? DEFAULT_BACKLOG
    if (!Number.isInteger(backlog) || backlog < 1) throw new TasError('EINVAL', `backlog ${backlog}: want 1 or more`)
    const optionList = allOptionWords(options)
    const listener = this.tas.addListener(this, port)
    this.sendOptions(listener.handle, optionList)
    const entry = this.outbox.requests.compose(REQ_LISTEN_OPEN, listener.handle)
    entry[AS_LOCAL_IP] = localIp
    entry[AS_PORTS] = port
    entry[AS_BACKLOG] = Math.min(backlog, 0x7fffffff)
    entry[AS_FLAGS] = (options.reusePort === true ? LISTEN_REUSEPORT : 0) | (options.silent === true ? LISTEN_SILENT : 0)
    this.outbox.requests.send(entry)
    this.changed()
    return listener
  }

  /**
   * Takes a connection that another thread has let go (`Connection.release`). Returns the handle at once; CONN_MOVED tells that it is here,
   * CONN_CLOSED with ENOTCONN that it has ended meanwhile. Throws TasError EXDEV if it belongs to another application, ESERVICEGONE, EBADF.
   */
  adopt(handed: HandedConnection): Connection {
    this.checkUsable()
    checkApplication(handed, this.tas.link.application)
    const connection = this.tas.addConnection(this, null)
    connection.restore(handed)
    this.inbox.flows.add(connection)
    const entry = this.outbox.requests.compose(REQ_CONN_MOVE, handed.handle)
    entry[AS_FLOW] = handed.words[AS_FLOW]
    entry[AS_GEN_WORKER] = handed.words[AS_GEN_WORKER]
    entry[AS_CONTEXT] = this.id
    entry[AS_FLAGS] = MOVE_HANDED
    entry[AS_VALUE] = connection.handle
    this.outbox.requests.send(entry)
    this.changed()
    return connection
  }

  /**
   * A listener of another thread that shares the application (`Listener.share`), from which this context can accept as well. Its `close` ends
   * that alone. When the thread that listens closes it, waiting accepts end with ECANCELED, later ones with EINVAL. Throws TasError EXDEV,
   * ESERVICEGONE, EBADF.
   */
  joinListener(handed: HandedListener): Listener {
    this.checkUsable()
    checkApplication(handed, this.tas.link.application)
    return Listener.joined(this, handed)
  }

  /**
   * Hands over what was done, then fills `events` with up to `max` events (default: all of them). Returns how many.
   * Allocates nothing, never waits. Throws only if the context is closed or attached. flextcp_context_poll.
   */
  poll(events: readonly TasEvent[], max: number = events.length): number {
    if (this.loop !== null) throw new TasError('EBUSY', 'the context is attached to the event loop')
    return this.take(events, max)
  }

  /**
   * Returns when a poll may find something, after `timeoutUs` microseconds (-1: no limit) or when a signal arrives; hands
   * over first what was done. Spins for a moment if the last wait was short, then sleeps. Nothing else in
   * this thread runs meanwhile. `wakeFd` is a descriptor that ends the wait when it is readable, -1 for none. Throws TasError ESERVICEGONE
   * once TAS is gone and poll has told everything, ENOTSUP for a descriptor if TAS is in the same thread. flextcp_block.
   */
  block(timeoutUs = -1, wakeFd = -1): void {
    if (this.loop !== null) throw new TasError('EBUSY', 'the context is attached to the event loop')
    this.checkOpen()
    this.inbox.settle()
    this.outbox.flush()
    if (this.inbox.hasWork()) return
    if (this.tas.link.gone) {
      if (this.goneSeen) throw this.serviceGone()
      return
    }
    if (timeoutUs !== 0) this.waiter.wait(timeoutUs, wakeFd)
  }

  /** Hands over to workers and slow path what was done; as many system calls as sides sleep, usually none. */
  flush(): void {
    this.checkOpen()
    this.outbox.flush()
    this.tas.link.advance()
  }

  /**
   * What connections of this context send until `release` is handed over together, if nothing else hands it over: parts of one answer then leave as
   * one segment if they fit. The C API has no such call.
   */
  hold(): void {
    this.outbox.hold()
  }

  /** Ends `hold`, in the same turn. What `connection` has sent meanwhile counts as sent at once. */
  release(connection: Connection): void {
    this.outbox.release(connection)
  }

  /**
   * Runs `run` behind the events of the turn that is under way, or before those of the next: where Node does what it puts off until descriptors have been
   * served. What it does to connections is handed over with the rest of the turn. Without `attach`: in a setImmediate.
   */
  defer(run: () => void): void {
    if (this.loop === null) setImmediate(run)
    else this.loop.defer(run)
  }

  /**
   * Delivers events to `handler` from Node's event loop: no thread, and no polling while nothing happens. What is done to
   * connections, inside of the handler or out, is handed over by itself. An exception of the handler becomes an
   * uncaughtException and does not stop the delivery. Throws TasError EBUSY if attached already.
   */
  attach(handler: EventHandler, options: AttachOptions = {}): void {
    this.checkOpen()
    if (this.loop !== null) throw new TasError('EBUSY', 'the context is attached to the event loop already')
    this.loop = new LoopAttachment(this, this.link, this.mark, handler, options.ref ?? true)
  }

  /** Ends `attach`; the context can be polled again. Events not yet delivered of the present turn are lost. */
  detach(): void {
    const loop = this.loop
    if (loop === null) return
    this.loop = null
    loop.close()
  }

  /** The attachment keeps the process alive. */
  ref(): void {
    this.loop?.ref()
  }

  /** The attachment does not keep the process alive. */
  unref(): void {
    this.loop?.unref()
  }

  /**
   * Gives the context up: its connections and listeners are closed as by their close(), without further events; connections on their way to it are
   * reset. Another context can be made in its place. The same happens when its thread ends, but then connections that are open are reset.
   */
  close(): void {
    if (this.closed) return
    this.detach()
    this.tas.closeAllOf(this)
    this.handOverAll()
    this.closed = true
    this.tas.forget(this)
    this.link.close()
  }

  /** What rings have no room for is handed over as their readers go on, which may want us to read as well; one that hangs is not waited for. */
  private handOverAll(): void {
    this.outbox.flush()
    for (let turns = 0; turns < CLOSING_TURNS && this.outbox.stuck && !this.tas.link.gone; turns++) {
      this.inbox.discard()
      this.tas.link.yieldCpu()
      this.outbox.flush()
    }
  }

  /** @internal Takes events, attached or not. */
  take(events: readonly TasEvent[], max: number): number {
    this.checkOpen()
    this.showCpu()
    this.inbox.settle()
    this.outbox.flush()
    this.tas.link.advance()
    // What the slow path has told before its end comes first: it may say why.
    if (this.serviceLost && !this.inbox.hasAnswers()) this.serviceEnded()
    const count = this.inbox.poll(events, max)
    if (count === 0 && ++this.emptyPolls >= POLLS_PER_LOOK) {
      this.emptyPolls = 0
      this.tas.link.look()
    }
    return count
  }

  /** @internal Something waits to be handed over. */
  changed(): void {
    if (this.loop !== null) this.loop.changed()
  }

  /** @internal Waits for the answer to the opening of `listener`, which is not taken. Returns where it stands, or -1. */
  waitAnswer(listener: Listener, timeoutUs: number): number {
    this.checkOpen()
    const { link } = this.tas
    const untilUs = link.nowUs() + timeoutUs
    let at = -1
    for (let looks = 0; ; looks++) {
      this.outbox.flush()
      at = this.inbox.findAnswer(EV_LISTEN_OPEN, listener.handle)
      if (at >= 0 || link.gone || link.nowUs() >= untilUs) break
      if (looks < ANSWER_SPINS) link.yieldCpu()
      else {
        this.link.sleep(ANSWER_SLEEP_US, -1)
        link.look()
      }
    }
    // The sleep may have taken a wake-up that was meant for the event loop.
    this.loop?.wake()
    return at
  }

  /** @internal The service is gone, which is still to be told. */
  get serviceLost(): boolean {
    return this.tas.link.gone && !this.goneSeen
  }

  /** @internal The service is gone and everything has been told. */
  get finished(): boolean {
    return this.goneSeen && !this.inbox.hasWork()
  }

  /** @internal The service is gone: wakes the attachment. */
  wakeLoop(): void {
    this.loop?.wake()
  }

  /** @internal Another thread is to have `connection`: its events are nobody's here. */
  letGo(connection: Connection): void {
    this.inbox.flows.remove(connection)
    this.tas.connections.remove(connection.handle)
    const entry = connection.composeRequest(REQ_CONN_MOVE)
    entry[AS_FLAGS] = MOVE_LET_GO
    this.outbox.requests.send(entry)
    // Before the other thread can ask for it, and before this one can end.
    this.outbox.requests.flush()
  }

  /** @internal Calls off what waits in accept for `listener`. */
  cancelAccepts(listener: Listener): void {
    this.tas.connections.forEach((connection) => {
      if (connection.listener === listener && connection.flow < 0) connection.close()
    })
  }

  /** @internal Ends connections that wait in accept for `listener`. */
  endAccepts(listener: Listener, status: number): void {
    this.tas.connections.forEach((connection) => {
      if (connection.listener === listener && connection.flow < 0 && !connection.ended) this.end(connection, status)
    })
  }

  /** Says where we are (service/fast/placement.ts). The cache line is one that workers read: it is written only if that has changed. */
  private showCpu(): void {
    const { link } = this.tas
    const cpu = link.currentCpu()
    if (cpu === this.shownCpu) return
    this.shownCpu = cpu
    link.words[this.cpuWord] = cpu + 1
  }

  /** Options for the open request of `handle`, which must follow them. */
  private sendOptions(handle: number, optionList: readonly (readonly number[])[]): void {
    for (const words of optionList) {
      const entry = this.outbox.requests.compose(REQ_CONN_OPTION, handle)
      entry[AS_FLOW] = -1
      entry.set(words, AS_OPTION)
      this.outbox.requests.send(entry)
    }
  }

  private serviceEnded(): void {
    this.goneSeen = true
    this.tas.connections.forEach((connection) => {
      if (connection.context === this && !connection.ended) this.end(connection, STATUS_SERVICE_GONE)
    })
    this.tas.listeners.forEach((listener) => {
      if (listener.context !== this) return
      this.tas.listeners.remove(listener.handle)
      this.inbox.lost(listener)
    })
  }

  private end(connection: Connection, status: number): void {
    connection.end(status)
    if (connection.flow >= 0) {
      this.inbox.ends(connection)
      return
    }
    connection.drained = true
    this.inbox.list(connection)
  }

  private checkUsable(): void {
    this.checkOpen()
    if (this.tas.link.gone) throw this.serviceGone()
  }

  private checkOpen(): void {
    if (this.closed) throw new TasError('EBADF', 'the context is closed')
  }

  private serviceGone(): TasError {
    return new TasError('ESERVICEGONE', 'the TAS service has ended: start it and connect anew')
  }
}
