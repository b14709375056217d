/** The link to a TAS service in another process: region and doorbell page mapped, eventfds for the bells. */
import { randomUUID } from 'node:crypto'
import { closeFd, currentCpu, EventFd, FdWatcher, HeldFds, mapRegion, nowUs, unmapRegion, waitReadable, yieldCpu } from '../../native/index.js'
import { DOORBELL_PAGE_BYTES } from '../memif/index.js'
import { ControlLock } from './controllock.js'
import { codeOf, TasError } from './errors.js'
import { askContext, askNetworks, closeAll, controlEnded, sayHello } from './handshake.js'
import type { ContextLink, Networks, ServiceLink, SharedTas, Watcher } from './link.js'

/**
 * Connects to the TAS service at `socket` under the name `name`.
 * Throws TasError; see `sayHello` for the codes.
 */
export function openLink(socket: string, name: string): ServiceLink {
  const welcome = sayHello(socket, name)
  const lock = new ControlLock()
  return map({ ...welcome, application: randomUUID(), socket, lock: lock.memory }, lock)
}

/** Uses the application of another thread of this process. Throws TasError EBADF once no thread uses it any more. */
export function joinLink(shared: SharedTas): ServiceLink {
  const lock = new ControlLock(shared.lock)
  if (!lock.enter()) throw new TasError('EBADF', 'the application has ended: no thread uses it any more')
  return map(shared, lock)
}

function map(shared: SharedTas, lock: ControlLock): ServiceLink {
  try {
    const region = mapRegion(shared.regionFd, shared.regionBytes, true)
    const doorbellPage = mapRegion(shared.doorbellFd, DOORBELL_PAGE_BYTES, false)
    return new NativeLink(shared, lock, region, doorbellPage)
  } catch (cause) {
    leave(shared, lock)
    throw new TasError(codeOf(cause) || 'EPROTO', `cannot map the memory of the TAS service at ${shared.socket}`, { cause })
  }
}

/** This thread uses the application no longer; with the last one it ends. */
function leave(shared: SharedTas, lock: ControlLock): void {
  if (lock.leave()) closeAll(descriptors(shared))
}

/** Those of the application. The service takes the end of the first, which has no other holder, for that of the application. */
function descriptors({ control, regionFd, doorbellFd, slowFd, workerFds }: SharedTas): number[] {
  return [control, regionFd, doorbellFd, slowFd, ...workerFds]
}

class NativeLink implements ServiceLink {
  readonly words: Int32Array
  readonly bytes: Uint8Array
  readonly doorbells: Int32Array
  readonly slow: EventFd
  readonly workers: readonly EventFd[]
  readonly control: number
  readonly application: string
  gone = false
  private readonly shared: SharedTas
  private readonly lock: ControlLock
  /** Whatever way this thread ends, nothing of it stays open. */
  private readonly held: HeldFds
  private wasShared = false
  private readonly region: ArrayBuffer
  private readonly doorbellPage: ArrayBuffer
  private readonly readable = new Int32Array(1)

  constructor(shared: SharedTas, lock: ControlLock, region: ArrayBuffer, doorbellPage: ArrayBuffer) {
    this.shared = shared
    this.lock = lock
    this.held = new HeldFds(descriptors(shared), lock.users)
    this.application = shared.application
    this.control = shared.control
    this.region = region
    this.doorbellPage = doorbellPage
    this.words = new Int32Array(this.region)
    this.bytes = new Uint8Array(this.region)
    this.doorbells = new Int32Array(this.doorbellPage)
    this.slow = new EventFd(shared.slowFd)
    this.workers = shared.workerFds.map((fd) => new EventFd(fd))
  }

  look(): void {
    // What is readable while another thread talks is its answer.
    if (!this.gone) this.lock.tryRun(() => { this.gone = controlEnded(this.control, this.readable) })
  }

  get isShared(): boolean {
    return this.wasShared || this.lock.isShared
  }

  share(): SharedTas {
    if (this.gone) throw this.hasEnded()
    this.wasShared = true
    return this.shared
  }

  watchGone(onGone: () => void): Watcher {
    return new FdWatcher(this.control, () => {
      this.look()
      if (this.gone) onGone()
    })
  }

  createContext(): ContextLink {
    if (this.gone) throw this.hasEnded()
    const { context, fd, lifeFd } = this.lock.run(() => askContext(this.control, this.shared.socket))
    this.held.add(fd)
    this.held.add(lifeFd)
    return new NativeContext(this, context, new EventFd(fd), lifeFd, this.held)
  }

  networks(): Networks {
    if (this.gone) throw this.hasEnded()
    return this.lock.run(() => askNetworks(this.control, this.shared.socket))
  }

  nowUs(): number {
    return nowUs()
  }

  currentCpu(): number {
    return currentCpu()
  }

  advance(): void {}

  yieldCpu(): number {
    return yieldCpu()
  }

  close(): void {
    this.gone = true
    this.held.drop()
    leave(this.shared, this.lock)
    unmapRegion(this.region)
    unmapRegion(this.doorbellPage)
  }

  private hasEnded(): TasError {
    return new TasError('ESERVICEGONE', `the TAS service at ${this.shared.socket} has ended`)
  }
}

class NativeContext implements ContextLink {
  readonly context: number
  readonly fd: number
  private readonly link: NativeLink
  private readonly bell: EventFd
  /** The service takes its end for that of the context. */
  private readonly lifeFd: number
  private readonly held: HeldFds
  private readonly fds: Int32Array

  constructor(link: NativeLink, context: number, bell: EventFd, lifeFd: number, held: HeldFds) {
    this.link = link
    this.lifeFd = lifeFd
    this.held = held
    this.context = context
    this.bell = bell
    this.fd = bell.fd
    this.fds = Int32Array.of(bell.fd, link.control, -1)
  }

  sleep(timeoutUs: number, wakeFd: number): void {
    this.fds[2] = wakeFd
    const ready = waitReadable(this.fds, wakeFd < 0 ? 2 : 3, timeoutUs)
    if ((ready & 1) !== 0) this.bell.drain()
    if ((ready & 2) !== 0) this.link.look()
  }

  rest(): void {}

  watch(onWake: () => void): Watcher {
    return new FdWatcher(this.fd, () => {
      this.bell.drain()
      onWake()
    })
  }

  close(): void {
    this.held.remove(this.fd)
    this.bell.close()
    this.held.remove(this.lifeFd)
    closeFd(this.lifeFd)
  }
}
