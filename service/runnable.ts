/** How many threads of the machine run or want to (proc_loadavg(5)). */
import { openSync, readSync } from 'node:fs'

const LOADAVG = '/proc/loadavg'
const LOADAVG_BYTES_MAX = 128
const SPACE = 0x20
const ZERO = 0x30
const NINE = 0x39
/** Three averages stand before it, a space behind each. */
const FIELDS_BEFORE = 3

/** The count in a line such as "0.31 0.52 0.60 3/271 8123": the 3. 0 if it has none. */
export function parseRunnable(line: Uint8Array, lenBytes: number): number {
  let at = 0
  for (let fields = 0; fields < FIELDS_BEFORE && at < lenBytes; at++) if (line[at] === SPACE) fields++
  let count = 0
  for (; at < lenBytes && line[at] >= ZERO && line[at] <= NINE; at++) count = count * 10 + line[at] - ZERO
  return count
}

/** Keeps the file open for the life of the process. */
export class RunnableThreads {
  private readonly fd: number
  private readonly line = new Uint8Array(LOADAVG_BYTES_MAX)

  private constructor(fd: number) {
    this.fd = fd
  }

  /** Null where the system does not tell. */
  static open(path: string = LOADAVG): RunnableThreads | null {
    try {
      return new RunnableThreads(openSync(path, 'r'))
    } catch {
      return null
    }
  }

  /** Counted now, the caller included. */
  count(): number {
    return parseRunnable(this.line, readSync(this.fd, this.line, 0, LOADAVG_BYTES_MAX, 0))
  }
}
