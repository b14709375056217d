/** System calls as the service uses them: interfaces, so that tests can stand in for native code. */
import type { Wakeable } from '../lib/memif/index.js'

/** Process, user and group at the other end of a socket. */
export interface Credentials {
  readonly pid: number
  readonly uid: number
  readonly gid: number
}

/** A mapped region and its descriptor. */
export interface Region {
  readonly fd: number
  readonly buffer: ArrayBufferLike
}

/** Something that can be closed. */
export interface Closable {
  close(): void
}

/** An eventfd. */
export interface WakeFd extends Wakeable, Closable {
  readonly fd: number
}

/** A message that came over a socket, and the descriptors with it. */
export interface Received {
  /** Bytes of the message; 0 when the peer has closed. */
  readonly lenBytes: number
  readonly fds: readonly number[]
}

/** Message sockets of type SOCK_SEQPACKET. None of the calls blocks. */
export interface MessageSystem {
  /** The next message, or null if none waits. Throws Error with code EMSGSIZE if it is longer than `bytes`. */
  receiveMessage(fd: number, bytes: Uint8Array): Received | null
  /** Returns false if the peer's queue is full. Throws Error with `code` (EPIPE, ...) if it is gone. */
  sendMessage(fd: number, bytes: Uint8Array, fds: readonly number[]): boolean
  closeFd(fd: number): void
  /** Calls `onReadable` from the event loop while `fd` is readable. */
  watch(fd: number, onReadable: () => void): Closable
}

/** What a listening control socket needs. */
export interface ListenSystem extends MessageSystem {
  /** Next connection on a listening socket, or -1. */
  acceptUnix(fd: number): number
  peerCredentials(fd: number): Credentials
  nowUs(): number
}

/** What the control socket of a service needs for applications. */
export interface ControlSystem extends ListenSystem {
  createRegion(name: string, lenBytes: number): Region
  unmapRegion(buffer: ArrayBufferLike): void
  eventFd(): WakeFd
  /** Two connected sockets, neither of which blocks. */
  socketPair(): readonly [number, number]
  /** Calls `run` from the event loop in `delayUs` microseconds, unless it is closed before. */
  after(delayUs: number, run: () => void): Closable
}

/** What the supervision of workers needs. */
export interface WorkerSystem extends MessageSystem {
  socketPair(): readonly [number, number]
}
