/** From the command line to Options. Pure: looks at nothing but its arguments. */
import { Command, CommanderError, Option } from 'commander'
import { buffersOffset, log2Ceil } from '../lib/memif/index.js'
import { UsageError } from './errors.js'
import { OPTION_KEYS, OPTION_TABLE, SECTIONS, type OptionKey, type OptionRow, type OptionValues } from './optiontable.js'
import { BadValue, formatAddress, grouped, prefixMask, type NicOption } from './optionvalues.js'
import { appRegionShape } from './sizes.js'

/** Checked options of `tas`. Names and units are those of the table. */
export interface Options extends Omit<OptionValues, 'nic' | 'dpdkExtra'> {
  readonly nic: NicOption
  /** What the user should know about how options were read, a line each. */
  readonly notes: readonly string[]
}

/** The environment, as far as options look at it. */
export type OptionEnvironment = Readonly<Record<string, string | undefined>>

/** Longest part of a bad value that a message shows. */
const SHOWN_MAX = 60

/** Anything that a terminal would not just print becomes a question mark. */
function printable(text: string): string {
  const short = text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}...` : text
  return short.replaceAll(/[^\x20-\x7e]/g, '?')
}

function shown(text: string): string {
  return `"${printable(text)}"`
}

/** Reads one value, naming the option in the complaint. */
function readValue<T>(source: string, row: OptionRow<T>, text: string, before: T): T {
  try {
    return row.read(text, before)
  } catch (error) {
    if (error instanceof BadValue) throw new UsageError(`${source}: ${shown(text)}: ${error.message}`)
    throw error
  }
}

function commanderOption(key: OptionKey): Option {
  const row: OptionRow<unknown> = OPTION_TABLE[key] as OptionRow<unknown>
  const unit = row.unit === '' ? '' : `${row.unit}, `
  const standard = row.value === '' ? '' : ` (${unit}default: ${row.defaultText})`
  const option = new Option(`--${row.name}${row.value === '' ? '' : ` <${row.value}>`}`, row.meaning + standard)
  if (row.value !== '') {
    let value = row.initial
    option.argParser((text: string) => (value = readValue(`--${row.name}`, row, text, value)))
  }
  return option.helpGroup(`${row.section}:`)
}

function makeCommand(): Command {
  const command = new Command('tas')
  command.description('TCP acceleration as an operating-system service.')
  command.usage('--ip-addr=ADDR/PREFIXLEN --nic=NAME [OPTION]...\n       tas stat [--socket=PATH] [--json] [--interval=SECONDS]'
    + '\n       tas state [--socket=PATH] [--json] [--flow=FLOW] [--watch]'
    + '\n       tas trace [--socket=PATH] [--json | --pcapng=FILE] [--kind=KINDS] [--flow=FLOW]'
    + '\n       tas scale [--socket=PATH] [--json] [WORKERS|auto]'
    + '\n       tas run [--socket=PATH] [--] COMMAND [ARGUMENT]...'
    + '\n       tas run --nic=NAME --ip-addr=ADDR/PREFIXLEN [OPTION]... [--] COMMAND [ARGUMENT]...')
  for (const section of SECTIONS) {
    for (const key of OPTION_KEYS) if (OPTION_TABLE[key].section === section) command.addOption(commanderOption(key))
  }
  command.helpOption(false)
  command.addOption(new Option('--version', 'Print the version and exit.').helpGroup('Miscellaneous:'))
  command.addOption(new Option('--help', 'Print this and exit.').helpGroup('Miscellaneous:'))
  command.exitOverride().configureOutput({ writeErr: () => undefined, outputError: () => undefined })
  return command
}

/** What `--help` prints, `columns` wide. */
export function helpText(columns: number): string {
  return makeCommand().configureHelp({ helpWidth: columns }).helpInformation()
}

/** 'help' or 'version' if the command line asks for that and no service is to be started, otherwise null. */
export function informationAsked(argv: readonly string[]): 'help' | 'version' | null {
  if (argv.includes('--help') || argv.includes('-h')) return 'help'
  return argv.includes('--version') ? 'version' : null
}

/** Commander's complaint in our form: one line, the option first. */
function complaint(error: CommanderError): string {
  const text = error.message.replace(/^error: /, '')
  const name = /'(--?[^'=]*)/.exec(text)?.[1] ?? ''
  switch (error.code) {
    case 'commander.unknownOption':
      return `${printable(name)}: ${unknownOption(name)}`
    case 'commander.optionMissingArgument':
      return `${/(--[^ ]+)/.exec(name)?.[1]}: value is missing; want ${/<(.*)>/.exec(text)?.[1]}`
    case 'commander.excessArguments':
      return 'unexpected argument: all options start with --; see tas --help'
    default:
      return printable(text)
  }
}

/** The name alone, without its value, is compared with the known ones. */
function unknownOption(name: string): string {
  if (OPTION_KEYS.some((key) => `--${OPTION_TABLE[key].name}` === name)) return 'takes no value'
  const near = thrownBy(() => makeCommand().parse([name], { from: 'user' }))
  const suggestion = /\(Did you mean (.*)\?\)/.exec(near?.message ?? '')?.[1]
  return suggestion === undefined ? 'unknown option; see tas --help' : `unknown option; did you mean ${suggestion}?`
}

function thrownBy(parse: () => unknown): CommanderError | null {
  try {
    parse()
  } catch (error) {
    if (error instanceof CommanderError) return error
    throw error
  }
  return null
}

function parseArguments(argv: readonly string[]): Partial<OptionValues> {
  const command = makeCommand()
  const error = thrownBy(() => command.parse([...argv], { from: 'user' }))
  if (error !== null) throw new UsageError(complaint(error))
  return command.opts<Partial<OptionValues>>()
}

function initialValues(env: OptionEnvironment): OptionValues {
  const values = Object.fromEntries(OPTION_KEYS.map((key) => [key, OPTION_TABLE[key].initial])) as unknown as OptionValues
  const socket = env['TAS_SOCKET']
  if (socket === undefined || socket === '') return values
  return { ...values, socket: readValue('TAS_SOCKET', OPTION_TABLE.socket, socket, '') }
}

/** Rounds up to a power of two and says so. */
function roundedUp(key: OptionKey, value: number, notes: string[]): number {
  const rounded = 2 ** log2Ceil(value)
  if (rounded !== value) {
    notes.push(`--${OPTION_TABLE[key].name}: ${grouped(value)} rounded up to ${grouped(rounded)}, a power of two`)
  }
  return rounded
}

function roundSizes(values: OptionValues, notes: string[]): OptionValues {
  const round = (key: 'tcpRxbufLen' | 'tcpTxbufLen' | 'tcpRxbufMax' | 'tcpTxbufMax' | 'nicRxLen' | 'nicTxLen' | 'appKinLen' | 'appKoutLen'): number =>
    roundedUp(key, values[key], notes)
  return {
    ...values,
    tcpRxbufLen: round('tcpRxbufLen'),
    tcpTxbufLen: round('tcpTxbufLen'),
    tcpRxbufMax: round('tcpRxbufMax'),
    tcpTxbufMax: round('tcpTxbufMax'),
    nicRxLen: round('nicRxLen'),
    nicTxLen: round('nicTxLen'),
    appKinLen: round('appKinLen'),
    appKoutLen: round('appKoutLen'),
  }
}

function checkAddresses({ ipAddr, ipRoute }: OptionValues): void {
  if (ipAddr.length === 0) throw new UsageError('--ip-addr: is missing; want at least one, as in --ip-addr=10.0.0.1/24')
  ipAddr.forEach(({ address }, index) => {
    const twice = ipAddr.findIndex((other) => other.address === address) !== index
    if (twice) throw new UsageError(`--ip-addr: ${formatAddress(address)} is given twice; want each address once`)
  })
  ipRoute.forEach((route, index) => {
    const name = `${formatAddress(route.address)}/${route.prefix}`
    const twice = ipRoute.findIndex((other) => other.address === route.address && other.prefix === route.prefix) !== index
    if (twice) throw new UsageError(`--ip-route: ${name} is given twice; want each destination once`)
    const hop = `--ip-route: next hop ${formatAddress(route.nextHop)} of ${name}`
    if (ipAddr.some(({ address }) => address === route.nextHop)) {
      throw new UsageError(`${hop} is one of our own; want a router's address`)
    }
    const near = ipAddr.some(({ address, prefix }) => ((address ^ route.nextHop) & prefixMask(prefix)) === 0)
    if (!near) throw new UsageError(`${hop} is in no subnet of --ip-addr; want a neighbour`)
  })
}

function checkRelations(values: OptionValues): void {
  if (values.vlan !== 0 && values.fpVlanStrip) {
    throw new UsageError('--fp-vlan-strip: takes frames of all VLANs, --vlan those of one; want one of the two options')
  }
  if (values.fpCpus !== null && values.fpCpus.length !== values.fpCoresMax) {
    throw new UsageError(
      `--fp-cpus: "${values.fpCpus.join(',')}": names ${values.fpCpus.length}; want ${values.fpCoresMax}, as --fp-cores-max says`)
  }
  if (values.arpTimeoutMax < values.arpTimeout) {
    throw new UsageError(
      `--arp-timeout-max: ${values.arpTimeoutMax}: is less than --arp-timeout (${values.arpTimeout}); want at least that`)
  }
  if (values.ccTimelyThigh < values.ccTimelyTlow) {
    throw new UsageError(
      `--cc-timely-thigh: ${values.ccTimelyThigh}: is less than --cc-timely-tlow (${values.ccTimelyTlow}); want at least that`)
  }
  const needBytes = buffersOffset(appRegionShape(values, values.fpCoresMax)) + values.tcpRxbufLen + values.tcpTxbufLen
  if (values.shmLen < needBytes) {
    throw new UsageError(
      `--shm-len: ${values.shmLen}: has no room for rings and one connection's buffers; want at least ${needBytes} bytes`)
  }
}

/** What is accepted and does not act wholly. */
function notesOf(values: OptionValues): string[] {
  if (!values.cc.startsWith('dctcp-') || values.tcpEcn !== 'off') return []
  return [`--cc: ${values.cc} needs ECN, which --tcp-ecn=off forbids: connections are under cubic`]
}

/**
 * Reads the command line (without program name) and TAS_SOCKET of `env`. Throws UsageError with one line that names the
 * option, what was wrong and what would be right.
 */
export function parseOptions(argv: readonly string[], env: OptionEnvironment): Options {
  const given = parseArguments(argv)
  const notes: string[] = []
  const values = roundSizes({ ...initialValues(env), ...given }, notes)
  checkAddresses(values)
  if (values.nic === null) {
    throw new UsageError('--nic: is missing; want the network interface to work on, as in --nic=eth0 or --nic=tap:tas0')
  }
  if (values.kniName === values.nic.name) {
    throw new UsageError(`--kni-name: ${shown(values.kniName)}: is the interface of --nic; want a new name`)
  }
  checkRelations(values)
  notes.push(...notesOf(values))
  return { ...values, nic: values.nic, notes }
}
