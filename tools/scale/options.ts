/** Command line of `tas scale`. */
import { Argument, Command, CommanderError, InvalidArgumentError } from 'commander'
import { WORKERS_MAX } from '../../lib/memif/index.js'
import { complaintOf, defaultSocket, readSocket } from '../control/usage.js'

/** What `tas scale` was asked for. */
export interface ScaleOptions {
  readonly socket: string
  readonly json: boolean
  /** Workers to use from now on, 0 to leave it to the load; undefined: only show. */
  readonly workers: number | undefined
}

/** A command line that makes no sense: one line that names what is wrong. */
export class ScaleUsageError extends Error {}

function readWorkers(text: string): number {
  if (text === 'auto') return 0
  const count = /^\d{1,3}$/.test(text) ? Number(text) : 0
  if (count >= 1 && count <= WORKERS_MAX) return count
  throw new InvalidArgumentError(`want a number of workers from 1 to ${WORKERS_MAX}, or auto`)
}

function makeCommand(socket: string): Command {
  return new Command('tas scale')
    .usage('[OPTION]... [WORKERS|auto]')
    .description('Show the workers of a running tas, or set how many are used; auto leaves that to the load again.')
    .addArgument(new Argument('[workers]', `workers to use, 1 to the service's --fp-cores-max, or auto`).argParser(readWorkers))
    .option('--socket <PATH>', `socket of the service (default: ${socket})`, readSocket)
    .option('--json', 'one line of JSON')
    .helpOption('-h, --help', 'print this and exit')
    .exitOverride()
    .configureOutput({ outputError: () => undefined, writeErr: () => undefined })
}

/** Parses the arguments behind `scale`. Prints help and returns null if that was asked for. Throws ScaleUsageError. */
export function parseScaleOptions(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): ScaleOptions | null {
  const socket = defaultSocket(env)
  const command = makeCommand(socket)
  try {
    command.parse([...argv], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return null
    throw new ScaleUsageError(complaintOf(error, 'tas scale --help'))
  }
  const [workers] = command.processedArgs as readonly (number | undefined)[]
  return { socket, json: false, ...command.opts<Partial<ScaleOptions>>(), workers }
}
