/** Command line of `tas-linkem`. Pure: looks at nothing but its arguments. */
import { Command, CommanderError, Option } from 'commander'
import {
  type DirectionOptions, DirectionError, directionOptions, ETHERNET_MIN_FRAME_BYTES, ETHERNET_OVERHEAD_BYTES, MTU_MIN,
} from './direction.js'
import {
  readBurstLoss, readBytes, readProbability, readQueue, readRate, readReorder, readSeed, readTime, UnitError,
} from './units.js'

/** Where one side of the link is. */
export interface LinkEnd {
  readonly kind: 'af_packet' | 'tap'
  readonly name: string
}

export interface LinkemOptions {
  readonly a: LinkEnd
  readonly b: LinkEnd
  readonly ab: DirectionOptions
  readonly ba: DirectionOptions
  readonly seed: number
  /** File for packets, or null. */
  readonly capture: string | null
  readonly snapBytes: number
  /** Memory for packets under way. */
  readonly bufferBytes: number
  readonly spinUs: number
  readonly json: boolean
}

/** A command line that makes no sense: one line that names the option. */
export class LinkemUsageError extends Error {}

/** An option of a direction. It exists three times: --NAME for both, --ab-NAME and --ba-NAME for one. */
interface Row {
  readonly name: string
  readonly value: string
  readonly meaning: string
  readonly read: (text: string) => Partial<DirectionOptions>
}

function readOverhead(text: string): Partial<DirectionOptions> {
  if (text === 'ethernet') return { overheadBytes: ETHERNET_OVERHEAD_BYTES, minFrameBytes: ETHERNET_MIN_FRAME_BYTES }
  return { overheadBytes: readBytes(text, 0, 1000), minFrameBytes: 0 }
}

function readSwitch(text: string): boolean {
  if (text !== 'on' && text !== 'off') throw new UnitError('want on or off')
  return text === 'on'
}

const ROWS: readonly Row[] = [
  { name: 'rate', value: 'RATE', meaning: 'bits in a second (default: no limit)', read: (text) => ({ rateKbps: readRate(text) }) },
  { name: 'overhead', value: 'BYTES',
    meaning: 'counted by --rate for each frame beside its own bytes; "ethernet": 24, and 60 at least for a frame (default: 0)',
    read: readOverhead },
  { name: 'delay', value: 'TIME', meaning: 'time on the wire (default: 0)', read: (text) => ({ delayUs: readTime(text) }) },
  { name: 'jitter', value: 'TIME', meaning: 'delay is up to this longer or shorter; order is kept (default: 0)',
    read: (text) => ({ jitterUs: readTime(text) }) },
  { name: 'queue', value: 'LENGTH', meaning: 'packets, or bytes with a unit, that wait before --rate; more are dropped (default: 1000)',
    read: (text) => ({ queue: readQueue(text) }) },
  { name: 'ecn', value: 'LENGTH', meaning: 'mark ECN-capable packets that find this much waiting (default: never)',
    read: (text) => ({ ecn: readQueue(text) }) },
  { name: 'loss', value: 'P', meaning: 'lose packets at random', read: (text) => ({ loss: readProbability(text) }) },
  { name: 'burst-loss', value: 'P,R[,1-H[,1-K]]',
    meaning: 'lose packets in bursts (Gilbert-Elliott): good to bad, bad to good, loss in bad (1), in good (0)',
    read: (text) => ({ burstLoss: readBurstLoss(text) }) },
  { name: 'reorder', value: 'P,TIME', meaning: 'hold packets back by up to TIME, others overtake them', read: readReorder },
  { name: 'duplicate', value: 'P', meaning: 'deliver packets twice', read: (text) => ({ duplicate: readProbability(text) }) },
  { name: 'corrupt', value: 'P', meaning: 'change one bit of IPv4 packets, where a checksum shows it',
    read: (text) => ({ corrupt: readProbability(text) }) },
  { name: 'mtu', value: 'BYTES', meaning: 'drop longer IP packets (default: none)', read: (text) => ({ mtu: readBytes(text, MTU_MIN, 65_535) }) },
  { name: 'icmp', value: 'on|off', meaning: 'answer those with DF with ICMP "fragmentation needed" (default: on)',
    read: (text) => ({ icmp: readSwitch(text) }) },
]

/** Name of the option that sets each setting, for complaints about contradictions. */
const OPTION_OF: Partial<Record<keyof DirectionOptions, string>> = { jitterUs: 'jitter', mtu: 'mtu' }

const EXAMPLES = `
PORT is an interface (af_packet:NAME, or NAME alone), or tap:NAME for a device that is made and goes with the emulator. Each option from
--rate to --icmp holds for both directions; --ab-rate and so on hold from A to B only, --ba-rate from B to A.

Units: kbit mbit gbit; us ms s; B kB MB KiB MiB; a probability is 0.01 or 1%.

Examples:
  tas-linkem --rate=100mbit --delay=10ms --queue=64kB veth-a2 veth-b2     a slow line, 20 ms round trip
  tas-linkem --delay=25ms --ab-loss=1% --seed=7 veth-a2 veth-b2           loss in one direction, the same each time
  tas-linkem --rate=1gbit --overhead=ethernet --ecn=65 veth-a2 veth-b2    a switch for DCTCP
  tas-linkem --burst-loss=0.1%,20% --capture=link.pcapng --json eth1 tap:t0

Ends with SIGINT or SIGTERM and prints counters. Exit code 0; 1: an interface or file cannot be used; 2: wrong usage.
`

/** Longest part of a bad value that a message shows. */
const SHOWN_MAX = 60

function shown(text: string): string {
  const short = text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}...` : text
  return `"${short.replaceAll(/[^\x20-\x7e]/g, '?')}"`
}

/** Reads a value, naming what it was given for in the complaint. */
function read<T>(source: string, text: string, reader: (text: string) => T): T {
  try {
    return reader(text)
  } catch (error) {
    if (error instanceof UnitError) throw new LinkemUsageError(`${source}: ${shown(text)}: ${error.message}`)
    throw error
  }
}

/** Settings as they come up on the command line; what is for one direction wins over what is for both. */
class Gathered {
  both: Partial<DirectionOptions> = {}
  ab: Partial<DirectionOptions> = {}
  ba: Partial<DirectionOptions> = {}

  direction(which: 'ab' | 'ba'): DirectionOptions {
    try {
      return directionOptions({ ...this.both, ...this[which] })
    } catch (error) {
      if (!(error instanceof DirectionError)) throw error
      throw new LinkemUsageError(`--${OPTION_OF[error.option] ?? error.option}: ${error.message.replace(/^[^:]*: /, '')}`)
    }
  }
}

function addDirectionOptions(command: Command, gathered: Gathered): void {
  for (const [prefix, which] of [['', 'both'], ['ab-', 'ab'], ['ba-', 'ba']] as const) {
    for (const row of ROWS) {
      const name = `--${prefix}${row.name}`
      const option = new Option(`${name} <${row.value}>`, row.meaning)
      option.argParser((text: string) => { gathered[which] = { ...gathered[which], ...read(name, text, row.read) } })
      command.addOption(prefix === '' ? option : option.hideHelp())
    }
  }
}

const DEFAULT_SNAP_BYTES = 65_535
const DEFAULT_BUFFER_BYTES = 64 << 20

function makeCommand(gathered: Gathered): Command {
  const command = new Command('tas-linkem')
    .usage('[OPTION]... PORT_A PORT_B')
    .description('Joins two interfaces by an emulated link: rate, delay, queue, loss and other faults, the same for the same seed.')
    .argument('[ports...]')
  addDirectionOptions(command, gathered)
  const reading = <T>(name: string, reader: (text: string) => T) => (text: string): T => read(name, text, reader)
  return command
    .option('--seed <N>', 'everything random follows from it (default: 1)', reading('--seed', readSeed))
    .option('--capture <FILE>', 'write all packets of both sides, with their fate, to a pcapng file')
    .option('--snaplen <BYTES>', 'bytes of each packet that are written (default: all)',
      reading('--snaplen', (text) => readBytes(text, 1, DEFAULT_SNAP_BYTES)))
    .option('--buffer <BYTES>', 'memory for packets under way (default: 64MiB)', reading('--buffer', (text) => readBytes(text, 1 << 20, 4e9)))
    .option('--spin <TIME>', 'look at the clock for so long before each departure: exact, but costs CPU time (default: 0)',
      reading('--spin', readTime))
    .option('--json', 'print what there is to say as lines of JSON')
    .helpOption('-h, --help', 'print this and exit')
    .helpCommand(false)
    .addHelpText('after', EXAMPLES)
    .exitOverride()
    .configureOutput({ outputError: () => undefined, writeErr: () => undefined })
}

/** Commander's complaint in our form: one line, the option first. */
function complaint({ code, message }: CommanderError): string {
  const option = /'(--?[^' =]*)/.exec(message)?.[1] ?? ''
  if (code === 'commander.unknownOption') return `${shown(option).slice(1, -1)}: unknown option; see tas-linkem --help`
  if (code === 'commander.optionMissingArgument') return `${option}: value is missing; see tas-linkem --help`
  return message.replace(/^error: /, '')
}

function readEnd(text: string): LinkEnd {
  const [, kind = 'af_packet', name] = /^(?:(af_packet|tap):)?([^\s/:]{1,15})$/.exec(text) ?? []
  if (name === undefined) throw new UnitError('want an interface name of up to 15 characters, or tap:NAME')
  return { kind: kind === 'tap' ? 'tap' : 'af_packet', name }
}

interface Plain {
  readonly seed?: number
  readonly capture?: string
  readonly snaplen?: number
  readonly buffer?: number
  readonly spin?: number
  readonly json?: boolean
}

/** Parses the arguments. Prints help and returns null if that was asked for. Throws LinkemUsageError. */
export function parseOptions(argv: readonly string[]): LinkemOptions | null {
  const gathered = new Gathered()
  const command = makeCommand(gathered)
  try {
    command.parse([...argv], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return null
    throw new LinkemUsageError(complaint(error))
  }
  const ends = command.args.map((text) => read('PORT', text, readEnd))
  if (ends.length !== 2) throw new LinkemUsageError(`${ends.length} ports: want two; see tas-linkem --help`)
  if (ends[0].name === ends[1].name) throw new LinkemUsageError(`PORT: "${ends[0].name}": the two sides must differ`)
  const plain = command.opts<Plain>()
  if (plain.capture === '') throw new LinkemUsageError('--capture: "": want a file name')
  return {
    a: ends[0], b: ends[1], ab: gathered.direction('ab'), ba: gathered.direction('ba'), seed: plain.seed ?? 1, capture: plain.capture ?? null,
    snapBytes: plain.snaplen ?? DEFAULT_SNAP_BYTES, bufferBytes: plain.buffer ?? DEFAULT_BUFFER_BYTES, spinUs: plain.spin ?? 0,
    json: plain.json ?? false,
  }
}
