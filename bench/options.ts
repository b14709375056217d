/** Command line of the benchmark. */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { BenchUsageError, parseCount } from './program.js'
import { SCENARIOS } from './scenarios.js'

/** What is bound to a CPU: nothing, the client, or the client and the server's processes apart from it. */
export type Pin = 'none' | 'client' | 'both'

export interface BenchOptions {
  readonly runs: number
  /** Measured seconds of each measurement, after `warmup` seconds. */
  readonly seconds: number
  readonly warmup: number
  readonly pin: Pin
  /** Names of scenarios. */
  readonly rows: readonly string[]
  /** File for the results, or null for bench/results/latest.json. */
  readonly json: string | null
  /** A first look: results are written only to a file that is named. */
  readonly quick: boolean
  /** Writes the table into README.md. */
  readonly readme: boolean
  readonly help: boolean
}

const NAMES = SCENARIOS.map(scenario => scenario.name)

export const HELP = `usage: npm run bench -- [options]

Measures the same server on TAS, with TAS embedded, on node:net and on C epoll over the same veth link, one after the other within each
run. Prints a table of medians and writes bench/results/latest.json.

  --quick          1 run of 1 second, for a first look; writes no results unless --json is given
  --runs N         (5)
  --seconds S      measured time of each measurement (4)
  --warmup S       time before it (1)
  --pin none|client|both
                   what is bound to a CPU: the client to the last one (default), and with both the server's
                   processes to the others
  --rows A,B,...   scenarios: ${NAMES.join(', ')} (all)
  --json FILE      where the results go (bench/results/latest.json)
  --readme         write the table into README.md
  --help           this text
`

function parsePin(text: string): Pin {
  if (text !== 'none' && text !== 'client' && text !== 'both') {
    throw new BenchUsageError(`--pin: "${text}": must be none, client or both`)
  }
  if (text === 'both' && availableParallelism() < 2) throw new BenchUsageError('--pin: both needs two CPUs; here is one')
  return text
}

function parseRows(text: string | undefined): string[] {
  if (text === undefined) return NAMES
  const rows = text.split(',')
  const wrong = rows.find(row => !NAMES.includes(row))
  if (wrong !== undefined) throw new BenchUsageError(`--rows: "${wrong}": must be of ${NAMES.join(', ')}`)
  return rows
}

function split(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        quick: { type: 'boolean', default: false }, runs: { type: 'string' }, seconds: { type: 'string' },
        warmup: { type: 'string', default: '1' }, pin: { type: 'string', default: 'client' }, rows: { type: 'string' },
        json: { type: 'string' }, readme: { type: 'boolean', default: false }, help: { type: 'boolean', default: false },
      },
    }).values
  } catch (error) {
    throw new BenchUsageError(error instanceof Error ? error.message.split('. ')[0] : String(error))
  }
}

/** Parses the command line. Throws BenchUsageError naming the option. */
export function parseOptions(argv: readonly string[]): BenchOptions {
  const values = split(argv)
  const runs = parseCount('runs', values.runs ?? (values.quick ? '1' : '5'), 1, 100)
  if (!Number.isInteger(runs)) throw new BenchUsageError(`--runs: "${runs}": must be a whole number`)
  return {
    runs,
    seconds: parseCount('seconds', values.seconds ?? (values.quick ? '1' : '4'), 0.1, 600),
    warmup: parseCount('warmup', values.warmup, 0, 60),
    pin: parsePin(values.pin),
    rows: parseRows(values.rows),
    json: values.json ?? null,
    readme: values.readme,
    quick: values.quick,
    help: values.help,
  }
}
