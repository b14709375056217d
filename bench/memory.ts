/** Memory of a server: of its processes, and what the kernel keeps for its connections. */
import { readFileSync } from 'node:fs'

/** In bytes. */
export interface Memory {
  /** Of all processes; what several of them share counts once. */
  readonly processes: number
  /** The kernel's own objects, of everybody on this machine. */
  readonly kernelObjects: number
}

/** The number of kibibytes that a line of /proc has behind `name`, in bytes; 0 if there is none. */
export function kibibytesOf(text: string, name: string): number {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)
  return match === null ? 0 : Number(match[1]) * 1024
}

function processBytes(pid: number): number {
  try {
    return kibibytesOf(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'), 'Pss')
  } catch {
    // It has ended.
    return 0
  }
}

/** Memory of processes `pids`, and of the kernel, now. */
export function readMemory(pids: readonly number[]): Memory {
  return {
    processes: pids.reduce((sum, pid) => sum + processBytes(pid), 0),
    kernelObjects: kibibytesOf(readFileSync('/proc/meminfo', 'latin1'), 'Slab'),
  }
}

/**
 * Bytes that connections took. The client's ends are the kernel's as well: a server on the kernel's TCP gets half of what that has grown by,
 * one on TAS none of it.
 */
export function connectionMemory(before: Memory, after: Memory, isOnKernel: boolean): number {
  const kernel = isOnKernel ? (after.kernelObjects - before.kernelObjects) / 2 : 0
  return Math.max(0, after.processes - before.processes + kernel)
}
