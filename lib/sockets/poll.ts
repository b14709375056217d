/** poll and ppoll: descriptors of TAS and of the kernel in one list. */
import { POLLERR, POLLHUP, POLLNVAL } from './constants.js'
import { descriptors, isTasDescriptor } from './descriptors.js'
import { SocketError } from './errors.js'
import { KernelList } from './kernellist.js'
import { init, type Stack } from './stack.js'
import { checkSignalMask, microseconds, type TimeSpec, timeSpecUs } from './timeouts.js'

/** struct pollfd. */
export interface PollFd {
  /** Negative: not looked at. */
  fd: number
  events: number
  revents: number
}

const ALWAYS = POLLERR | POLLHUP | POLLNVAL

/**
 * Waits until one of `fds` is ready for its `events`, at most `timeoutMs` milliseconds (-1: no limit); sets `revents` of all. Returns how many
 * are not 0. No signal ends it. Throws SocketError EINVAL, ENETDOWN. poll(2).
 */
export function poll(fds: readonly PollFd[], timeoutMs = -1): number {
  return pollFor(fds, microseconds(timeoutMs), 'poll')
}

/** As `poll`; no limit if `timeout` is null. `signalMask` must be null. ppoll(2). */
export function ppoll(fds: readonly PollFd[], timeout: TimeSpec | null = null, signalMask: null = null): number {
  checkSignalMask(signalMask, 'ppoll')
  return pollFor(fds, timeSpecUs(timeout, 'ppoll'), 'ppoll')
}

/** The same for `syscall`, at most `timeoutUs` microseconds (-1: no limit). Events of `always` are told without being asked for. */
export function pollFor(fds: readonly PollFd[], timeoutUs: number, syscall: string, always = ALWAYS): number {
  const stack = stackOf(fds, syscall)
  const kernel = fds.some(({ fd }) => isKernels(fd)) ? new KernelList(fds.filter(({ fd }) => isKernels(fd))) : null
  try {
    return pollOn(stack, kernel, fds, timeoutUs, syscall, always)
  } finally {
    kernel?.close()
  }
}

function pollOn(
  stack: Stack, kernel: KernelList | null, fds: readonly PollFd[], timeoutUs: number, syscall: string, always: number,
): number {
  const deadlineUs = stack.deadline(timeoutUs)
  stack.poll()
  for (;;) {
    const count = look(fds, kernel, always)
    if (count > 0) return count
    if (!stack.wait(deadlineUs, syscall, kernel === null ? -1 : kernel.fd)) return look(fds, kernel, always)
  }
}

/** Sets `revents`. Returns how many are not 0. */
function look(fds: readonly PollFd[], kernel: KernelList | null, always: number): number {
  kernel?.look()
  let count = 0
  for (const entry of fds) {
    entry.revents = 0
    if (entry.fd < 0) continue
    entry.revents = (isTasDescriptor(entry.fd) ? readinessOf(entry.fd) : kernel?.readiness(entry.fd) ?? 0) & (entry.events | always)
    if (entry.revents !== 0) count++
  }
  return count
}

function readinessOf(fd: number): number {
  const file = descriptors.find(fd)
  return file === null ? POLLNVAL : file.readiness()
}

function isKernels(fd: number): boolean {
  return fd >= 0 && !isTasDescriptor(fd)
}

/** Whose events are waited for. */
function stackOf(fds: readonly PollFd[], syscall: string): Stack {
  let stack: Stack | null = null
  for (const { fd } of fds) {
    const file = fd < 0 ? null : descriptors.find(fd)
    if (file === null) continue
    if (stack !== null && file.stack !== stack) throw new SocketError('EINVAL', syscall, 'sockets of two stacks cannot be waited for at once')
    stack = file.stack
  }
  return stack ?? init()
}
