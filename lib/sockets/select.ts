/** select and pselect. A set of descriptors (fd_set) is a Set here, changed in place. */
import { POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLPRI, POLLRDNORM, POLLWRNORM } from './constants.js'
import { SocketError } from './errors.js'
import { type PollFd, pollFor } from './poll.js'
import type { TimeValue } from './optiontable.js'
import { checkSignalMask, type TimeSpec, timeoutUs, timeSpecUs } from './timeouts.js'

const US_PER_S = 1_000_000
/** What counts as readable, writable, exceptional (select(2)): a hang-up only for who reads. */
const READABLE = POLLIN | POLLRDNORM | POLLHUP | POLLERR
const WRITABLE = POLLOUT | POLLWRNORM | POLLERR
const EXCEPTIONAL = POLLPRI

export type FdSet = Set<number>

/**
 * Waits until a descriptor below `nfds` in one of the sets is ready, no longer than `timeout` (null: no limit), and takes those that are not out
 * of the sets. Returns how many are left. No signal ends it. Throws SocketError EBADF, EINVAL, ENETDOWN. select(2).
 */
export function select(
  nfds: number, readFds: FdSet | null, writeFds: FdSet | null, exceptFds: FdSet | null, timeout: TimeValue | null = null,
): number {
  const limitUs = timeout === null ? -1 : timeoutUs(timeout.tv_sec, timeout.tv_usec, US_PER_S, 'select')
  return selectFor(nfds, readFds, writeFds, exceptFds, limitUs, 'select')
}

/** As `select`; `signalMask` must be null. pselect(2). */
export function pselect(
  nfds: number, readFds: FdSet | null, writeFds: FdSet | null, exceptFds: FdSet | null, timeout: TimeSpec | null = null, signalMask: null = null,
): number {
  checkSignalMask(signalMask, 'pselect')
  return selectFor(nfds, readFds, writeFds, exceptFds, timeSpecUs(timeout, 'pselect'), 'pselect')
}

function selectFor(
  nfds: number, readFds: FdSet | null, writeFds: FdSet | null, exceptFds: FdSet | null, limitUs: number, syscall: string,
): number {
  const wanted = new Map<number, PollFd>()
  want(wanted, nfds, readFds, READABLE)
  want(wanted, nfds, writeFds, WRITABLE)
  want(wanted, nfds, exceptFds, EXCEPTIONAL)
  pollFor([...wanted.values()], limitUs, syscall, POLLNVAL)
  for (const { fd, revents } of wanted.values()) {
    if ((revents & POLLNVAL) !== 0) throw new SocketError('EBADF', syscall, `descriptor ${fd} is not open`)
  }
  return keep(wanted, readFds, READABLE) + keep(wanted, writeFds, WRITABLE) + keep(wanted, exceptFds, EXCEPTIONAL)
}

function want(wanted: Map<number, PollFd>, nfds: number, fds: FdSet | null, events: number): void {
  if (fds === null) return
  for (const fd of fds) {
    if (fd >= nfds) continue
    const known = wanted.get(fd)
    if (known === undefined) wanted.set(fd, { fd, events, revents: 0 })
    else known.events |= events
  }
}

/** Takes what was looked at and is not ready out of `fds`. Returns how many stay. */
function keep(wanted: ReadonlyMap<number, PollFd>, fds: FdSet | null, events: number): number {
  let count = 0
  for (const fd of [...(fds ?? [])]) {
    const entry = wanted.get(fd)
    if (entry === undefined) continue
    if ((entry.revents & events) !== 0) count++
    else fds?.delete(fd)
  }
  return count
}
