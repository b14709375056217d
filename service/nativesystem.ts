/** The system calls of service/system.ts by the native addon. */
import {
  acceptUnix,
  closeFd,
  createRegion,
  EventFd,
  FdWatcher,
  nowUs,
  peerCredentials,
  receiveMessage,
  sendMessage,
  socketPair,
  unmapRegion,
} from '../native/index.js'
import type { Closable, ControlSystem, Region, WakeFd, WorkerSystem } from './system.js'

/** The eventfd of an application's context. A late wake-up must not be written to a descriptor that is something else by then. */
class ContextWake implements WakeFd {
  private readonly eventFd = new EventFd()
  private open = true

  get fd(): number {
    return this.eventFd.fd
  }

  wake(): void {
    if (this.open) this.eventFd.wake()
  }

  close(): void {
    if (!this.open) return
    this.open = false
    this.eventFd.close()
  }
}

function watch(fd: number, onReadable: () => void): Closable {
  return new FdWatcher(fd, onReadable)
}

/**
 * Both ends must not block. Watching a descriptor makes it so, and the mark stays with the socket when the worker inherits it.
 */
function unblockedPair(): readonly [number, number] {
  const pair = socketPair()
  for (const fd of pair) watch(fd, () => undefined).close()
  return [pair[0], pair[1]]
}

/** Everything by native code. */
export const nativeSystem: ControlSystem & WorkerSystem = {
  acceptUnix,
  receiveMessage,
  sendMessage: (fd, bytes, fds) => sendMessage(fd, bytes, [...fds]),
  peerCredentials,
  closeFd,
  createRegion,
  unmapRegion: (buffer: Region['buffer']) => unmapRegion(buffer as ArrayBuffer),
  eventFd: () => new ContextWake(),
  watch,
  nowUs,
  after: (delayUs, run) => {
    const timer = setTimeout(run, Math.ceil(delayUs / 1000))
    return { close: () => clearTimeout(timer) }
  },
  socketPair: unblockedPair,
}
