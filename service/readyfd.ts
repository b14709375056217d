/** --ready-fd: a descriptor of the caller's that is told when everything is up. */
import { closeSync, readdirSync, readFileSync, readlinkSync, writeSync } from 'node:fs'
import { EnvironmentError, errorText } from './errors.js'

/** Access mode in the flags that /proc shows. */
const ACCESS_MASK = 3

function linkOf(fd: number | string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return ''
  }
}

function isReadOnly(fd: string): boolean {
  const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '1'
  return (Number.parseInt(flags, 8) & ACCESS_MASK) === 0
}

/** Whether the caller has opened `fd`: Node has descriptors of its own, which stand among the first numbers. */
function isFromCaller(fd: number): boolean {
  const link = linkOf(fd)
  if (link === '' || link.startsWith('anon_inode:')) return false
  // Who starts us reads the other end of a pipe; one that ends in this process is Node's.
  if (!link.startsWith('pipe:')) return true
  return !readdirSync('/proc/self/fd').some((other) => linkOf(other) === link && isReadOnly(other))
}

/** Throws EnvironmentError unless `fd` is open: otherwise that would be noticed only when everything is up. */
export function checkReadyFd(fd: number): void {
  if (isFromCaller(fd)) return
  const wish = 'want a descriptor that the caller has opened, as in 3>ready.txt'
  throw new EnvironmentError(`--ready-fd: ${fd}: is not open; ${wish}`)
}

/** Writes the line "ready" to `fd` and closes it, unless it is one of the standard three. Throws EnvironmentError. */
export function writeReady(fd: number): void {
  try {
    writeSync(fd, 'ready\n')
    if (fd > 2) closeSync(fd)
  } catch (error) {
    throw new EnvironmentError(`--ready-fd: ${fd}: ${errorText(error)}; want a descriptor that can be written`)
  }
}
