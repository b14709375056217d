/** Stacks of samples, as `perf script -F comm,pid,tid,ip,sym,dso` prints them. */

export interface Frame {
  readonly isKernel: boolean
  /** Function; `[unknown]` without a name. */
  readonly symbol: string
  /** File or map that it stands in, such as `/usr/bin/node` or `[vdso]`. */
  readonly dso: string
}

/** Where a process was when a sample was taken. */
export interface Stack {
  readonly pid: number
  /** From the innermost outwards. */
  readonly frames: readonly Frame[]
}

const HEAD = /^(?:\S.*?)\s+(\d+)\/\d+\s*$/
const FRAME = /^\s+([0-9a-f]+) (.+) \((.+)\)$/
/** The upper half of the address space is the kernel's, on x86-64 and on arm64. */
const KERNEL_ADDRESS = /^ffff[0-9a-f]{12}$/

function frameOf(line: string): Frame | null {
  const found = FRAME.exec(line)
  return found === null ? null : { isKernel: KERNEL_ADDRESS.test(found[1]), symbol: found[2], dso: found[3] }
}

/** All samples of a text: a line with the process, a line for each frame, an empty line. Lines that are neither are left out. */
export function parseStacks(text: string): Stack[] {
  const stacks: { pid: number; frames: Frame[] }[] = []
  for (const line of text.split('\n')) {
    const head = HEAD.exec(line)
    if (head !== null) {
      stacks.push({ pid: Number(head[1]), frames: [] })
      continue
    }
    const frame = frameOf(line)
    if (frame !== null) stacks.at(-1)?.frames.push(frame)
  }
  return stacks
}
