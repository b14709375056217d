/** Waking, waiting and the clock. */
import { addon } from './addon.js'

/** An eventfd: something to wake a waiting side with (memif's Wakeable). */
export class EventFd {
  readonly fd: number

  /** Makes one, or takes over a descriptor that was received. */
  constructor(fd: number = addon().eventfdCreate()) {
    this.fd = fd
  }

  /** Makes the descriptor readable. About 0.4 us. */
  wake(): void {
    addon().eventfdWrite(this.fd)
  }

  /** Makes it unreadable again; does nothing if it is. */
  drain(): void {
    addon().counterRead(this.fd)
  }

  close(): void {
    addon().closeFd(this.fd)
  }
}

/** A one-shot timer that makes a descriptor readable (CLOCK_MONOTONIC). */
export class TimerFd {
  readonly fd: number = addon().timerfdCreate()

  /** Expires `deltaUs` microseconds from now, at once if that is not positive; an earlier setting is forgotten. */
  arm(deltaUs: number): void {
    addon().timerArm(this.fd, Math.max(deltaUs, 1))
  }

  disarm(): void {
    addon().timerArm(this.fd, 0)
  }

  /** Makes an expired timer unreadable. */
  drain(): void {
    addon().counterRead(this.fd)
  }

  close(): void {
    addon().closeFd(this.fd)
  }
}

/**
 * Blocks until one of the first `count` (at most 31) descriptors is readable or in error. Returns a mask: bit i for fds[i];
 * 0 after `timeoutUs` microseconds (-1: none) or a signal. JavaScript, signal handlers included, does not run meanwhile.
 */
export function waitReadable(fds: Int32Array, count: number, timeoutUs: number): number {
  return addon().waitReadable(fds, count, timeoutUs)
}

/**
 * CLOCK_MONOTONIC for loops that must not allocate: a double that a call returns is an object on V8's heap, two words in
 * memory are not. About 40 ns.
 */
export class Clock {
  private readonly cell = new Int32Array(new ArrayBuffer(8))
  private readonly handle = addon().clockCreate(this.cell)

  /** Reads the clock; `us32` and `ms32` stand still until the next call. */
  tick(): void {
    this.handle.tick()
  }

  /** Microseconds, low 32 bits as a signed word. */
  get us32(): number {
    return this.cell[0]
  }

  /** Milliseconds, low 32 bits as a signed word. */
  get ms32(): number {
    return this.cell[1]
  }
}

/** CLOCK_MONOTONIC in microseconds, with a fraction. About 40 ns. */
export function nowUs(): number {
  return addon().nowUs()
}

/** Lets others run (sched_yield). Returns the microseconds that it took. */
export function yieldCpu(): number {
  return addon().yieldCpu()
}
