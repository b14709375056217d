/** A real `tas` in a lab. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { processTree } from './cpu.js'
import { PREFIX_LENGTH, TAS_ADDRESS, type Lab } from './namespaces.js'
import { compiled } from './paths.js'
import type { Exit, Process, ProcessOptions } from './processes.js'

const runFile = promisify(execFile)
const LOG_LINES = 10

export interface ServiceOptions extends Pick<ProcessOptions, 'env' | 'cwd'> {
  /** Folder for the socket and the log file. */
  readonly folder: string
  /** Socket to listen on; one of its own in the folder if left out. */
  readonly socket?: string
  /** More options of `tas`. */
  readonly args?: readonly string[]
  /** Value of --nic; TAS's end of the link if left out. */
  readonly nic?: string
  /** Stays alive when this process ends. */
  readonly detached?: boolean
  /** CPUs to run on, as taskset writes them ('0-2'); any if left out or null. */
  readonly pinnedTo?: string | null
}

/** Counters as `tas stat --json` prints them: whatever objects hold the numbers. */
export type Statistics = Readonly<Record<string, unknown>>

/** A running service. */
export class Service {
  /** Socket for applications: the value of TAS_SOCKET. */
  readonly socket: string
  readonly logFile: string
  readonly process: Process

  constructor(socket: string, logFile: string, process: Process) {
    this.socket = socket
    this.logFile = logFile
    this.process = process
  }

  /** Process ids of the slow path and its workers. */
  pids(): number[] {
    return processTree(this.process.pid)
  }

  /** Ends it with SIGTERM. */
  stop(): Promise<Exit> {
    return this.process.stop()
  }

  /** What `tas stat --json` prints once. */
  async statistics(): Promise<Statistics> {
    const args = [compiled('service/main.js'), 'stat', '--json', `--socket=${this.socket}`]
    const { stdout } = await runFile(process.execPath, args)
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as Statistics
  }

  /** Environment of an application that is to use this service. */
  get env(): Readonly<Record<string, string>> {
    return { TAS_SOCKET: this.socket }
  }
}

/** The number that is called `name` in statistics, wherever it stands, summed over workers; 0 if there is none. */
export function statistic(statistics: unknown, name: string): number {
  if (typeof statistics !== 'object' || statistics === null) return 0
  let sum = 0
  for (const [key, value] of Object.entries(statistics)) {
    sum += key === name && typeof value === 'number' ? value : statistic(value, name)
  }
  return sum
}

/** The error with the last lines of the service's log, which say why. */
function withLog(error: unknown, logFile: string): Error {
  const lines = readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-LOG_LINES)
  return new Error([error instanceof Error ? error.message : String(error), ...lines].join('\n  '), { cause: error })
}

let started = 0

/** Starts `tas` on the lab's link with default options and waits until it is ready. Throws Error with its log if it fails. */
export async function startService(lab: Lab, options: ServiceOptions): Promise<Service> {
  started++
  const socket = options.socket ?? join(options.folder, `tas${started}.sock`)
  const logFile = join(options.folder, `tas${started}.log`)
  const tasArgs = [
    compiled('service/main.js'), `--ip-addr=${TAS_ADDRESS}/${PREFIX_LENGTH}`, `--nic=${options.nic ?? lab.tas.interface}`,
    `--socket=${socket}`, '--ready-fd=3', '--quiet', ...(options.args ?? []),
  ]
  const cpus = options.pinnedTo ?? null
  const [command, args] = cpus === null ? [process.execPath, tasArgs] : ['taskset', ['-c', cpus, process.execPath, ...tasArgs]]
  const { env, cwd } = options
  const tas = lab.tas.start('tas', { command, args, logFile, readyFd: true, detached: options.detached === true, env, cwd })
  await tas.ready().catch((error: unknown) => { throw withLog(error, logFile) })
  return new Service(socket, logFile, tas)
}
