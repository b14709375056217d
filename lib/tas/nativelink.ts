/** The link to a TAS service in another process: region and doorbell page mapped, eventfds for the bells. */
import { closeFd, EventFd, FdWatcher, mapRegion, nowUs, unmapRegion, waitReadable, yieldCpu } from '../../native/index.js'
import { DOORBELL_PAGE_BYTES } from '../memif/index.js'
import { codeOf, TasError } from './errors.js'
import { askContext, askNetworks, closeAll, controlEnded, sayHello, type Welcome } from './handshake.js'
import type { ContextLink, Networks, ServiceLink, Watcher } from './link.js'

/**
 * Connects to the TAS service at `socket` under the name `name`.
 * Throws TasError; see `sayHello` for the codes.
 */
export function openLink(socket: string, name: string): ServiceLink {
  const welcome = sayHello(socket, name)
  try {
    const region = mapRegion(welcome.regionFd, welcome.regionBytes, true)
    const doorbellPage = mapRegion(welcome.doorbellFd, DOORBELL_PAGE_BYTES, false)
    return new NativeLink(socket, welcome, region, doorbellPage)
  } catch (cause) {
    closeAll([welcome.control, welcome.slowFd, ...welcome.workerFds])
    throw new TasError(codeOf(cause) || 'EPROTO', `cannot map the memory of the TAS service at ${socket}`, { cause })
  } finally {
    closeAll([welcome.regionFd, welcome.doorbellFd])
  }
}

class NativeLink implements ServiceLink {
  readonly words: Int32Array
  readonly bytes: Uint8Array
  readonly doorbells: Int32Array
  readonly slow: EventFd
  readonly workers: readonly EventFd[]
  readonly control: number
  gone = false
  private readonly socket: string
  private readonly region: ArrayBuffer
  private readonly doorbellPage: ArrayBuffer
  private readonly readable = new Int32Array(1)

  constructor(socket: string, welcome: Welcome, region: ArrayBuffer, doorbellPage: ArrayBuffer) {
    this.socket = socket
    this.control = welcome.control
    this.region = region
    this.doorbellPage = doorbellPage
    this.words = new Int32Array(this.region)
    this.bytes = new Uint8Array(this.region)
    this.doorbells = new Int32Array(this.doorbellPage)
    this.slow = new EventFd(welcome.slowFd)
    this.workers = welcome.workerFds.map((fd) => new EventFd(fd))
  }

  look(): void {
    if (!this.gone) this.gone = controlEnded(this.control, this.readable)
  }

  watchGone(onGone: () => void): Watcher {
    return new FdWatcher(this.control, () => {
      this.look()
      if (this.gone) onGone()
    }, true)
  }

  createContext(): ContextLink {
    if (this.gone) throw this.hasEnded()
    const { context, fd } = askContext(this.control, this.socket)
    return new NativeContext(this, context, new EventFd(fd))
  }

  networks(): Networks {
    if (this.gone) throw this.hasEnded()
    return askNetworks(this.control, this.socket)
  }

  nowUs(): number {
    return nowUs()
  }

  advance(): void {}

  yieldCpu(): number {
    return yieldCpu()
  }

  close(): void {
    this.gone = true
    closeFd(this.control)
    this.slow.close()
    for (const worker of this.workers) worker.close()
    unmapRegion(this.region)
    unmapRegion(this.doorbellPage)
  }

  private hasEnded(): TasError {
    return new TasError('ESERVICEGONE', `the TAS service at ${this.socket} has ended`)
  }
}

class NativeContext implements ContextLink {
  readonly context: number
  readonly fd: number
  private readonly link: NativeLink
  private readonly bell: EventFd
  private readonly fds: Int32Array

  constructor(link: NativeLink, context: number, bell: EventFd) {
    this.link = link
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
    this.bell.close()
  }
}
