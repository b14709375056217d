/** Shared memory. Failed system calls throw Error with `code` (ENOENT, EPERM, ...), `errno` and `syscall`. */
import { constants } from 'node:buffer'
import { addon, type NativeHandle } from './addon.js'
import type { RegionTable } from './port.js'

/** Memory of a region and the descriptor to pass it on. */
export interface CreatedRegion {
  readonly fd: number
  readonly buffer: ArrayBuffer
}

/** Node makes no longer ArrayBuffer over foreign memory: 4 GiB on Node 20, more later. */
function checkLength(lenBytes: number): void {
  if (lenBytes <= constants.MAX_LENGTH) return
  throw new RangeError(`region of ${lenBytes} bytes: this Node maps at most ${constants.MAX_LENGTH} at once`)
}

/**
 * Makes a region of `lenBytes` zeros (memfd, mapped shared and writable). Pages take memory when they are first
 * written, so a large region costs nothing. Its length is sealed: nobody who holds the descriptor can change it.
 * Throws RangeError beyond the length that this Node can map (Node 20: 4 GiB).
 */
export function createRegion(name: string, lenBytes: number): CreatedRegion {
  checkLength(lenBytes)
  return addon().createRegion(name, lenBytes)
}

/**
 * Maps the first `lenBytes` of a region. A write to memory mapped without `writable` ends the process.
 * Throws RangeError if the region is shorter, EACCES if the descriptor does not allow it.
 */
export function mapRegion(fd: number, lenBytes: number, writable: boolean): ArrayBuffer {
  checkLength(lenBytes)
  return addon().mapRegion(fd, lenBytes, writable)
}

/**
 * Unmaps a region at once and detaches its ArrayBuffer (otherwise that happens when it is collected).
 * Throws EBUSY while the region is in a table of regions, TypeError if it is none or already unmapped.
 */
export function unmapRegion(buffer: ArrayBuffer): void {
  addon().unmapRegion(buffer)
}

/**
 * Asks for huge pages where memory of a region is taken from now on by this mapping (madvise(2), MADV_HUGEPAGE): the kernel gives what it has, and
 * small pages otherwise, which regions have without this. Returns false if it has none for any memory.
 */
export function adviseHugePages(buffer: ArrayBuffer): boolean {
  return addon().adviseHugePages(buffer)
}

/**
 * Gives the memory of the bytes from `fromByte` on, `lenBytes` of them, back to the machine: they read as zeros for everyone, and take
 * memory again when they are written. Pages only partly within the range are cleared. Throws EBADF, EINVAL.
 */
export function punchHole(fd: number, fromByte: number, lenBytes: number): void {
  addon().punchHole(fd, fromByte, lenBytes)
}

/** A descriptor of the same region that can only be mapped read-only, whatever its receiver tries. */
export function reopenReadOnly(fd: number): number {
  return addon().reopenReadOnly(fd)
}

/** Makes a named POSIX shared-memory object that everyone may read and maps it writable. `name` starts with '/'. Throws EEXIST. */
export function createSharedObject(name: string, lenBytes: number): ArrayBuffer {
  return addon().createSharedObject(name, lenBytes)
}

/** Maps a named shared-memory object read-only, in its whole length. Throws ENOENT. */
export function openSharedObject(name: string): ArrayBuffer {
  return addon().openSharedObject(name)
}

/** Removes the name of a shared-memory object; mappings stay. Throws ENOENT. */
export function unlinkSharedObject(name: string): void {
  addon().unlinkSharedObject(name)
}

/** Closes a descriptor. Throws EBADF. */
export function closeFd(fd: number): void {
  addon().closeFd(fd)
}

/** Memory that the descriptors of native ports name by number. Holds what is entered, so that it stays alive. */
export class Regions implements RegionTable {
  /** For the ports. */
  readonly handle: NativeHandle
  private readonly held = new Map<number, ArrayBufferLike>()

  constructor() {
    this.handle = addon().regionsCreate()
  }

  add(index: number, memory: ArrayBufferLike): void {
    addon().regionsAdd(this.handle, index, memory instanceof ArrayBuffer ? memory : new Uint8Array(memory))
    this.held.set(index, memory)
  }

  remove(index: number): void {
    addon().regionsRemove(this.handle, index)
    this.held.delete(index)
  }

  /** What is entered under `index`. */
  get(index: number): ArrayBufferLike | undefined {
    return this.held.get(index)
  }
}
