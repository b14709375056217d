#!/usr/bin/env node
/** The `tas` command: the service, one of its tools, or `tas run`. */
import { writeSync } from 'node:fs'
import { constants } from 'node:os'
import { resolve } from 'node:path'
import { errorText, UsageError } from './errors.js'
import { createLog, type Log } from './log.js'
import { helpText, informationAsked, parseOptions, type Options } from './options.js'
import { checkReadyFd, writeReady } from './readyfd.js'
import { Service } from './service.js'
import { packageVersion } from './version.js'

/** Tools by name. Loaded only when they are asked for: the service itself needs nothing of them. */
const TOOLS = new Map([
  ['stat', async () => (await import('../tools/stat/main.js')).runStat],
  ['scale', async () => (await import('../tools/scale/main.js')).runScale],
  ['state', async () => (await import('../tools/state/main.js')).runState],
  ['trace', async () => (await import('../tools/trace/main.js')).runTrace],
])

/** Widest help text, in columns. */
const HELP_COLUMNS_MAX = 110

/** Writes to stderr at once. That nobody reads it any more is no reason to end. */
function writeLine(line: string): void {
  try {
    writeSync(2, line)
  } catch {
    // EPIPE: the reader is gone. EAGAIN: it does not keep up.
  }
}

/** One line on stderr, written before the process ends. */
function complain(message: string): void {
  writeLine(`tas: ${message}\n`)
}

function exitCodeOf(error: unknown): number {
  return error instanceof UsageError ? error.exitCode : 1
}

/** Prints what was asked for in place of a service. Returns whether it did. */
function printInformation(argv: readonly string[]): boolean {
  const asked = informationAsked(argv)
  if (asked === null) return false
  const columns = Math.min(process.stdout.columns ?? 100, HELP_COLUMNS_MAX)
  process.stdout.write(asked === 'help' ? helpText(columns) : `tas ${packageVersion()}\n`)
  return true
}

function announceReady(options: Options, log: Log): void {
  for (const note of options.notes) log.info({}, note)
  log.info({ socket: options.socket, pid: process.pid }, 'ready')
  if (options.readyFd !== null) writeReady(options.readyFd)
}

/** Ends the service exactly once, however many reasons there are. */
class Ending {
  private readonly service: Service
  private readonly log: Log
  private begun = false

  constructor(service: Service, log: Log) {
    this.service = service
    this.log = log
  }

  /** Stops in order on the first signal; a second forces the end. */
  onSignal(signal: NodeJS.Signals): void {
    if (this.begun) this.force(128 + constants.signals[signal])
    this.log.info({ signal }, 'stopping')
    this.stop(0)
  }

  /** The service cannot go on: says why and takes everything back. */
  fail(error: unknown): void {
    if (!this.begun) complain(errorText(error))
    this.stop(exitCodeOf(error))
  }

  private stop(exitCode: number): void {
    if (this.begun) return
    this.begun = true
    this.service.stop().then(() => process.exit(exitCode), (error: unknown) => {
      complain(errorText(error))
      this.force(1)
    })
  }

  private force(exitCode: number): never {
    this.service.abandon()
    process.exit(exitCode)
  }
}

async function runService(argv: readonly string[]): Promise<void> {
  const parsed = parseOptions(argv, process.env)
  // Applications may name the same socket from another directory.
  const options = { ...parsed, socket: resolve(parsed.socket) }
  if (options.readyFd !== null) checkReadyFd(options.readyFd)
  const log = createLog(options, { write: writeLine })
  const service: Service = new Service(options, log, (error) => ending.fail(error))
  const ending = new Ending(service, log)
  process.on('SIGTERM', (signal) => ending.onSignal(signal))
  process.on('SIGINT', (signal) => ending.onSignal(signal))
  process.on('uncaughtException', (error) => {
    log.error({ stack: error.stack }, 'unexpected error')
    ending.fail(error)
  })
  try {
    if (await service.start()) announceReady(options, log)
  } catch (error) {
    ending.fail(error)
  }
}

async function main(argv: readonly string[]): Promise<void> {
  // A reader that goes away (head, less) ends the output, not the program with a trace.
  process.stdout.on('error', () => undefined)
  const tool = TOOLS.get(argv[0] ?? '')
  if (tool !== undefined) {
    process.exitCode = await (await tool())(argv.slice(1), process.env)
    return
  }
  if (argv[0] === 'run') {
    const { runRun } = await import('../tools/run/main.js')
    await runRun(argv.slice(1), process.env)
    return
  }
  if (!printInformation(argv)) await runService(argv)
}

main(process.argv.slice(2)).catch((error: unknown) => {
  complain(errorText(error))
  process.exit(exitCodeOf(error))
})
