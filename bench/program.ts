/** What each benchmark program does around its measurements. */
import { availableParallelism, cpus, release } from 'node:os'
import { Cleanup } from '../tools/netlab/index.js'

/** A command line that makes no sense. */
export class BenchUsageError extends Error {}

/** The number that `--option` was given. Throws BenchUsageError unless it is one from `min` to `max`. */
export function parseCount(option: string, text: string, min: number, max: number): number {
  const value = Number(text)
  if (text.trim() !== '' && value >= min && value <= max) return value
  throw new BenchUsageError(`--${option}: "${text}": must be a number from ${min} to ${max}`)
}

/** The machine, as tables name it. */
export function machineText(): string {
  return `Node ${process.versions.node}, Linux ${release()}, ${availableParallelism()} CPUs (${cpus()[0]?.model ?? 'unknown'})`
}

export type Say = (text: string) => void

/** Progress of program `name`, on standard error. */
export function sayAs(name: string): Say {
  return (text) => void process.stderr.write(`${name}: ${text}\n`)
}

/** Measures, and removes what was made for it, also after an error or a signal. */
export async function withCleanup<Result>(say: Say, measure: (cleanup: Cleanup) => Promise<Result>): Promise<Result> {
  const cleanup = new Cleanup()
  cleanup.onSignals((signal) => say(`${signal}: removing everything`))
  try {
    return await measure(cleanup)
  } finally {
    for (const failure of await cleanup.run()) say(`not removed: ${failure}`)
  }
}

/** Runs `program`, which returns the exit code, and ends the process: 1 after an error, 2 for a wrong command line. */
export async function runProgram(name: string, program: () => Promise<number>): Promise<never> {
  try {
    process.exit(await program())
  } catch (error) {
    sayAs(name)(error instanceof Error ? error.message : String(error))
    process.exit(error instanceof BenchUsageError ? 2 : 1)
  }
}
