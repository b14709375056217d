/** epoll_create, epoll_create1, epoll_ctl, epoll_wait, epoll_pwait. docs/sockets.md says what is different. */
import { EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD } from '../constants.js'
import { descriptors, isTasDescriptor } from '../descriptors.js'
import { SocketError } from '../errors.js'
import { init, type Stack } from '../stack.js'
import { checkSignalMask, microseconds } from '../timeouts.js'
import { type EpollEvent, EpollSet } from './epollset.js'

/** Makes an epoll set; `size` must be positive and means nothing. Returns its descriptor. Throws SocketError EINVAL, EMFILE. epoll_create(2). */
export function epoll_create(size: number): number {
  if (!(size > 0)) throw new SocketError('EINVAL', 'epoll_create', `size ${size}: want 1 or more`)
  return addSet(0, init(), 'epoll_create')
}

/**
 * Makes an epoll set for sockets of `stack`; `flags`: EPOLL_CLOEXEC or 0. Returns its descriptor. Throws SocketError EINVAL, EMFILE.
 * epoll_create1(2).
 */
export function epoll_create1(flags = 0, stack: Stack = init()): number {
  if ((flags & ~EPOLL_CLOEXEC) !== 0) throw new SocketError('EINVAL', 'epoll_create1', `flags ${flags}: want 0 or EPOLL_CLOEXEC`)
  return addSet(flags, stack, 'epoll_create1')
}

function addSet(flags: number, stack: Stack, syscall: string): number {
  return descriptors.add(new EpollSet(stack, false), (flags & EPOLL_CLOEXEC) !== 0, syscall)
}

/** `count` event objects for `epoll_wait`, which makes none itself. */
export function createEpollEvents(count: number): EpollEvent[] {
  return Array.from({ length: count }, () => ({ events: 0, data: 0 }))
}

function setOf(epfd: number, syscall: string): EpollSet {
  const file = descriptors.get(epfd, syscall)
  if (file instanceof EpollSet) return file
  throw new SocketError('EINVAL', syscall, `descriptor ${epfd} is no epoll set`)
}

/**
 * Puts a descriptor, of TAS or of the kernel, into a set, changes what is wanted of it, or takes it out (`operation`: EPOLL_CTL_*). Throws
 * SocketError EBADF, EEXIST, ENOENT, EINVAL, ELOOP, EPERM. epoll_ctl(2).
 */
export function epoll_ctl(epfd: number, operation: number, fd: number, event: Readonly<EpollEvent> | null): void {
  const set = setOf(epfd, 'epoll_ctl')
  if (operation !== EPOLL_CTL_ADD && operation !== EPOLL_CTL_MOD && operation !== EPOLL_CTL_DEL) {
    throw new SocketError('EINVAL', 'epoll_ctl', `operation ${operation}: want EPOLL_CTL_ADD, EPOLL_CTL_MOD or EPOLL_CTL_DEL`)
  }
  if (descriptors.find(fd) === set) throw new SocketError('EINVAL', 'epoll_ctl', 'a set cannot be in itself')
  if (operation === EPOLL_CTL_DEL) remove(set, fd)
  else if (event === null) throw new SocketError('EFAULT', 'epoll_ctl', 'an event is wanted')
  else if (operation === EPOLL_CTL_ADD) add(set, fd, event)
  else modify(set, fd, event)
}

function add(set: EpollSet, fd: number, { events, data }: Readonly<EpollEvent>): void {
  if (isTasDescriptor(fd)) set.add(fd, descriptors.get(fd, 'epoll_ctl'), events, data)
  else set.kernelEntries().add(fd, events, data)
}

function modify(set: EpollSet, fd: number, { events, data }: Readonly<EpollEvent>): void {
  if (isTasDescriptor(fd)) set.modify(fd, descriptors.get(fd, 'epoll_ctl'), events, data)
  else set.kernelEntries().modify(fd, events, data)
}

function remove(set: EpollSet, fd: number): void {
  if (isTasDescriptor(fd)) set.remove(fd, descriptors.get(fd, 'epoll_ctl'))
  else set.kernelEntries().remove(fd)
}

/**
 * Waits until something in the set is ready, at most `timeoutMs` milliseconds (-1: no limit), and fills up to `maxEvents` of `events`. Returns how
 * many. No signal ends it. Throws SocketError EINVAL, EBADF, ENETDOWN. epoll_wait(2).
 */
export function epoll_wait(epfd: number, events: readonly EpollEvent[], maxEvents: number = events.length, timeoutMs = -1): number {
  const set = setOf(epfd, 'epoll_wait')
  if (!(maxEvents > 0 && maxEvents <= events.length)) {
    throw new SocketError('EINVAL', 'epoll_wait', `maxEvents ${maxEvents}: want 1 to ${events.length}, as many as there are event objects`)
  }
  return set.wait(events, maxEvents, set.stack.deadline(microseconds(timeoutMs)))
}

/** As `epoll_wait`; `signalMask` must be null: JavaScript has no signal masks. Throws SocketError EINVAL. epoll_pwait(2). */
export function epoll_pwait(epfd: number, events: readonly EpollEvent[], maxEvents: number, timeoutMs: number, signalMask: null): number {
  checkSignalMask(signalMask, 'epoll_pwait')
  return epoll_wait(epfd, events, maxEvents, timeoutMs)
}
