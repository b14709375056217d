/** Properties of the calling thread. Failed system calls throw Error with `code`, `errno` and `syscall`. */
import { addon } from './addon.js'

/** Runs on these CPUs only. Throws EINVAL if none of them may be used. */
export function setAffinity(cpus: readonly number[]): void {
  addon().setAffinity(cpus)
}

/** The CPUs this thread may run on. */
export function getAffinity(): number[] {
  return addon().getAffinity()
}

/** The CPU that this thread is on at the moment, or -1. 0.05 us: no system call. */
export function currentCpu(): number {
  return addon().currentCpu()
}

/** How much later than asked a wait may end, in nanoseconds (the system's default is 50,000). */
export function setTimerSlackNs(ns: number): void {
  addon().setTimerSlackNs(ns)
}

/** Name shown by ps and top; the first 15 bytes count. */
export function setName(name: string): void {
  addon().setName(name)
}

/** Sends this process SIGTERM when its parent ends. */
export function dieWithParent(): void {
  addon().dieWithParent()
}
