/**
 * Descriptors of this thread. Their numbers are above all that the kernel gives (fs.nr_open is at most 2^30 - 64), so both kinds can stand
 * in one set, and say in which thread they were made:
 *
 *      30        29 .. 20          19 .. 0
 *    +-----+------------------+---------------+
 *    |  1  |  thread mod 1024 |     index     |
 *    +-----+------------------+---------------+
 */
import { threadId } from 'node:worker_threads'
import { SocketError } from './errors.js'
import { OpenFile } from './openfile.js'

const TAS_BIT = 1 << 30
const INDEX_BITS = 20
const INDEX_MAX = (1 << INDEX_BITS) - 1
const FIRST = TAS_BIT | ((threadId & 0x3ff) << INDEX_BITS)

/** Whether `fd` has a number of this library, whether it is open or not. */
export function isTasDescriptor(fd: number): boolean {
  return fd >= TAS_BIT
}

/** A table by number; the lowest free number is taken first, as POSIX wants it. */
export class DescriptorTable {
  private readonly files: (OpenFile | null)[] = []
  /** FD_CLOEXEC; kept and told, but no descriptor survives exec. */
  private readonly closeOnExec: boolean[] = []
  /** No number below is free. */
  private lowest = 0

  /** Gives `file` the lowest free descriptor from `least` on. Throws SocketError EMFILE. */
  add(file: OpenFile, isCloseOnExec: boolean, syscall: string, least: number = FIRST): number {
    let index = Math.max(this.lowest, least - FIRST)
    while (index < this.files.length && this.files[index] !== null) index++
    if (index > INDEX_MAX) throw new SocketError('EMFILE', syscall, `more than ${INDEX_MAX + 1} descriptors`)
    if (least === FIRST) this.lowest = index + 1
    this.put(index, file, isCloseOnExec)
    return FIRST + index
  }

  /** Gives `file` the descriptor `fd`, closing what it stood for. Throws SocketError EBADF unless it is a number of this thread. */
  replace(fd: number, file: OpenFile, isCloseOnExec: boolean, syscall: string): void {
    if (!isOwn(fd)) throw new SocketError('EBADF', syscall, `${fd} is no descriptor that this thread can have: want ${FIRST} or more`)
    // First, so that a file never goes because its only descriptor is replaced by another of it.
    file.descriptors++
    this.files[fd - FIRST]?.closeOne(syscall)
    file.descriptors--
    this.put(fd - FIRST, file, isCloseOnExec)
  }

  /** What `fd` stands for, or null. */
  find(fd: number): OpenFile | null {
    return isOwn(fd) ? this.files[fd - FIRST] ?? null : null
  }

  /** The same. Throws SocketError EBADF. */
  get(fd: number, syscall: string): OpenFile {
    const file = this.find(fd)
    if (file !== null) return file
    const isForeign = isTasDescriptor(fd) && !isOwn(fd)
    const fault = isForeign ? 'belongs to another thread, which can give the socket to this one (give_fd, take_fd)' : 'is not open'
    throw new SocketError('EBADF', syscall, `descriptor ${fd} ${fault}`)
  }

  /** Frees `fd`. Throws SocketError EBADF. */
  remove(fd: number, syscall: string): void {
    const file = this.get(fd, syscall)
    const index = fd - FIRST
    this.files[index] = null
    if (index < this.lowest) this.lowest = index
    file.closeOne(syscall)
  }

  isCloseOnExec(fd: number): boolean {
    return this.closeOnExec[fd - FIRST]
  }

  setCloseOnExec(fd: number, isCloseOnExec: boolean): void {
    this.closeOnExec[fd - FIRST] = isCloseOnExec
  }

  private put(index: number, file: OpenFile, isCloseOnExec: boolean): void {
    while (this.files.length < index) {
      this.files.push(null)
      this.closeOnExec.push(false)
    }
    this.files[index] = file
    this.closeOnExec[index] = isCloseOnExec
    file.descriptors++
  }
}

function isOwn(fd: number): boolean {
  return Number.isInteger(fd) && fd >= FIRST && fd <= FIRST + INDEX_MAX
}

/** The table of this thread. */
export const descriptors = new DescriptorTable()
