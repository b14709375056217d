/** Command line of `tas state`. */
import { InvalidArgumentError, type Command } from 'commander'
import { FLOW_COLUMNS, TCP_STATES, type FlowQuery } from '../../lib/memif/index.js'
import { parseIpv4Address } from '../../lib/wire/index.js'
import { defaultSocket, parseCommand, toolCommand, ToolUsageError, type Environment } from '../control/commandline.js'
import type { ConnectionRow } from '../control/connections.js'

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

/** A whole number of at most `most`. Throws InvalidArgumentError that says `wish`. */
function readInteger(text: string, least: number, most: number, wish: string): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (value >= least && value <= most) return value
  throw new InvalidArgumentError(wish)
}

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

const FLOW_WISH = 'want ADDR:PORT-ADDR:PORT, as in 10.0.0.1:80-10.0.0.2:5000, or the number in the column "id"'

function readEnd(text: string): readonly [number, number] {
  const [, address = '', port = ''] = /^([\d.]+):(\d+)$/.exec(text) ?? []
  const ip = parseIpv4Address(address)
  if (ip === null) throw new InvalidArgumentError(FLOW_WISH)
  return [ip, readInteger(port, 1, 65_535, FLOW_WISH)]
}

/** A flow by both its ends, local or remote first, or by its number. Throws InvalidArgumentError. */
export function readFlow(text: string): readonly FlowQuery[] {
  if (/^\d+$/.test(text)) return [{ flow: readInteger(text, 0, 2 ** 31 - 1, FLOW_WISH) }]
  const ends = text.split('-')
  if (ends.length !== 2) throw new InvalidArgumentError(FLOW_WISH)
  const [[ipA, portA], [ipB, portB]] = ends.map(readEnd)
  return [
    { localIp: ipA, localPort: portA, remoteIp: ipB, remotePort: portB }, { localIp: ipB, localPort: portB, remoteIp: ipA, remotePort: portA },
  ]
}

const NOTES = `
With --state, --port or --pid only the flows that fit are listed. For the user of tas and root; other programs ask their own
connections for connection.info().`

function makeCommand(env: Environment): Command {
  return toolCommand('state', 'Print what a running tas holds: workers, applications, contexts, listeners and flows, or one flow in full.', env)
    .option('--flow <FLOW>', 'one flow with every field: ADDR:PORT-ADDR:PORT, or its number (column "id")', readFlow)
    .option('--state <STATE>', 'flows in this state, as in ESTABLISHED', readState)
    .option('--port <PORT>', 'flows with this port on either end', (text) => readInteger(text, 1, 65_535, 'want a port from 1 to 65535'))
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
