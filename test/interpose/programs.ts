/** Runs programs of this folder on plain Node and on TAS, in the namespaces of a lab. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { compiled, type Lab, packageRoot, PREFIX_LENGTH, type Namespace, type Process } from '../../tools/netlab/index.js'
import type { Cleanup } from '../../tools/netlab/index.js'
import { startProcess } from '../../tools/netlab/index.js'
import type { CaseResult } from './scenarios/runner.js'

/** What is given to `--import`. */
export const INTERPOSE = compiled('lib/interpose/index.js')

/** The TAS that a program is put on: a Service, or one of its own. */
export interface OnTas {
  readonly env: Readonly<Record<string, string>>
}

/** Address of programs with a TAS of their own: it is beside that of a service on the same interface. */
export const EMBEDDED_ADDRESS = '10.77.0.4'

/** What puts a program on a TAS of its own, with `address`, on TAS's end of the link. */
export function embeddedTas({ tas }: Lab, address = EMBEDDED_ADDRESS): OnTas {
  return { env: { TASJS_INTERPOSE_EMBEDDED: `--nic=${tas.interface} --ip-addr=${address}/${PREFIX_LENGTH}` } }
}

/** A Node to run programs with. */
export interface NodeBinary {
  readonly name: string
  readonly path: string
}

/** Versions that npm has installed beside, as far as it has. */
const others = [24, 26].map((major): NodeBinary => ({ name: `Node ${major}`, path: join(packageRoot, 'node_modules', `node${major}`, 'bin', 'node') }))

/** The Node that runs the tests, and the others. */
export const nodes: readonly NodeBinary[] = [
  { name: `Node ${process.versions.node.split('.')[0]}`, path: process.execPath }, ...others.filter(({ path }) => existsSync(path)),
]

export interface ProgramOptions {
  readonly node?: string
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** A program of test/interpose/scenarios, without the ending. */
export function scenario(name: string): string {
  return compiled(`test/interpose/scenarios/${name}.js`)
}

function environment(env: Readonly<Record<string, string>>): string[] {
  return Object.entries(env).map(([name, value]) => `${name}=${value}`)
}

/** Runs a program to its end in `namespace`; returns what it prints. Throws Error if it fails. With `onTas` null it runs on plain Node. */
export function runProgram(namespace: Namespace, file: string, options: ProgramOptions = {}, onTas: OnTas | null = null): Promise<string> {
  const preload = onTas === null ? [] : ['--import', INTERPOSE]
  const env = environment({ ...onTas?.env, ...options.env })
  return namespace.run('env', [...env, options.node ?? process.execPath, ...preload, file, ...(options.args ?? [])], 180_000)
}

/** How a program has ended, and what it has printed. */
export interface Ended {
  readonly code: number | null
  readonly lines: readonly string[]
  readonly errorLines: readonly string[]
}

/** Runs `command` to its end, whatever that is. */
export async function endOf(namespace: Namespace, command: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<Ended> {
  const program = namespace.start('program', { command, args, env })
  const { code } = await program.exited
  return { code, lines: program.lines, errorLines: program.errorLines }
}

/** Starts a program that stays. */
export function startProgram(
  namespace: Namespace, cleanup: Cleanup, file: string, options: ProgramOptions = {}, onTas: OnTas | null = null,
): Process {
  const preload = onTas === null ? [] : ['--import', INTERPOSE]
  return startProcess(file, {
    command: options.node ?? process.execPath, args: [...preload, file, ...(options.args ?? [])], namespace: namespace.name,
    env: { ...onTas?.env, ...options.env },
  }, cleanup)
}

/** The results of a scenario, by case. */
export function resultsOf(output: string): Map<string, CaseResult> {
  const results = output.trim().split('\n').map((line) => JSON.parse(line) as CaseResult)
  return new Map(results.map((result) => [result.name, result]))
}
