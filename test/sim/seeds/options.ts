/** Command line of `npm run sim`. */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'

export const HELP = `usage: npm run sim -- [options]

Plays whole scenarios under virtual time, each made of nothing but its seed: hosts, links, programs, accidents. Every byte is checked,
every connection must end, and nothing may be left. Needs no privileges. Exit code 0: all clean, 1: some failed, 2: wrong options.

  --seeds N     how many seeds (200)           --first S     the first (1)
  --seed S      this one alone, with its scenario
  --jobs J      processes at work (CPUs less one)
  --pcap FILE   frames of --seed as pcapng     --verbose     a line for each seed
  --json        one line of JSON for each failed seed and one for the sum
  --help        this text

examples:
  npm run sim -- --seeds 5000                  five thousand seeds
  npm run sim -- --seeds 5000 --first 5001     the next five thousand
  npm run sim -- --seed 40                     seed 40 once more, exactly as before
  npm run sim -- --seed 40 --pcap 40.pcapng    the same, with its frames for Wireshark
`

export interface SimOptions {
  readonly first: number
  readonly seeds: number
  readonly jobs: number
  readonly isSingle: boolean
  readonly json: boolean
  readonly verbose: boolean
  readonly pcap: string | null
}

/** What is wrong with the command line. */
export class UsageError extends Error {}

/** An integer option. Throws UsageError. */
export function integerOption(name: string, text: string | undefined, otherwise: number, least: number, most: number): number {
  if (text === undefined) return otherwise
  const value = Number(text)
  if (text.trim() !== '' && Number.isInteger(value) && value >= least && value <= most) return value
  throw new UsageError(`--${name} ${text}: an integer from ${least} to ${most} is wanted`)
}

const SEED_MAX = 2 ** 31 - 1

/** Null if help was asked for. Throws UsageError. */
export function parseOptions(args: readonly string[]): SimOptions | null {
  const values = parse(args)
  if (values.help === true) return null
  const isSingle = values.seed !== undefined
  if (isSingle && (values.seeds !== undefined || values.first !== undefined)) throw new UsageError('--seed goes without --seeds and --first')
  if (values.pcap !== undefined && !isSingle) throw new UsageError('--pcap needs --seed')
  return {
    first: isSingle ? integerOption('seed', values.seed, 1, 0, SEED_MAX) : integerOption('first', values.first, 1, 0, SEED_MAX),
    seeds: isSingle ? 1 : integerOption('seeds', values.seeds, 200, 1, SEED_MAX),
    jobs: integerOption('jobs', values.jobs, Math.max(1, availableParallelism() - 1), 1, 256),
    isSingle, json: values.json === true, verbose: values.verbose === true, pcap: values.pcap ?? null,
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args], allowPositionals: false, strict: true,
      options: {
        seeds: { type: 'string' }, first: { type: 'string' }, seed: { type: 'string' }, jobs: { type: 'string' }, pcap: { type: 'string' },
        json: { type: 'boolean' }, verbose: { type: 'boolean' }, help: { type: 'boolean' },
      },
    }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message.split('. ')[0] : String(error))
  }
}
