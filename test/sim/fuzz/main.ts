/** `npm run fuzz`: parsers and live connections, until the time is over. */
import { parseArgs } from 'node:util'
import { integerOption, UsageError } from '../seeds/options.js'
import { fuzzSeed } from './run.js'

const HELP = `usage: npm run fuzz -- [options]

Throws malformed, mutated, replayed and forged packets at every parser and at live connections of simulated hosts. Nothing may throw or
leak, and no segment that fails the checks of RFC 9293 and RFC 5961 may change a stream. Needs no privileges. Exit code 0: all clean.

  --minutes M   how long (1)
  --seed S      first seed (1); the next ones follow
  --only        this seed alone
  --json        one line of JSON for each failure and for the sum
  --help        this text

examples:
  npm run fuzz -- --minutes 10 --seed 5000
  npm run fuzz -- --seed 5123 --only           seed 5123 once more
`

interface FuzzOptions { readonly minutes: number; readonly seed: number; readonly only: boolean; readonly json: boolean }

function read(): FuzzOptions | null {
  const parse = () => parseArgs({
    strict: true,
    options: { minutes: { type: 'string' }, seed: { type: 'string' }, only: { type: 'boolean' }, json: { type: 'boolean' }, help: { type: 'boolean' } },
  }).values
  let values
  try {
    values = parse()
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message.split('. ')[0] : String(error))
  }
  if (values.help === true) return null
  const minutes = Number(values.minutes ?? 1)
  if (!(minutes > 0 && minutes < 1e6)) throw new UsageError(`--minutes ${values.minutes}: a number above 0 is wanted`)
  return { minutes, seed: integerOption('seed', values.seed, 1, 0, 2 ** 31 - 1), only: values.only === true, json: values.json === true }
}

async function run({ minutes, seed: first, only, json }: FuzzOptions): Promise<number> {
  const startMs = performance.now()
  const seconds = (): number => (performance.now() - startMs) / 1000
  const failed: number[] = []
  let [seed, frames, saidAt, isStopped] = [first, 0, 0, false]
  process.on('SIGINT', () => {
    isStopped = true
  })
  for (; !isStopped && seconds() < minutes * 60 && !(only && seed > first); seed++) {
    const result = fuzzSeed(seed)
    frames += result.frames
    if (result.failure !== '') {
      failed.push(seed)
      console.log(json ? JSON.stringify({ event: 'failed', ...result }) : `seed ${seed} failed: ${result.failure}\nagain: npm run fuzz -- --seed ${seed} --only`)
    }
    if (!json && seconds() - saidAt >= 1) {
      saidAt = seconds()
      console.error(`fuzz: ${seed + 1 - first} seeds, ${(frames / seconds()).toFixed(0)} frames/s, ${failed.length} failed`)
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
  const sum = { event: 'sum', seeds: seed - first, frames, failed, seconds: seconds() }
  console.log(json ? JSON.stringify(sum) : `${isStopped ? 'stopped: ' : ''}${sum.seeds} seeds from ${first} on, ${frames} frames, ${failed.length} failed, ${sum.seconds.toFixed(1)} s`)
  return failed.length > 0 || isStopped ? 1 : 0
}

try {
  const options = read()
  if (options === null) console.log(HELP)
  else process.exitCode = await run(options)
} catch (error) {
  console.error(`fuzz: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = error instanceof UsageError ? 2 : 1
}
