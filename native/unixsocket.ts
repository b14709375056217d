/**
 * Unix sockets of type SOCK_SEQPACKET: whole messages, with descriptors beside them. All descriptors are
 * close-on-exec. Failed system calls throw Error with `code`, `errno` and `syscall`.
 */
import { addon } from './addon.js'

/** A message as it came. */
export interface ReceivedMessage {
  /** Bytes written to the caller's array; 0 when the peer has closed. */
  readonly lenBytes: number
  /** Descriptors, now the receiver's to close. */
  readonly fds: number[]
}

/** The process at the other end, as the kernel knows it. */
export interface PeerCredentials {
  readonly pid: number
  readonly uid: number
  readonly gid: number
}

/**
 * Listens at `path`, non-blocking, for everyone (mode 0666). A socket file that a dead service left is replaced;
 * throws EADDRINUSE if somebody answers there or it is another kind of file.
 */
export function listenUnix(path: string): number {
  return addon().listenUnix(path)
}

/**
 * Takes `name` (at most 106 bytes) for as long as the returned descriptor is open, in this network namespace: an abstract unix address
 * (unix(7)), of which nothing is left when its owner is killed. Throws EADDRINUSE if somebody has it.
 */
export function claimName(name: string): number {
  return addon().claimName(name)
}

/** User of the process that has taken `name`; -1 if nobody has, or that cannot be told. */
export function claimantUid(name: string): number {
  return addon().claimantUid(name)
}

/** Accepts a connection, non-blocking. Returns its descriptor, or -1 if nobody waits. */
export function acceptUnix(fd: number): number {
  return addon().acceptUnix(fd)
}

/** Connects to `path`, blocking. Throws ENOENT or ECONNREFUSED if nobody listens there, EACCES. */
export function connectUnix(path: string): number {
  return addon().connectUnix(path)
}

/** Two connected sockets, blocking. */
export function socketPair(): [number, number] {
  return addon().socketPair()
}

/** Sends one message with up to 64 descriptors. Returns false if a non-blocking socket is full. Throws EPIPE if the peer is gone. */
export function sendMessage(fd: number, bytes: Uint8Array, fds: readonly number[] = []): boolean {
  return addon().sendMessage(fd, bytes, fds)
}

/**
 * Receives one message into `bytes`. Returns null if none waits on a non-blocking socket.
 * Throws EMSGSIZE, descriptors closed, if it is longer than `bytes` or has too many descriptors.
 */
export function receiveMessage(fd: number, bytes: Uint8Array): ReceivedMessage | null {
  return addon().receiveMessage(fd, bytes)
}

/** Who connected. */
export function peerCredentials(fd: number): PeerCredentials {
  return addon().peerCredentials(fd)
}
