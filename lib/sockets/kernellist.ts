/** The kernel's descriptors among those of one call of poll or select. */
import { KERNEL_POLL_ADD, KernelPoll } from '../../native/kernelpoll.js'
import { POLLIN, POLLNVAL, POLLOUT } from './constants.js'

/** What the kernel says of a regular file, which epoll does not take. */
const ALWAYS_READY = POLLIN | POLLOUT
const TAKE_MAX = 64

export class KernelList {
  private readonly poll = new KernelPoll()
  private readonly events = new Map<number, number>()
  /** Regular files, and descriptors that are not open. */
  private readonly fixed = new Map<number, number>()
  private readonly found = new Map<number, number>()
  private readonly taken = new Int32Array(2 * TAKE_MAX)

  /** Descriptors may be there several times. Throws Error if the kernel refuses to watch one for another reason than that it is not open. */
  constructor(list: readonly { readonly fd: number; readonly events: number }[]) {
    for (const { fd, events } of list) this.events.set(fd, (this.events.get(fd) ?? 0) | events)
    try {
      for (const [fd, events] of this.events) this.add(fd, events)
    } catch (error) {
      this.poll.close()
      throw error
    }
  }

  /** Polls readable when one is ready. */
  get fd(): number {
    return this.poll.fd
  }

  /** Asks the kernel. The number of descriptors is unknown to it, so it is asked until it has no more, or has told of as many as there are. */
  look(): void {
    this.found.clear()
    for (let left = this.events.size; left > 0; left -= TAKE_MAX) {
      const count = this.poll.take(this.taken)
      for (let i = 0; i < count; i++) this.found.set(this.taken[2 * i], this.taken[2 * i + 1])
      if (count < TAKE_MAX) return
    }
  }

  /** What `fd` was ready for at the last look. */
  readiness(fd: number): number {
    return this.fixed.get(fd) ?? this.found.get(fd) ?? 0
  }

  close(): void {
    this.poll.close()
  }

  private add(fd: number, events: number): void {
    try {
      this.poll.control(KERNEL_POLL_ADD, fd, events)
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : ''
      if (code === 'EPERM') this.fixed.set(fd, ALWAYS_READY)
      else if (code === 'EBADF') this.fixed.set(fd, POLLNVAL)
      else throw error
    }
  }
}
