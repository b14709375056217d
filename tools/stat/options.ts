/** Command line of `tas stat`. */
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { complaintOf, defaultSocket, readSocket } from '../control/usage.js'

/** What `tas stat` was asked for. */
export interface StatOptions {
  readonly socket: string
  readonly json: boolean
  readonly all: boolean
  /** Every connection in place of the counters. */
  readonly connections: boolean
  /** Seconds between samples; absent for one sample. */
  readonly interval?: number
}

/** A command line that makes no sense: one line that names the option. */
export class StatUsageError extends Error {}

/** Longest interval in seconds. */
const INTERVAL_MAX = 86_400

function readInterval(text: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
  if (seconds >= 0.1 && seconds <= INTERVAL_MAX) return seconds
  throw new InvalidArgumentError(`want seconds from 0.1 to ${INTERVAL_MAX}, as in 1`)
}

function makeCommand(env: Readonly<Record<string, string | undefined>>): Command {
  const socket = defaultSocket(env)
  return new Command('tas stat')
    .usage('[OPTION]...')
    .description('Print the counters of a running tas: once, or every so many seconds with rates.')
    .option('--socket <PATH>', `socket of the service (default: ${socket})`, readSocket)
    .option('--interval <SECONDS>', 'sample again every so many seconds, and print rates', readInterval)
    .option('--json', 'one line of JSON for each sample')
    .option('--all', 'also counters that are zero')
    .option('--connections', 'every connection in place of the counters; for the user of tas and root')
    .helpOption('-h, --help', 'print this and exit')
    .exitOverride()
    .configureOutput({ outputError: () => undefined, writeErr: () => undefined })
}

/** Parses the arguments behind `stat`. Prints help and returns null if that was asked for. Throws StatUsageError. */
export function parseStatOptions(
  argv: readonly string[], env: Readonly<Record<string, string | undefined>>,
): StatOptions | null {
  const command = makeCommand(env)
  try {
    command.parse([...argv], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return null
    throw new StatUsageError(complaintOf(error, 'tas stat --help'))
  }
  return { socket: defaultSocket(env), json: false, all: false, connections: false, ...command.opts<Partial<StatOptions>>() }
}
