/** Sets of kernel descriptors, to be waited for beside something else. */
import { addon } from './addon.js'

/** Operations of `KernelPoll.control`, as in epoll_ctl(2). */
export const KERNEL_POLL_ADD = 1
export const KERNEL_POLL_DELETE = 2
export const KERNEL_POLL_MODIFY = 3

/** An epoll set of kernel descriptors. It never waits: its own descriptor polls readable when there is something to take. */
export class KernelPoll {
  readonly fd: number = addon().epollCreate()

  /** epoll_ctl(2), its EPOLL* events as they are. Throws Error with code EBADF, EEXIST, ENOENT, ELOOP, EPERM (a regular file), ... */
  control(operation: number, fd: number, events: number): void {
    addon().epollControl(this.fd, operation, fd, events)
  }

  /** Fills `out` with descriptor and events of what is ready, two words each. Returns how many, at most `max` (1 to 64). Throws RangeError. */
  take(out: Int32Array, max: number = out.length >> 1): number {
    return addon().epollTake(this.fd, out, max)
  }

  close(): void {
    addon().closeFd(this.fd)
  }
}
