/** Child processes, in a network namespace or not, with their output kept. */
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process'
import { openSync, closeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { Cleanup } from './cleanup.js'
import { until, within } from './wait.js'

const STOP_MS = 5_000
const OUTPUT_MS = 500
const KEPT_LINES = 200

export interface ProcessOptions {
  readonly command: string
  readonly args?: readonly string[]
  /** Network namespace to run in; the caller's if left out. */
  readonly namespace?: string
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** Working folder; the caller's if left out. */
  readonly cwd?: string | undefined
  /** File that standard output and standard error are appended to; without one they are kept as lines. */
  readonly logFile?: string
  /** Opens descriptor 3 as a pipe whose first line says that the process is ready. */
  readonly readyFd?: boolean
  /** Opens an IPC channel (advanced serialization). */
  readonly ipc?: boolean
  /** Leaves standard output to the caller, as `child.stdout`: for bytes instead of lines. */
  readonly rawOutput?: boolean
  /** Stays alive when this process ends. */
  readonly detached?: boolean
}

/** How a process ended: an exit code, or the signal that ended it. */
export interface Exit { readonly code: number | null; readonly signal: NodeJS.Signals | null }

/** A running child process. */
export class Process {
  readonly name: string
  readonly child: ChildProcess
  readonly exited: Promise<Exit>
  /** The last lines of standard output and standard error, if there is no log file. */
  readonly lines: string[] = []
  readonly errorLines: string[] = []
  /** How it ended, null while it runs. */
  exit: Exit | null = null
  private failure: Error | null = null
  private readyLine: string | null = null
  private readonly onLine: Array<(line: string) => void> = []

  constructor(name: string, child: ChildProcess, options: ProcessOptions) {
    this.name = name
    this.child = child
    this.exited = new Promise(resolve => {
      const done = (exit: Exit): void => { this.exit ??= exit; resolve(this.exit) }
      child.once('close', (code, signal) => done({ code, signal }))
      // A descendant that has inherited the output keeps it open: do not wait for it long.
      child.once('exit', (code, signal) => { setTimeout(done, OUTPUT_MS, { code, signal }).unref() })
      child.once('error', error => { this.failure = error; done({ code: null, signal: null }) })
    })
    if (options.rawOutput !== true) this.collect(child.stdout, this.lines, line => this.tell(line))
    this.collect(child.stderr, this.errorLines, () => {})
    if (options.readyFd === true) this.collect(child.stdio[3] as Readable, [], line => { this.readyLine ??= line })
  }

  private collect(stream: Readable | null, into: string[], each: (line: string) => void): void {
    if (stream === null) return
    createInterface({ input: stream }).on('line', line => {
      into.push(line)
      if (into.length > KEPT_LINES) into.shift()
      each(line)
    })
  }

  private tell(line: string): void {
    for (const listen of this.onLine) listen(line)
  }

  /** Process id. Throws Error if it could not be started. */
  get pid(): number {
    if (this.child.pid === undefined) throw this.failure ?? new Error(`${this.name} was not started`)
    return this.child.pid
  }

  /** Calls `listen` for every line of standard output. */
  eachLine(listen: (line: string) => void): void {
    this.onLine.push(listen)
  }

  /** Waits for the line on descriptor 3. Throws Error with the last lines of output if the process ends before. */
  async ready(timeoutMs = 20_000): Promise<string> {
    return until(`${this.name} is ready`, () => {
      if (this.exit !== null && this.readyLine === null) throw this.endedError()
      return this.readyLine ?? undefined
    }, timeoutMs)
  }

  /** Waits for a line of standard output that matches. Throws Error if the process ends before. */
  async line(pattern: RegExp, timeoutMs = 20_000): Promise<string> {
    return until(`${this.name} prints ${String(pattern)}`, () => {
      const found = this.lines.find(line => pattern.test(line))
      if (found === undefined && this.exit !== null) throw this.endedError()
      return found
    }, timeoutMs)
  }

  /** Waits for the end. Throws Error with the last lines of standard error unless the exit code is 0. */
  async success(timeoutMs = 60_000): Promise<void> {
    const exit = await within(`${this.name} ends`, this.exited, timeoutMs)
    if (exit.code !== 0) throw this.endedError()
  }

  /** An error that says how this process ended and what it printed last. */
  endedError(): Error {
    const how = this.failure !== null ? this.failure.message
      : this.exit?.signal !== null ? `was ended by ${this.exit?.signal}` : `exited with ${this.exit.code}`
    const said = [...this.lines.slice(-5), ...this.errorLines.slice(-10)].join('\n  ')
    return new Error(`${this.name} ${how}${said === '' ? '' : `:\n  ${said}`}`)
  }

  /** Sends a signal; nothing happens if the process has ended. */
  kill(signal: NodeJS.Signals): void {
    if (this.exit === null && this.child.pid !== undefined) this.child.kill(signal)
  }

  /** Asks the process to end, and after five seconds makes it. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Exit> {
    if (this.exit !== null) return this.exit
    this.kill(signal)
    const timer = setTimeout(() => this.kill('SIGKILL'), STOP_MS)
    const exit = await this.exited
    clearTimeout(timer)
    return exit
  }
}

function ioOf(options: ProcessOptions, log: number | null): StdioOptions {
  const io: Exclude<StdioOptions, string> = ['ignore', log ?? 'pipe', log ?? 'pipe']
  if (options.readyFd === true) io.push('pipe')
  if (options.ipc === true) io.push('ipc')
  return io
}

/** Starts a process; with `cleanup` it is stopped at the latest then. */
export function startProcess(name: string, options: ProcessOptions, cleanup?: Cleanup): Process {
  const command = options.namespace === undefined ? options.command : 'ip'
  const prefix = options.namespace === undefined ? [] : ['netns', 'exec', options.namespace, options.command]
  const log = options.logFile === undefined ? null : openSync(options.logFile, 'a')
  const child = spawn(command, [...prefix, ...(options.args ?? [])], {
    stdio: ioOf(options, log),
    env: { ...process.env, ...options.env },
    cwd: options.cwd,
    detached: options.detached === true,
    serialization: 'advanced',
  })
  if (log !== null) closeSync(log)
  const started = new Process(name, child, options)
  cleanup?.add(name, async () => { await started.stop() })
  return started
}

/** Runs a command to its end and returns its standard output. Throws Error with its standard error if it fails. */
export async function run(
  command: string, args: readonly string[], options: { readonly namespace?: string; readonly timeoutMs?: number } = {},
): Promise<string> {
  const started = startProcess([command, ...args].join(' '), { command, args, ...options })
  try {
    await started.success(options.timeoutMs)
  } finally {
    await started.stop('SIGKILL')
  }
  return started.lines.join('\n')
}
