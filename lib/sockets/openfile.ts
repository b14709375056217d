/** What a descriptor stands for (open file description, open(2)): several descriptors can share one. */
import type { Stack } from './stack.js'

/** Somebody who is told when a file may have become ready: an entry of an epoll set. */
export interface Watcher {
  /** Of those that are exclusive only one that is waited for needs to be told. */
  readonly isExclusive: boolean
  /** The file may be ready for `events` (EPOLL*) now. Returns whether a thread waits for it. */
  tell(events: number): boolean
  /** The file is gone. */
  dropped(): void
}

export abstract class OpenFile {
  /** Descriptors that stand for it. */
  descriptors = 0
  /** O_NONBLOCK. */
  isNonBlocking: boolean
  private place: Stack
  private readonly watchers: Watcher[] = []

  constructor(stack: Stack, isNonBlocking: boolean) {
    this.place = stack
    this.isNonBlocking = isNonBlocking
  }

  /** Whose events it lives from. */
  get stack(): Stack {
    return this.place
  }

  protected moveTo(stack: Stack): void {
    this.place = stack
  }

  get isWatched(): boolean {
    return this.watchers.length > 0
  }

  /** The EPOLL* events that it is ready for, by what is known now. */
  abstract readiness(): number

  /** Its last descriptor is closed, by `syscall`. */
  protected abstract release(syscall: string): void

  /** A descriptor is closed. */
  closeOne(syscall: string): void {
    if (--this.descriptors > 0) return
    for (const watcher of this.watchers.splice(0)) watcher.dropped()
    this.release(syscall)
  }

  watch(watcher: Watcher): void {
    this.watchers.push(watcher)
  }

  unwatch(watcher: Watcher): void {
    const at = this.watchers.indexOf(watcher)
    if (at >= 0) this.watchers.splice(at, 1)
  }

  /** It may have become ready for `events`. */
  protected notify(events: number): void {
    const { watchers } = this
    let isServed = false
    for (let i = 0; i < watchers.length; i++) {
      const watcher = watchers[i]
      if (watcher.isExclusive && isServed) continue
      if (watcher.tell(events) && watcher.isExclusive) isServed = true
    }
  }
}
