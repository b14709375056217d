/** Command line of `tas state`. */
import { InvalidArgumentError, type Command } from 'commander'
import { FLOW_COLUMNS, TCP_STATES, type FlowQuery } from '../../lib/memif/index.js'
import { defaultSocket, parseCommand, toolCommand, ToolUsageError, type Environment } from '../control/commandline.js'
import type { ConnectionRow } from '../control/connections.js'
import { readFlow, readInteger, readPort } from '../control/flowoption.js'

/** Which flows are wanted. */
export interface FlowFilter {
  readonly state?: string
  /** Local or remote port. */
  readonly port?: number
  /** Process id of the application. */
  readonly pid?: number
}

export type SortKey = keyof ConnectionRow

/** What `tas state` was asked for. */
export interface StateOptions extends FlowFilter {
  readonly socket: string
  readonly json: boolean
  /** Again each second. */
  readonly watch: boolean
  /** One flow in full, in place of the lists; of a connection both ways round. */
  readonly flow?: readonly FlowQuery[]
  readonly sort?: SortKey
}

const SORT_KEYS: readonly SortKey[] = [
  'state', 'local', 'remote', 'pid', 'name',
  ...FLOW_COLUMNS.filter((name): name is Exclude<typeof name, 'state' | 'localIp' | 'localPort' | 'remoteIp' | 'remotePort'> =>
    !['state', 'localIp', 'localPort', 'remoteIp', 'remotePort'].includes(name)),
]

function readState(text: string): string {
  const wanted = text.toUpperCase()
  if (TCP_STATES.some((state) => state === wanted)) return wanted
  throw new InvalidArgumentError(`want one of ${TCP_STATES.join(', ')}`)
}

function readSort(text: string): SortKey {
  const key = SORT_KEYS.find((known) => known === text)
  if (key === undefined) throw new InvalidArgumentError(`want one of ${SORT_KEYS.join(', ')}`)
  return key
}

const NOTES = `
With --state, --port or --pid only the flows that fit are listed. For the user of tas and root; other programs ask their own
connections for connection.info().`

function makeCommand(env: Environment): Command {
  return toolCommand('state', 'Print what a running tas holds: workers, applications, contexts, listeners and flows, or one flow in full.', env)
    .option('--flow <FLOW>', 'one flow with every field: ADDR:PORT-ADDR:PORT, or its number (column "id")', readFlow)
    .option('--state <STATE>', 'flows in this state, as in ESTABLISHED', readState)
    .option('--port <PORT>', 'flows with this port on either end', readPort)
    .option('--pid <PID>', 'flows of this process', (text) => readInteger(text, 1, 2 ** 31 - 1, 'want a process id'))
    .option('--sort <NAME>', 'sort flows by this value of --json: numbers from the largest, texts from A', readSort)
    .option('--json', 'one line of JSON with every value')
    .option('--watch', 'again each second, until ^C')
    .addHelpText('after', NOTES)
}

/** Parses the arguments behind `state`. Prints help and returns null if that was asked for. Throws ToolUsageError. */
export function parseStateOptions(argv: readonly string[], env: Environment): StateOptions | null {
  const given = parseCommand<StateOptions>(makeCommand(env), argv)
  if (given === null) return null
  const options = { socket: defaultSocket(env), json: false, watch: false, ...given }
  const others = (['state', 'port', 'pid', 'sort'] as const).filter((name) => options[name] !== undefined)
  if (options.flow !== undefined && others.length > 0) {
    throw new ToolUsageError(`--${others[0]}: is for lists of flows; leave it or --flow out`)
  }
  return options
}
