/** Command line of `tas stat`. */
import type { Command } from 'commander'
import { defaultSocket, parseCommand, readSeconds, toolCommand, type Environment } from '../control/commandline.js'

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

/** Shortest and longest interval in seconds. */
const INTERVAL_MIN = 0.1
const INTERVAL_MAX = 86_400

function makeCommand(env: Environment): Command {
  return toolCommand('stat', 'Print the counters of a running tas: once, or every so many seconds with rates.', env)
    .option('--interval <SECONDS>', 'sample again every so many seconds, and print rates', (text) => readSeconds(text, INTERVAL_MIN, INTERVAL_MAX))
    .option('--json', 'one line of JSON for each sample')
    .option('--all', 'also counters that are zero')
    .option('--connections', 'every connection in place of the counters; for the user of tas and root')
}

/** Parses the arguments behind `stat`. Prints help and returns null if that was asked for. Throws ToolUsageError. */
export function parseStatOptions(argv: readonly string[], env: Environment): StatOptions | null {
  const given = parseCommand<StatOptions>(makeCommand(env), argv)
  return given && { socket: defaultSocket(env), json: false, all: false, connections: false, ...given }
}
