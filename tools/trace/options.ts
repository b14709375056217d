/** Command line of `tas trace`. */
import { InvalidArgumentError, type Command } from 'commander'
import { TRACE_KINDS, type FlowQuery, type TraceKind } from '../../lib/memif/index.js'
import { defaultSocket, parseCommand, readSeconds, toolCommand, ToolUsageError, type Environment } from '../control/commandline.js'
import { readFlow, readPort } from '../control/flowoption.js'

/** What `tas trace` was asked for. */
export interface TraceOptions {
  readonly socket: string
  readonly json: boolean
  /** File for pcapng; '-' for standard output. */
  readonly pcapng?: string
  readonly kind?: readonly TraceKind[]
  readonly flow?: readonly FlowQuery[]
  readonly port?: number
  /** Ends after so long; without, at ^C. */
  readonly seconds?: number
}

/** Shortest and longest time of tracing in seconds. */
const SECONDS_MIN = 0.1
const SECONDS_MAX = 86_400

function readKinds(text: string): TraceKind[] {
  return text.split(',').map((name) => {
    const kind = TRACE_KINDS.find((known) => known === name)
    if (kind === undefined) throw new InvalidArgumentError(`want some of ${TRACE_KINDS.join(',')}`)
    return kind
  })
}

function readFile(text: string): string {
  if (text !== '') return text
  throw new InvalidArgumentError('want a file, or - for standard output')
}

const NOTES = `
Kinds: rx and tx (headers of frames), message (between slow path and worker), flow (state, handed to a worker, let go), event and bump
(worker to application and back), loss, timer, rate (window and rate decided), sleep (and wake-up). For the user of tas and root.
Tracing is off while no tas trace runs.`

function makeCommand(env: Environment): Command {
  return toolCommand('trace', 'Print what slow path and workers of a running tas do, until ^C.', env)
    .option('--kind <KINDS>', 'these kinds only, as in rx,tx,flow (default: all)', readKinds)
    .option('--flow <FLOW>', 'one connection: ADDR:PORT-ADDR:PORT, or its number in tas state', readFlow)
    .option('--port <PORT>', 'connections with this port on either end', readPort)
    .option('--seconds <SECONDS>', 'end after so long', (text) => readSeconds(text, SECONDS_MIN, SECONDS_MAX))
    .option('--json', 'a line of JSON for each entry')
    .option('--pcapng <FILE>', 'into a file for Wireshark: frames, with all else as their comments; - for standard output', readFile)
    .addHelpText('after', NOTES)
}

/** Parses the arguments behind `trace`. Prints help and returns null if that was asked for. Throws ToolUsageError. */
export function parseTraceOptions(argv: readonly string[], env: Environment): TraceOptions | null {
  const given = parseCommand<TraceOptions>(makeCommand(env), argv)
  if (given === null) return null
  const options = { socket: defaultSocket(env), json: false, ...given }
  if (options.json && options.pcapng !== undefined) throw new ToolUsageError('--json: is for text; leave it or --pcapng out')
  return options
}
