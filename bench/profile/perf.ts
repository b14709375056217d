/** Linux's `perf`: samples of processes, and how many system calls they make. */
import { execFile, spawnSync } from 'node:child_process'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { missingTools, toolProgram } from '../needs.js'
import { parseStacks, type Stack } from './stacks.js'

const runFile = promisify(execFile)
/** Not a divisor of what happens each millisecond. */
const SAMPLES_PER_SECOND = 997
/** Of the text of all stacks. */
const TEXT_BYTES_MAX = 2 ** 30
/** Every virtual machine has it; the counters of a CPU, few. */
const EVENT = 'cpu-clock'
/** Of `perf stat`. */
const INTERVAL_MS = 200
const SYSTEM_CALLS = 'raw_syscalls:sys_enter'

/** Why no samples can be taken here, or null. Tries it, with files in `folder`. */
export function perfRefused(folder: string): string | null {
  const missing = missingTools(['perf'])
  if (missing !== null) return missing
  // Of the kernel too, without which half of the time would be missing.
  const args = ['record', '-q', '-e', `${EVENT}:k`, '-o', join(folder, 'probe.data'), '--', 'true']
  const { status } = spawnSync(toolProgram('perf'), args, { stdio: 'ignore' })
  return status === 0 ? null : 'perf may not take samples of the kernel here; it needs root, outside of a user namespace'
}

/** Takes samples of all threads of `pids` for some seconds. Throws Error if perf fails. */
export async function recordStacks(pids: readonly number[], seconds: number, folder: string): Promise<readonly Stack[]> {
  const file = join(folder, 'perf.data')
  const rate = ['-e', EVENT, '-F', String(SAMPLES_PER_SECOND), '-g']
  await runFile(toolProgram('perf'), ['record', '-q', ...rate, '-p', pids.join(','), '-o', file, '--', 'sleep', String(seconds)])
  const script = ['script', '--no-inline', '-F', 'comm,pid,tid,ip,sym,dso', '-i', file]
  const { stdout } = await runFile(toolProgram('perf'), script, { maxBuffer: TEXT_BYTES_MAX, encoding: 'latin1' })
  await rm(file)
  return parseStacks(stdout)
}

/** A part of the time that `perf stat` counts over, seconds from when it began. */
export interface Window {
  readonly from: number
  readonly to: number
}

/**
 * Counts system calls of `pids` for `seconds`. Returns how many there were in each second of `window`; null where the kernel does not count them.
 * Counting makes each dearer: it is to go on for as long as that which it is compared with.
 */
export async function systemCallsPerSecond(pids: readonly number[], seconds: number, window: Window, folder: string): Promise<number | null> {
  const file = join(folder, 'perf.stat')
  const args = ['stat', '-x,', '-I', String(INTERVAL_MS), '-e', SYSTEM_CALLS, '-p', pids.join(','), '-o', file, '--', 'sleep', String(seconds)]
  try {
    await runFile(toolProgram('perf'), args)
  } catch {
    return null
  }
  return meanRate(await readFile(file, 'latin1'), window)
}

/** The mean rate, each second, of the intervals within `window` that `perf stat -x, -I` has written; null if none of them was counted. */
export function meanRate(text: string, { from, to }: Window): number | null {
  const counts = text.split('\n').flatMap((line) => {
    const [endSeconds, count] = line.split(',').map(Number)
    const isWithin = endSeconds - INTERVAL_MS / 1000 >= from && endSeconds <= to
    return line.includes(SYSTEM_CALLS) && isWithin && !Number.isNaN(count) ? [count] : []
  })
  return counts.length === 0 ? null : (counts.reduce((sum, count) => sum + count, 0) / counts.length) * (1000 / INTERVAL_MS)
}

/** The names of the functions that V8 has compiled in a process, for perf; Node writes it with --perf-basic-prof. */
export function mapFile(pid: number): string {
  return `/tmp/perf-${pid}.map`
}
