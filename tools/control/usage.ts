/** What the command lines of `tas stat` and `tas scale` have in common. */
import { type CommanderError, InvalidArgumentError } from 'commander'
import { DEFAULT_SOCKET } from '../../lib/memif/index.js'

/** Where the service listens unless --socket says otherwise. */
export function defaultSocket(env: Readonly<Record<string, string | undefined>>): string {
  return env['TAS_SOCKET'] || DEFAULT_SOCKET
}

/** The value of --socket. Throws InvalidArgumentError. */
export function readSocket(text: string): string {
  if (text !== '') return text
  throw new InvalidArgumentError(`want a path, as in ${DEFAULT_SOCKET}`)
}

/** Commander's complaint in the form of the service's: the option first. `help` is the command that shows all. */
export function complaintOf({ code, message }: CommanderError, help: string): string {
  const option = /'(--?[^' =]*)/.exec(message)?.[1] ?? ''
  const ofArgument = /value '(.*)' is invalid for argument '[^']*'\. (.*)/s.exec(message)
  const [, value, wish] = ofArgument ?? /argument '(.*)' is invalid\. (.*)/s.exec(message) ?? []
  switch (code) {
    case 'commander.unknownOption': return `${option}: unknown option; see ${help}`
    case 'commander.optionMissingArgument': return `${option}: value is missing; see ${help}`
    case 'commander.invalidArgument': return option === '' ? `${JSON.stringify(value)}: ${wish}` : `${option}: ${JSON.stringify(value)}: ${wish}`
    case 'commander.excessArguments': return `unexpected argument; see ${help}`
    default: return message.replace(/^error: /, '')
  }
}
