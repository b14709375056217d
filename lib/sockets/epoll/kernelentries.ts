/**
 * The kernel's descriptors in an epoll set of ours: they stand in an epoll set of the kernel's, which keeps their modes (edge-triggered,
 * one-shot, exclusive) by itself.
 */
import { KERNEL_POLL_ADD, KERNEL_POLL_DELETE, KERNEL_POLL_MODIFY, KernelPoll } from '../../../native/kernelpoll.js'
import { waitReadable } from '../../../native/wake.js'
import { asSystemError } from '../errors.js'

const TAKE_MAX = 64

export class KernelEntries {
  private readonly poll = new KernelPoll()
  private readonly data = new Map<number, number>()
  /** Descriptor and events of what was taken last, two words each. */
  readonly taken = new Int32Array(2 * TAKE_MAX)
  private readonly own = Int32Array.of(this.poll.fd)

  /** Polls readable when there is something to take. */
  get fd(): number {
    return this.poll.fd
  }

  /** Throws SocketError as epoll_ctl(2). */
  add(fd: number, events: number, data: number): void {
    this.control(KERNEL_POLL_ADD, fd, events)
    this.data.set(fd, data)
  }

  modify(fd: number, events: number, data: number): void {
    this.control(KERNEL_POLL_MODIFY, fd, events)
    this.data.set(fd, data)
  }

  remove(fd: number): void {
    this.control(KERNEL_POLL_DELETE, fd, 0)
    this.data.delete(fd)
  }

  /** What was given with `fd`. */
  dataOf(fd: number): number {
    return this.data.get(fd) ?? 0
  }

  get hasReady(): boolean {
    return waitReadable(this.own, 1, 0) !== 0
  }

  /** Takes up to `max` into `taken`. Returns how many. */
  take(max: number): number {
    return this.poll.take(this.taken, Math.min(max, TAKE_MAX))
  }

  close(): void {
    this.poll.close()
  }

  private control(operation: number, fd: number, events: number): void {
    try {
      this.poll.control(operation, fd, events)
    } catch (error) {
      throw asSystemError(error, 'epoll_ctl')
    }
  }
}
