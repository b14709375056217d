/** The benchmark: `npm run bench`. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { packageRoot, writeBetween, type Cleanup } from '../tools/netlab/index.js'
import { choose } from './choice.js'
import { createBenchLab } from './lab.js'
import type { Measured } from './measure.js'
import { HELP, parseOptions, STEP, STEP_SECONDS, type BenchOptions } from './options.js'
import { runProgram, sayAs, withCleanup } from './program.js'
import { countTargets, emptyRuns, resultRow, type ResultRow, type Results } from './results.js'
import { SCENARIOS, type Scenario } from './rows/index.js'
import { plan, type Turn } from './schedule.js'
import { readSettings } from './settings.js'
import { measureStep } from './steprow.js'
import { readmeTable, terminalTable } from './table.js'
import { measureTurns, type TurnResult } from './turns.js'

const say = sayAs('bench')

function firstFigure({ scenario: { rows: [first] } }: Turn, { sample, reference }: Measured): string {
  return `${first.value(sample, reference).toPrecision(4)} ${first.unit}`
}

/** The rows of `scenarios`, by run, since what is compared is that of the same run. */
function rowsOf(scenarios: readonly Scenario[], results: readonly TurnResult[]): ResultRow[] {
  return scenarios.flatMap(({ rows, name }) => rows.map((row) => {
    const runs = emptyRuns()
    const limits = emptyRuns()
    for (const { turn, measured } of results) {
      if (turn.scenario.name !== name) continue
      runs[turn.server][turn.run] = measured === null ? null : row.value(measured.sample, measured.reference)
      limits[turn.server][turn.run] = measured === null ? null : row.limit?.(measured.sample) ?? null
    }
    return resultRow(row, runs, limits)
  }))
}

async function bench(options: BenchOptions, cleanup: Cleanup): Promise<Results> {
  const { lab, folder } = await createBenchLab('tas-bench', cleanup)
  const settings = await readSettings(lab, options)
  const chosen = choose(SCENARIOS.filter(({ name }) => options.only.includes(name)), options.contenders)
  for (const { what, reason } of chosen.leftOut) say(`left out: ${what}: ${reason}`)
  // First, while the machine is quiet: for a minute after a load everything is slower on some.
  const isWithStep = options.only.includes(STEP) && options.contenders.includes('tas')
  if (isWithStep) say(`the fast-path step alone, about ${options.runs * STEP_SECONDS} s`)
  const stepRows = isWithStep ? await measureStep(options.runs) : []
  const { seconds, warmup, pin, runs } = options
  const turns = plan(chosen.scenarios, chosen.servers, runs, chosen.canTake)
  const { results, failed } = await measureTurns(turns, { lab, cleanup, folder, seconds, warmup, pin }, say, firstFigure)
  return { settings, rows: [...rowsOf(chosen.scenarios, results), ...stepRows], failed, leftOut: chosen.leftOut }
}

async function write(results: Results, options: BenchOptions): Promise<void> {
  if (options.json !== null || !options.quick) {
    const file = options.json ?? join(packageRoot, 'bench', 'results', 'latest.json')
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, `${JSON.stringify(results, null, 2)}\n`)
    say(`wrote ${file}`)
  }
  if (options.readme) await writeBetween('README.md', 'bench', readmeTable(results))
}

async function run(): Promise<number> {
  const options = parseOptions(process.argv.slice(2))
  if (options.help) {
    process.stdout.write(HELP)
    return 0
  }
  const results = await withCleanup(say, (cleanup) => bench(options, cleanup))
  await write(results, options)
  console.log(terminalTable(results))
  const { missed } = countTargets(results.rows)
  if (missed > 0) say(`${missed} targets are NOT met`)
  if (results.failed.length > 0) say(`${results.failed.length} measurements failed`)
  return results.failed.length > 0 ? 1 : 0
}

await runProgram('bench', run)
