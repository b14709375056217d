/** Descriptors that do not outlive their thread, however it ends. */
import { addon, type NativeHandle } from './addon.js'

/**
 * Closes descriptors when the thread ends without having closed them: terminated, or ended by an exception. The process keeps what a thread leaves
 * open. To be made before anything watches them.
 */
export class HeldFds {
  private readonly handle: NativeHandle

  /**
   * `shared`: descriptors of all threads that are counted in `users[0]`, of which this is one: its end counts it out, and the last end closes them.
   * `users` lies in memory that those threads share.
   */
  constructor(shared: readonly number[], users: Int32Array) {
    this.handle = addon().fdsHold(shared, users)
  }

  /** Holds `fd` too, which is this thread's alone. */
  add(fd: number): void {
    addon().fdsAdd(this.handle, fd)
  }

  /** `fd` has been closed. */
  remove(fd: number): void {
    addon().fdsRemove(this.handle, fd)
  }

  /** All have been closed, or are other threads' to close; `users` has been counted down. */
  drop(): void {
    addon().fdsDrop(this.handle)
  }
}
