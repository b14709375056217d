/** What a program on BSD sockets may expect: descriptors, sockets, sets and streams, as far as they can be known for certain. */
import type { Thread } from './world.js'

/** A connection that is closed waits so long for a peer that does not end it, or does not read. */
const PATIENCE_US = 60_000_000

/** TAS does not choose a port again for so long. */
const PORT_REST_US = 30_000_000

/** One end of a connection. */
export class Side {
  readonly id: number
  /** When it began to connect, or was accepted. */
  readonly sinceUs: number
  /** Its port was chosen by the program, and may be used again soon. */
  isBound = false
  /** The other end, once it is known for certain which that is. */
  peer: Side | null = null
  /** The addresses of its other end, as Model keeps them; '' if they are unknown. */
  mirror = ''
  /** Bytes that calls have taken, and that calls have given. */
  written = 0
  read = 0
  /** Bytes of a call that is still writing, and may have been taken. */
  writing = 0
  /** The first bytes that were read, until they name the peer. */
  readonly head: number[] = []
  isReadShut = false
  /** SHUT_WR, or closed in good order. */
  isFinished = false
  isClosed = false
  /** When that was, and when bytes were read last. */
  finishedUs = 0
  readUs = 0
  closedUs = 0
  /** Closed such that the peer is reset. */
  isAborted = false
  /** A call has told that the connection has failed. */
  hasFailed = false
  /** A read has told the end. */
  hasSeenEnd = false

  constructor(id: number, sinceUs: number) {
    this.id = id
    this.sinceUs = sinceUs
  }

  /** Sends nothing more, but for what was written. */
  finish(nowUs: number): void {
    if (!this.isFinished) this.finishedUs = nowUs
    this.isFinished = true
  }

  /**
   * Whether the peer may have reset the connection: not while it lives, nor if it has read everything before it closed. What it has written and
   * closed on it may give up if nobody reads it for a minute (service/slow/stalled.ts), and a FIN that is late finds nobody. A new
   * connection from a port that was bound meets the old one, and ends it (RFC 5961, 4).
   */
  get canBeReset(): boolean {
    const { peer } = this
    if (peer === null || peer.isAborted) return true
    if (!peer.isClosed) return false
    const hasUnread = this.written + this.writing > peer.read || peer.written > this.read
    return hasUnread || peer.isBound || Math.max(this.finishedUs, this.readUs) - peer.closedUs >= PATIENCE_US
  }
}

/** Where a socket connects to. */
export interface Target {
  /** -1: a host that is not there. */
  readonly host: number
  readonly port: number
  readonly startUs: number
}

export type Phase = 'idle' | 'connecting' | 'open' | 'listening'

/** A socket; `connecting` ends when a call has told. */
export class Sock {
  readonly fds = new Set<number>()
  thread: Thread
  phase: Phase = 'idle'
  isNonBlocking: boolean
  side: Side | null = null
  target: Target | null = null
  /** 0: none. */
  boundPort = 0
  lingerS = -1
  receiveTimeoutUs = 0
  sendTimeoutUs = 0
  /** The socket by which it listens if it was taken from another thread. */
  origin: Sock | null = null
  /** Calls that have written to it. */
  writes = 0
  /** It has been in a set with EPOLLEXCLUSIVE. */
  exclusives = 0

  constructor(thread: Thread, isNonBlocking: boolean) {
    this.thread = thread
    this.isNonBlocking = isNonBlocking
  }
}

/** An entry of an epoll set. */
export interface Entry {
  readonly fd: number
  readonly file: File
  data: number
  events: number
  /** A one-shot entry that has been told. */
  isSpent: boolean
  /** Added or changed since the last wait. */
  isFresh: boolean
  /** What it was ready for after the last wait, and what had arrived and been written by then. */
  lastReady: number
  lastArrived: number
  lastWrites: number
}

export class SetModel {
  readonly fds = new Set<number>()
  readonly thread: Thread
  readonly entries = new Set<Entry>()
  /** Sets within this one are of level 0. */
  readonly level: number

  constructor(thread: Thread, level: number) {
    this.thread = thread
    this.level = level
  }

  entryOf(fd: number, file: File): Entry | undefined {
    return [...this.entries].find((entry) => entry.fd === fd && entry.file === file)
  }
}

export type File = Sock | SetModel

/** Listeners of a port of a host. */
interface PortRecord {
  open: number
  /** When one was opened or closed last. */
  changedUs: number
  /** A socket was bound to it, or listened, at this time or is. */
  usedUs: number
}

/** What holds throughout, broken. */
export class Violation extends Error {}

export function demand(isTrue: boolean, what: () => string): void {
  if (!isTrue) throw new Violation(what())
}

export class Model {
  readonly files = new Map<number, File>()
  readonly socks = new Set<Sock>()
  readonly sets = new Set<SetModel>()
  readonly sides: Side[] = []
  private readonly tuples = new Map<string, Side[]>()
  private readonly ports = new Map<string, PortRecord>()
  private first = -1

  /** A call has made the descriptor `fd` for `file`: the lowest free one. */
  opened(fd: number, file: File, least = 0): void {
    if (this.first < 0) this.first = fd
    let lowest = Math.max(this.first, least)
    while (this.files.has(lowest)) lowest++
    demand(fd === lowest, () => `descriptor ${fd} is new, and ${lowest} is free`)
    this.put(fd, file)
  }

  put(fd: number, file: File): void {
    this.files.set(fd, file)
    file.fds.add(fd)
    if (file instanceof Sock) this.socks.add(file)
    else this.sets.add(file)
  }

  /** Returns whether that was the file's last one. */
  closed(fd: number): boolean {
    const file = this.files.get(fd)
    if (file === undefined) throw new Error(`${fd} is not open`)
    this.files.delete(fd)
    file.fds.delete(fd)
    if (file.fds.size > 0) return false
    for (const set of this.sets) for (const entry of [...set.entries]) if (entry.file === file) set.entries.delete(entry)
    if (file instanceof Sock) this.socks.delete(file)
    else this.sets.delete(file)
    return true
  }

  /** Whether `sock` listens by another one that does not listen any more. */
  isOrphan({ origin }: Sock): boolean {
    return origin !== null && (origin.phase !== 'listening' || !this.socks.has(origin))
  }

  isWatched(file: File): boolean {
    return [...this.sets].some(({ entries }) => [...entries].some((entry) => entry.file === file))
  }

  newSide(sinceUs: number): Side {
    const side = new Side(this.sides.length + 1, sinceUs)
    this.sides.push(side)
    return side
  }

  /** `side` has these two addresses. Ends that mirror each other belong together, unless there were several with the same. */
  addressed(side: Side, local: string, remote: string): void {
    const [own, other] = [`${local} ${remote}`, `${remote} ${local}`]
    side.mirror = other
    const known = this.tuples.get(own) ?? []
    this.tuples.set(own, [...known, side])
    const peers = this.tuples.get(other) ?? []
    if (own === other || known.length > 0 || peers.length !== 1 || side.peer !== null) return
    const [peer] = peers
    const isStrange = peer.isClosed || peer.hasFailed || peer.peer !== null || side.isBound || peer.isBound
    if (!isStrange && Math.abs(side.sinceUs - peer.sinceUs) < PORT_REST_US) this.pair(side, peer)
  }

  /** Whether an end with the addresses of `side` the other way round has been seen, or that is not to be known. */
  hasMirror({ mirror }: Side): boolean {
    return mirror === '' || this.tuples.has(mirror)
  }

  pair(one: Side, other: Side): void {
    one.peer = other
    other.peer = one
  }

  port(host: number, port: number): PortRecord {
    const key = `${host}:${port}`
    const known = this.ports.get(key) ?? { open: 0, changedUs: -1, usedUs: -Infinity }
    this.ports.set(key, known)
    return known
  }
}
