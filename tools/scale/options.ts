/** Command line of `tas scale`. */
import { Argument, type Command, InvalidArgumentError } from 'commander'
import { WORKERS_MAX } from '../../lib/memif/index.js'
import { defaultSocket, parseCommand, toolCommand, type Environment } from '../control/commandline.js'

/** What `tas scale` was asked for. */
export interface ScaleOptions {
  readonly socket: string
  readonly json: boolean
  /** Workers to use from now on, 0 to leave it to the load; undefined: only show. */
  readonly workers: number | undefined
}

function readWorkers(text: string): number {
  if (text === 'auto') return 0
  const count = /^\d{1,3}$/.test(text) ? Number(text) : 0
  if (count >= 1 && count <= WORKERS_MAX) return count
  throw new InvalidArgumentError(`want a number of workers from 1 to ${WORKERS_MAX}, or auto`)
}

function makeCommand(env: Environment): Command {
  return toolCommand('scale', 'Show the workers of a running tas, or set how many are used; auto leaves that to the load again.', env)
    .usage('[OPTION]... [WORKERS|auto]')
    .addArgument(new Argument('[workers]', `workers to use, 1 to the service's --fp-cores-max, or auto`).argParser(readWorkers))
    .option('--json', 'one line of JSON')
}

/** Parses the arguments behind `scale`. Prints help and returns null if that was asked for. Throws ToolUsageError. */
export function parseScaleOptions(argv: readonly string[], env: Environment): ScaleOptions | null {
  const command = makeCommand(env)
  const given = parseCommand<ScaleOptions>(command, argv)
  const [workers] = command.processedArgs as readonly (number | undefined)[]
  return given && { socket: defaultSocket(env), json: false, ...given, workers }
}
