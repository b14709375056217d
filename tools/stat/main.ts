/** `tas stat`: prints the counters of a running service, which needs no privilege, or its connections. */
import { writeSync } from 'node:fs'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import colors from 'picocolors'
import { countersName } from '../../lib/memif/index.js'
import { openSharedObject } from '../../native/index.js'
import { fetchConnections, formatConnections, formatConnectionsJson } from './connections.js'
import { formatJson, formatText, type Paint } from './format.js'
import { parseStatOptions, StatUsageError, type StatOptions } from './options.js'
import { ratesBetween, readSnapshot, type Snapshot } from './snapshot.js'

/** Exit codes: as those of the service. */
const EXIT_ENVIRONMENT = 1
const EXIT_USAGE = 2

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
  const { bold, dim } = colors.createColors(process.stdout.isTTY === true && colors.isColorSupported)
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

/** The same for the connections. */
async function printConnections({ socket, json, interval }: StatOptions): Promise<void> {
  const paint = terminalPaint()
  for (;;) {
    const rows = await fetchConnections(resolve(socket))
    const going = await write(json ? formatConnectionsJson(rows, Date.now()) : formatConnections(rows, paint))
    if (!going || interval === undefined) return
    await sleep(interval * 1000)
  }
}

/** Runs `tas stat` with its own arguments. Returns the exit code. */
export async function runStat(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): Promise<number> {
  // A reader that goes away (head, less) ends the output, not the program with a trace.
  process.stdout.on('error', () => undefined)
  try {
    const options = parseStatOptions(argv, env)
    if (options !== null) await (options.connections ? printConnections(options) : print(options))
    return 0
  } catch (error) {
    complain(error instanceof Error ? error.message : String(error))
    return error instanceof StatUsageError ? EXIT_USAGE : EXIT_ENVIRONMENT
  }
}
