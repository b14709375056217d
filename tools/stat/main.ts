/** `tas stat`: prints the counters of a running service, which needs no privilege, or its connections. */
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { countersName } from '../../lib/memif/index.js'
import { openSharedObject } from '../../native/index.js'
import { withService } from '../control/client.js'
import type { Environment } from '../control/commandline.js'
import { fetchConnections } from '../control/connections.js'
import { runTool } from '../control/run.js'
import { terminalPaint, write } from '../control/terminal.js'
import { formatConnections, formatConnectionsJson } from './connections.js'
import { formatJson, formatText } from './format.js'
import { parseStatOptions, type StatOptions } from './options.js'
import { ratesBetween, readSnapshot, type Snapshot } from './snapshot.js'

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
    const rows = await withService(resolve(socket), fetchConnections)
    const going = await write(json ? formatConnectionsJson(rows, Date.now()) : formatConnections(rows, paint))
    if (!going || interval === undefined) return
    await sleep(interval * 1000)
  }
}

/** Runs `tas stat` with its own arguments. Returns the exit code. */
export function runStat(argv: readonly string[], env: Environment): Promise<number> {
  return runTool('stat', async () => {
    const options = parseStatOptions(argv, env)
    if (options !== null) await (options.connections ? printConnections(options) : print(options))
  })
}
