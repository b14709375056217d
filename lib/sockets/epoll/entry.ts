/** A descriptor of TAS in an epoll set. */
import { EPOLLERR, EPOLLET, EPOLLEXCLUSIVE, EPOLLHUP, EPOLLONESHOT } from '../constants.js'
import type { OpenFile, Watcher } from '../openfile.js'
import type { EpollSet } from './epollset.js'
import type { Listable } from './readylist.js'

/** Told without being asked for (epoll_ctl(2)). */
const ALWAYS = EPOLLERR | EPOLLHUP

export class Entry implements Watcher, Listable<Entry> {
  readonly fd: number
  readonly file: OpenFile
  next: Entry | null = null
  previous: Entry | null = null
  isListed = false
  /** An older entry of the same number, whose file lives on by another one. */
  older: Entry | null = null
  isExclusive = false
  isEdgeTriggered = false
  data = 0
  private readonly set: EpollSet
  private wanted = 0
  private isOneShot = false
  /** A one-shot entry that has been told; until EPOLL_CTL_MOD. */
  private isSpent = false

  constructor(set: EpollSet, fd: number, file: OpenFile) {
    this.set = set
    this.fd = fd
    this.file = file
  }

  /** Takes over what epoll_ctl was given. */
  arm(events: number, data: number): void {
    this.wanted = events
    this.data = data
    this.isExclusive = (events & EPOLLEXCLUSIVE) !== 0
    this.isEdgeTriggered = (events & EPOLLET) !== 0
    this.isOneShot = (events & EPOLLONESHOT) !== 0
    this.isSpent = false
  }

  /** The wanted events that its file is ready for. */
  ready(): number {
    return this.isSpent ? 0 : this.file.readiness() & (this.wanted | ALWAYS)
  }

  /** Its events have been told. Returns whether it is to be looked at again by itself. */
  told(): boolean {
    if (this.isOneShot) this.isSpent = true
    return !this.isOneShot && !this.isEdgeTriggered
  }

  tell(events: number): boolean {
    if (this.isSpent || (events & (this.wanted | ALWAYS)) === 0) return false
    return this.set.enlist(this)
  }

  dropped(): void {
    this.set.drop(this)
  }
}
