/**
 * An epoll set. Files tell the entries that watch them (OpenFile.notify), which then stand in the ready list; a wait looks at those alone, so its
 * cost grows with what is ready and not with what is registered.
 *
 *      file --tell--> entry --enlist--> ready list --collect--> the caller's events
 *                                           ^                       |
 *                                           +---- level-triggered --+
 */
import { EPOLLERR, EPOLLET, EPOLLEXCLUSIVE, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDNORM, EPOLLWAKEUP } from '../constants.js'
import { SocketError } from '../errors.js'
import { OpenFile } from '../openfile.js'
import { Entry } from './entry.js'
import { KernelEntries } from './kernelentries.js'
import { ReadyList } from './readylist.js'

/** struct epoll_event. */
export interface EpollEvent {
  /** EPOLL* bits. */
  events: number
  /** Whatever the program gave with the descriptor, often the descriptor itself. */
  data: number
}

/** Sets within sets, as many as Linux allows. */
const NESTING_MAX = 5
/** What may stand beside EPOLLEXCLUSIVE. */
const WITH_EXCLUSIVE = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE

export class EpollSet extends OpenFile {
  /** By number, the newest of each. */
  private readonly entries = new Map<number, Entry>()
  private readonly list = new ReadyList<Entry>()
  private kernel: KernelEntries | null = null
  /** Sets in this one; one can be in it by several numbers. */
  private readonly sets = new Map<EpollSet, Set<Entry>>()
  /** Those of them with descriptors of the kernel, by the descriptor through which the kernel tells of these. */
  private readonly nested = new Map<number, EpollSet>()
  /** Sets that this one is in. */
  private readonly outer = new Set<EpollSet>()
  private isWaitedFor = false
  private isKernelsTurn = false

  // ---- epoll_ctl ----

  /** Throws SocketError EEXIST, EINVAL, ELOOP. */
  add(fd: number, file: OpenFile, events: number, data: number): void {
    if (this.entryOf(fd, file) !== null) throw new SocketError('EEXIST', 'epoll_ctl', `descriptor ${fd} is in the set already`)
    if (file.stack !== this.stack) throw new SocketError('EINVAL', 'epoll_ctl', `socket ${fd} belongs to another stack than the set`)
    const isExclusive = (events & EPOLLEXCLUSIVE) !== 0
    if (isExclusive && (file instanceof EpollSet || (events & ~WITH_EXCLUSIVE) !== 0)) {
      throw new SocketError('EINVAL', 'epoll_ctl', 'EPOLLEXCLUSIVE is for sockets, with EPOLLIN, EPOLLOUT, EPOLLWAKEUP and EPOLLET alone')
    }
    const entry = new Entry(this, fd, file)
    if (file instanceof EpollSet) this.nest(entry, file)
    entry.older = this.entries.get(fd) ?? null
    this.entries.set(fd, entry)
    entry.arm(events, data)
    file.watch(entry)
    if (entry.ready() !== 0) this.enlist(entry)
  }

  /** Throws SocketError ENOENT, EINVAL. */
  modify(fd: number, file: OpenFile, events: number, data: number): void {
    const entry = this.known(fd, file)
    if (entry.isExclusive || (events & EPOLLEXCLUSIVE) !== 0) {
      throw new SocketError('EINVAL', 'epoll_ctl', 'EPOLLEXCLUSIVE cannot be changed: take the descriptor out and put it in again')
    }
    entry.arm(events, data)
    if (entry.ready() !== 0) this.enlist(entry)
  }

  /** Throws SocketError ENOENT. */
  remove(fd: number, file: OpenFile): void {
    const entry = this.known(fd, file)
    file.unwatch(entry)
    this.drop(entry)
  }

  /** The kernel's descriptors in it; made when they are first wanted. */
  kernelEntries(): KernelEntries {
    if (this.kernel !== null) return this.kernel
    this.kernel = new KernelEntries()
    for (const outer of this.outer) outer.nestKernel(this, this.kernel)
    return this.kernel
  }

  private nest(entry: Entry, inner: EpollSet): void {
    if (inner.depthTo(this) + 1 + this.height() > NESTING_MAX) {
      throw new SocketError('ELOOP', 'epoll_ctl', `epoll sets in a circle, or more than ${NESTING_MAX} within each other`)
    }
    const known = this.sets.get(inner)
    if (known !== undefined) {
      known.add(entry)
      return
    }
    this.sets.set(inner, new Set([entry]))
    inner.outer.add(this)
    if (inner.kernel !== null) this.nestKernel(inner, inner.kernel)
  }

  /** A wait for this set is to end as well when the kernel has something for `inner`. */
  private nestKernel(inner: EpollSet, { fd }: KernelEntries): void {
    if (!this.sets.has(inner)) return
    this.kernelEntries().add(fd, EPOLLIN | EPOLLET, 0)
    this.nested.set(fd, inner)
  }

  /** Sets within each other from this one on, itself included; Infinity if `set` is among them. */
  private depthTo(set: EpollSet): number {
    if (set === this) return Infinity
    let depth = 0
    for (const inner of this.sets.keys()) depth = Math.max(depth, inner.depthTo(set))
    return depth + 1
  }

  /** Sets around this one, itself not included. */
  private height(): number {
    let height = 0
    for (const outer of this.outer) height = Math.max(height, outer.height() + 1)
    return height
  }

  private entryOf(fd: number, file: OpenFile): Entry | null {
    // A descriptor number can come again while its former file lives on by another one.
    let entry = this.entries.get(fd) ?? null
    while (entry !== null && entry.file !== file) entry = entry.older
    return entry
  }

  private known(fd: number, file: OpenFile): Entry {
    const entry = this.entryOf(fd, file)
    if (entry !== null) return entry
    throw new SocketError('ENOENT', 'epoll_ctl', `descriptor ${fd} is not in the set`)
  }

  // ---- entries ----

  /** `entry` may be ready. Returns whether a thread waits for it. */
  enlist(entry: Entry): boolean {
    this.list.push(entry)
    this.notify(EPOLLIN | EPOLLRDNORM)
    return this.isAwaited()
  }

  /** Forgets `entry`. */
  drop(entry: Entry): void {
    this.list.remove(entry)
    this.takeOut(entry)
    if (entry.file instanceof EpollSet) this.unnest(entry, entry.file)
  }

  private takeOut(entry: Entry): void {
    const newest = this.entries.get(entry.fd) ?? null
    if (newest !== entry) {
      for (let at = newest; at !== null; at = at.older) if (at.older === entry) at.older = entry.older
    } else if (entry.older === null) this.entries.delete(entry.fd)
    else this.entries.set(entry.fd, entry.older)
  }

  private unnest(entry: Entry, inner: EpollSet): void {
    const known = this.sets.get(inner)
    known?.delete(entry)
    if (known === undefined || known.size > 0) return
    this.sets.delete(inner)
    inner.outer.delete(this)
    for (const [fd, set] of this.nested) {
      if (set !== inner) continue
      this.nested.delete(fd)
      this.kernel?.remove(fd)
    }
  }

  private isAwaited(): boolean {
    if (this.isWaitedFor) return true
    for (const outer of this.outer) if (outer.isAwaited()) return true
    return false
  }

  readiness(): number {
    for (let left = this.list.length; left > 0; left--) {
      const entry = this.list.shift()
      if (entry === null || entry.ready() === 0) continue
      this.list.push(entry)
      return EPOLLIN | EPOLLRDNORM
    }
    return this.kernel !== null && this.kernel.hasReady ? EPOLLIN | EPOLLRDNORM : 0
  }

  protected release(): void {
    for (const newest of [...this.entries.values()]) {
      for (let entry: Entry | null = newest; entry !== null; entry = entry.older) {
        entry.file.unwatch(entry)
        this.drop(entry)
      }
    }
    this.kernel?.close()
    this.kernel = null
  }

  // ---- epoll_wait ----

  /** Fills up to `max` of `events`, waiting until `deadlineUs`. Returns how many. Throws SocketError ENETDOWN. */
  wait(events: readonly EpollEvent[], max: number, deadlineUs: number): number {
    this.stack.poll()
    this.isWaitedFor = true
    try {
      for (;;) {
        const count = this.collect(events, max)
        if (count > 0) return count
        if (!this.stack.wait(deadlineUs, 'epoll_wait', this.kernel === null ? -1 : this.kernel.fd)) return this.collect(events, max)
      }
    } finally {
      this.isWaitedFor = false
    }
  }

  private collect(events: readonly EpollEvent[], max: number): number {
    const count = this.kernel === null ? 0 : this.collectKernel(this.kernel, events, max)
    return this.collectOwn(events, count, max)
  }

  private collectOwn(events: readonly EpollEvent[], from: number, max: number): number {
    let count = from
    for (let left = this.list.length; left > 0 && count < max; left--) {
      const entry = this.list.shift()
      if (entry === null) break
      const ready = entry.ready()
      if (ready === 0) continue
      const event = events[count++]
      event.events = ready
      event.data = entry.data
      if (entry.told()) this.list.push(entry)
    }
    return count
  }

  /** At most half of the events are the kernel's while sockets may be ready, so that neither side starves the other. */
  private collectKernel(kernel: KernelEntries, events: readonly EpollEvent[], max: number): number {
    let share = max
    if (this.list.length > 0) {
      this.isKernelsTurn = !this.isKernelsTurn
      share = max > 1 ? max >> 1 : Number(this.isKernelsTurn)
    }
    if (share === 0) return 0
    const taken = kernel.take(share)
    let count = 0
    for (let i = 0; i < taken; i++) {
      const fd = kernel.taken[2 * i]
      const inner = this.nested.get(fd)
      if (inner !== undefined) {
        for (const entry of this.sets.get(inner) ?? []) this.enlist(entry)
        continue
      }
      const event = events[count++]
      event.events = kernel.taken[2 * i + 1]
      event.data = kernel.dataOf(fd)
    }
    return count
  }
}
