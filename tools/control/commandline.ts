/** What the command lines of `tas stat`, `tas scale`, `tas state` and `tas trace` have in common. */
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { DEFAULT_SOCKET } from '../../lib/memif/index.js'

/** The environment of a process. */
export type Environment = Readonly<Record<string, string | undefined>>

/** A command line that makes no sense: one line that names the option. */
export class ToolUsageError extends Error {}

/** The service's socket unless --socket names another. */
export function defaultSocket(env: Environment): string {
  return env['TAS_SOCKET'] || DEFAULT_SOCKET
}

function readSocket(text: string): string {
  if (text !== '') return text
  throw new InvalidArgumentError(`want a path, as in ${DEFAULT_SOCKET}`)
}

/** A number of seconds from `least` to `most`, as the value of an option. Throws InvalidArgumentError. */
export function readSeconds(text: string, least: number, most: number): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
  if (seconds >= least && seconds <= most) return seconds
  throw new InvalidArgumentError(`want seconds from ${least} to ${most}, as in 1`)
}

/** The command `tas NAME` with --socket and --help; its own options are to be added. */
export function toolCommand(name: string, description: string, env: Environment): Command {
  return new Command(`tas ${name}`)
    .usage('[OPTION]...')
    .description(description)
    .option('--socket <PATH>', `socket of the service (default: ${defaultSocket(env)})`, readSocket)
    .helpOption('-h, --help', 'print this and exit')
    .exitOverride()
    .configureOutput({ outputError: () => undefined, writeErr: () => undefined })
}

/** Commander's complaint in the form of the service's: the option first. */
function complaint(name: string, { code, message }: CommanderError): string {
  const option = /'(--?[^' =]*)/.exec(message)?.[1] ?? ''
  // Of an argument of its own, or of an option's.
  const [, value, wish] = /value '(.*)' is invalid for argument '[^']*'\. (.*)/s.exec(message)
    ?? /argument '(.*)' is invalid\. (.*)/s.exec(message) ?? []
  switch (code) {
    case 'commander.unknownOption': return `${option}: unknown option; see ${name} --help`
    case 'commander.optionMissingArgument': return `${option}: value is missing; see ${name} --help`
    case 'commander.invalidArgument': return `${option === '' ? '' : `${option}: `}${JSON.stringify(value)}: ${wish}`
    case 'commander.excessArguments': return `unexpected argument; see ${name} --help`
    default: return message.replace(/^error: /, '')
  }
}

/** The options that were given. Prints help and returns null if that was asked for. Throws ToolUsageError. */
export function parseCommand<Options extends object>(command: Command, argv: readonly string[]): Partial<Options> | null {
  try {
    command.parse([...argv], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return null
    throw new ToolUsageError(complaint(command.name(), error))
  }
  return command.opts<Partial<Options>>()
}
