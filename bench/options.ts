/** Command line of the benchmark. */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { SERVERS, type ServerName } from './contenders.js'
import { BenchUsageError, parseCount } from './program.js'
import { SCENARIOS } from './rows/index.js'
import { durationText, plan, planSeconds } from './schedule.js'

/** What is bound to a CPU: nothing, the client, or the client and the server's processes apart from it. */
export type Pin = 'none' | 'client' | 'both'

export interface BenchOptions {
  readonly runs: number
  /** Measured seconds of each measurement, after `warmup` seconds. */
  readonly seconds: number
  readonly warmup: number
  readonly pin: Pin
  /** Names of scenarios; `step`: the fast-path step alone. */
  readonly only: readonly string[]
  readonly contenders: readonly ServerName[]
  /** File for the results, or null for bench/results/latest.json. */
  readonly json: string | null
  /** A first look: results are written only to a file that is named. */
  readonly quick: boolean
  /** Writes the table into README.md. */
  readonly readme: boolean
  readonly help: boolean
}

/** The step alone in each run, and two at a time. */
export const STEP_SECONDS = 15
/** The fast-path step alone, in --only. */
export const STEP = 'step'
const NAMES = [STEP, ...SCENARIOS.map((scenario) => scenario.name)]
/** Engines compile what is hot for some seconds, on CPUs that servers and client need: that is not to be measured. */
const DEFAULTS = { runs: 3, seconds: 2, warmup: 3 } as const
const QUICK = { runs: 1, seconds: 1 } as const

/** Of all rows on all servers, with the step alone. */
function totalText({ runs, seconds }: { readonly runs: number; readonly seconds: number }): string {
  return durationText(planSeconds(plan(SCENARIOS, SERVERS, runs), { seconds, warmup: DEFAULTS.warmup }) + runs * STEP_SECONDS)
}

export const HELP = `usage: npm run bench -- [options]

Measures the same server on TAS, with TAS embedded, on node:net, on C epoll and on Bun over the same veth link, and unmodified Node programs
with TAS beneath and without, one after the other within each run. Prints a table of medians, says which targets are met, and writes
bench/results/latest.json. Takes about ${totalText(DEFAULTS)}, with --quick ${totalText(QUICK)}.
Exit code: 1 if measurements failed, whether targets are met or not makes no difference.

  --quick          ${QUICK.runs} run of ${QUICK.seconds} second, for a first look; writes no results unless --json is given
  --runs N         (${DEFAULTS.runs})
  --seconds S      measured time of each measurement (${DEFAULTS.seconds})
  --warmup S       time before it (${DEFAULTS.warmup})
  --pin none|client|both
                   what is bound to a CPU: the client to the last one (default), and with both the server's
                   processes to the others
  --only A,B,...   scenarios (all): ${NAMES.slice(0, 12).join(', ')},
                   ${NAMES.slice(12).join(', ')}
  --contenders A,B,...
                   ${SERVERS.join(', ')} (all); an interposed program counts as tas or tasEmbedded, on plain Node as nodeNet
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

/** Which of `names` the text of `--option` has, in their own order; all without a text. Throws BenchUsageError. */
export function parseNames<Name extends string>(option: string, text: string | undefined, names: readonly Name[]): readonly Name[] {
  if (text === undefined) return names
  const wanted = text.split(',')
  const wrong = wanted.find((name) => !names.some((known) => known === name))
  if (wrong !== undefined) throw new BenchUsageError(`--${option}: "${wrong}": must be of ${names.join(', ')}`)
  return names.filter((name) => wanted.includes(name))
}

function split(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        quick: { type: 'boolean', default: false }, runs: { type: 'string' }, seconds: { type: 'string' },
        warmup: { type: 'string', default: String(DEFAULTS.warmup) }, pin: { type: 'string', default: 'client' },
        only: { type: 'string' }, contenders: { type: 'string' }, json: { type: 'string' }, readme: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values
  } catch (error) {
    throw new BenchUsageError(error instanceof Error ? error.message.split('. ')[0] : String(error))
  }
}

/** Parses the command line. Throws BenchUsageError naming the option. */
export function parseOptions(argv: readonly string[]): BenchOptions {
  const values = split(argv)
  const runs = parseCount('runs', values.runs ?? String(values.quick ? QUICK.runs : DEFAULTS.runs), 1, 100)
  if (!Number.isInteger(runs)) throw new BenchUsageError(`--runs: "${runs}": must be a whole number`)
  return {
    runs,
    seconds: parseCount('seconds', values.seconds ?? String(values.quick ? QUICK.seconds : DEFAULTS.seconds), 0.1, 600),
    warmup: parseCount('warmup', values.warmup, 0, 60),
    pin: parsePin(values.pin),
    only: parseNames('only', values.only, NAMES),
    contenders: parseNames('contenders', values.contenders, SERVERS),
    json: values.json ?? null,
    readme: values.readme,
    quick: values.quick,
    help: values.help,
  }
}
