/** The command line of `npm run experiments`. */
import { parseArgs } from 'node:util'
import { BenchUsageError, parseCount } from '../bench/program.js'
import type { Experiment } from './report/experiment.js'

export interface Options {
  readonly quick: boolean
  readonly json: boolean
  readonly seed: number
  readonly out: string | null
  readonly chosen: readonly Experiment[]
}

export const HELP = `usage: npm run experiments -- [options]

Whole TAS hosts behind simulated switches, under virtual time, and TAS beside Linux on an emulated link: the experiments of
docs/experiments. A full run takes some minutes for each and writes plots, numbers and tables into docs/experiments.

  --only LIST    numbers or names, such as 1,3 or dctcp   (all)      --quick       a few seconds each; writes nothing unless --out says where
  --seed N       (1)                                                 --out FOLDER  plots, numbers, and tables where pages with marks are
  --json         print the numbers as JSON                           --help        this text
`

function choose(list: string, all: readonly Experiment[]): Experiment[] {
  return list.split(',').flatMap((wanted) => {
    const found = all.filter(({ name, number }) => name === wanted || String(number) === wanted)
    if (found.length > 0) return found
    throw new BenchUsageError(`--only: "${wanted}": want ${all.map(({ name, number }) => `${number} (${name})`).join(', ')}`)
  })
}

/** Reads the command line; null: help is wanted. Throws BenchUsageError naming the option. */
export function readOptions(args: readonly string[], all: readonly Experiment[]): Options | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' }, seed: { type: 'string', default: '1' }, quick: { type: 'boolean', default: false }, out: { type: 'string' },
      json: { type: 'boolean', default: false }, help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return null
  return {
    quick: values.quick, json: values.json, seed: parseCount('seed', values.seed, 0, 0xffffffff),
    out: values.out ?? (values.quick ? null : 'docs/experiments'), chosen: values.only === undefined ? all : choose(values.only, all),
  }
}
