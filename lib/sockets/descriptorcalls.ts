/** Calls about descriptors, under their C names. docs/sockets.md says what is different. */
import {
  F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_GETFL, F_SETFD, F_SETFL, FD_CLOEXEC, O_CLOEXEC, O_NONBLOCK, O_RDWR,
} from './constants.js'
import { descriptors } from './descriptors.js'
import { SocketError } from './errors.js'

/**
 * F_GETFL and F_SETFL (O_NONBLOCK), F_GETFD and F_SETFD (FD_CLOEXEC), F_DUPFD, F_DUPFD_CLOEXEC. Returns what the manual page says, 0
 * otherwise. Throws SocketError EBADF, EINVAL for another command. fcntl(2).
 */
export function fcntl(fd: number, command: number, argument = 0): number {
  const file = descriptors.get(fd, 'fcntl')
  switch (command) {
    case F_GETFL: return O_RDWR | (file.isNonBlocking ? O_NONBLOCK : 0)
    case F_SETFL:
      file.isNonBlocking = (argument & O_NONBLOCK) !== 0
      return 0
    case F_GETFD: return descriptors.isCloseOnExec(fd) ? FD_CLOEXEC : 0
    case F_SETFD:
      descriptors.setCloseOnExec(fd, (argument & FD_CLOEXEC) !== 0)
      return 0
    case F_DUPFD: return descriptors.add(file, false, 'fcntl', argument)
    case F_DUPFD_CLOEXEC: return descriptors.add(file, true, 'fcntl', argument)
    default: throw new SocketError('EINVAL', 'fcntl', `there is no command ${command} for sockets of TAS`)
  }
}

/** Another descriptor for the same socket or set; returns it. Throws SocketError EBADF, EMFILE. dup(2). */
export function dup(fd: number): number {
  return descriptors.add(descriptors.get(fd, 'dup'), false, 'dup')
}

/** As `dup`, with the number `newFd`, which is closed first if it is open. Throws SocketError EBADF. dup2(2). */
export function dup2(fd: number, newFd: number): number {
  const file = descriptors.get(fd, 'dup2')
  if (fd !== newFd) descriptors.replace(newFd, file, false, 'dup2')
  return newFd
}

/** As `dup2`, with O_CLOEXEC if `flags` has it. Throws SocketError EINVAL if both numbers are the same. dup3(2). */
export function dup3(fd: number, newFd: number, flags: number): number {
  const file = descriptors.get(fd, 'dup3')
  if (fd === newFd) throw new SocketError('EINVAL', 'dup3', 'the two descriptors are the same')
  if ((flags & ~O_CLOEXEC) !== 0) throw new SocketError('EINVAL', 'dup3', `flags ${flags}: want 0 or O_CLOEXEC`)
  descriptors.replace(newFd, file, (flags & O_CLOEXEC) !== 0, 'dup3')
  return newFd
}
