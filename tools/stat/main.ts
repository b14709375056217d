/** `tas stat`: prints the counters of a running service. Needs no privilege. */
import { writeSync } from 'node:fs'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import colors from 'picocolors'
import { countersName, DEFAULT_SOCKET } from '../../lib/memif/index.js'
import { openSharedObject } from '../../native/index.js'
import { formatJson, formatText, type Paint } from './format.js'
import { ratesBetween, readSnapshot, type Snapshot } from './snapshot.js'

/** What `tas stat` was asked for. */
interface StatOptions {
  readonly socket: string
  readonly json: boolean
  readonly all: boolean
  /** Seconds between samples; absent for one sample. */
  readonly interval?: number
}

/** Exit codes: as those of the service. */
const EXIT_ENVIRONMENT = 1
const EXIT_USAGE = 2

/** Longest interval in seconds. */
const INTERVAL_MAX = 86_400

function readInterval(text: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
  if (!(seconds >= 0.1 && seconds <= INTERVAL_MAX)) {
    throw new InvalidArgumentError(`want seconds from 0.1 to ${INTERVAL_MAX}, as in 1`)
  }
  return seconds
}

function makeCommand(env: Readonly<Record<string, string | undefined>>): Command {
  return new Command('tas stat')
    .description('Print the counters of a running tas: once, or every so many seconds with rates.')
    .option('--socket <PATH>', 'socket of the service', env['TAS_SOCKET'] || DEFAULT_SOCKET)
    .option('--interval <SECONDS>', 'sample again every so many seconds', readInterval)
    .option('--json', 'one line of JSON for each sample', false)
    .option('--all', 'also counters that are zero', false)
    .exitOverride()
    .configureOutput({ outputError: () => undefined, writeErr: () => undefined })
}

function complain(message: string): void {
  writeSync(2, `tas stat: ${message.replaceAll(/\s+/g, ' ').trim()}\n`)
}

/** The process that wrote the counters runs; EPERM means that it does, under another user. */
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

function attach(socket: string): Float64Array {
  const name = countersName(resolve(socket))
  try {
    return new Float64Array(openSharedObject(name))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      throw new Error(`--socket: "${socket}": no tas runs there (no /dev/shm${name}); start one or name its socket`)
    }
    throw error
  }
}

function sample(counters: Float64Array, socket: string): Snapshot {
  const snapshot = readSnapshot(counters, Date.now())
  if (!isAlive(snapshot.pid)) {
    throw new Error(`--socket: "${socket}": tas with process id ${snapshot.pid} has ended; start one or name another socket`)
  }
  return snapshot
}

function terminalPaint(): Paint {
  const { bold, dim } = colors.createColors(process.stdout.isTTY && colors.isColorSupported)
  return { heading: bold, dim }
}

function write(text: string): Promise<boolean> {
  return new Promise((done) => process.stdout.write(text, (error) => done(error === null || error === undefined)))
}

/** Prints until the reader goes away, or once. */
async function print(options: StatOptions): Promise<void> {
  const counters = attach(options.socket)
  const paint = terminalPaint()
  const show = (now: Snapshot, rates: Snapshot | null): Promise<boolean> => write(options.json ? formatJson(now, rates)
    : formatText(rates ?? now, { perSecond: rates !== null, all: options.all, paint }))
  let before = sample(counters, options.socket)
  let going = await show(before, null)
  while (going && options.interval !== undefined) {
    await sleep(options.interval * 1000)
    const now = sample(counters, options.socket)
    going = await show(now, ratesBetween(before, now))
    before = now
  }
}

/** Runs `tas stat` with its own arguments. Returns the exit code. */
export async function runStat(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): Promise<number> {
  const command = makeCommand(env)
  try {
    command.parse([...argv], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode !== 0) complain(error.message.replace(/^error: /, ''))
    return error.exitCode === 0 ? 0 : EXIT_USAGE
  }
  // A reader that goes away (head, less) ends the output, not the program with a trace.
  process.stdout.on('error', () => undefined)
  try {
    await print(command.opts<StatOptions>())
    return 0
  } catch (error) {
    complain(error instanceof Error ? error.message : String(error))
    return EXIT_ENVIRONMENT
  }
}
