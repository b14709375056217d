/** The benchmark: `npm run bench`. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { packageRoot, writeBetween, type Cleanup } from '../tools/netlab/index.js'
import { choose, type Choice } from './choice.js'
import { createBenchLab } from './lab.js'
import { measureScenario, type Conditions, type Measured } from './measure.js'
import { HELP, parseOptions, STEP, STEP_SECONDS, type BenchOptions } from './options.js'
import { runProgram, sayAs, withCleanup } from './program.js'
import { countTargets, emptyRuns, resultRow, type Miss, type ResultRow, type Results } from './results.js'
import { SCENARIOS } from './rows/index.js'
import { plan, planSeconds, Progress, turnSeconds, type Turn } from './schedule.js'
import { readSettings } from './settings.js'
import { measureStep } from './steprow.js'
import { readmeTable, terminalTable } from './table.js'

const say = sayAs('bench')

/** Measures and tells. A measurement with errors counts for nothing: figures of a broken run would mislead. */
async function tryTurn({ scenario, server }: Turn, conditions: Conditions, left: string, failed: Miss[]): Promise<Measured | null> {
  const what = `${scenario.name} ${server}`
  try {
    const measured = await measureScenario(scenario, server, conditions)
    const [first] = scenario.rows
    say(`${left}: ${what}: ${first.value(measured.sample, measured.reference).toPrecision(4)} ${first.unit}`)
    return measured
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    say(`${left}: ${what}: not counted: ${reason}`)
    failed.push({ what, reason })
    return null
  }
}

async function measureAll(
  options: BenchOptions, { scenarios, servers, canTake }: Choice, conditions: Conditions, failed: Miss[],
): Promise<ResultRow[]> {
  const turns = plan(scenarios, servers, options.runs, canTake)
  const progress = new Progress(planSeconds(turns, options), performance.now())
  const runs = new Map(scenarios.flatMap(({ rows }) => rows.map((row) => [row, emptyRuns()])))
  for (const turn of turns) {
    if (conditions.cleanup.interrupted) break
    const { scenario, server, run } = turn
    const left = `run ${run + 1} of ${options.runs}, ${progress.left(performance.now())}`
    const measured = await tryTurn(turn, { ...conditions, verifies: run === 0 }, left, failed)
    progress.done(turnSeconds(scenario, options))
    for (const row of scenario.rows) {
      // By run, since what is compared is that of the same run.
      const values = runs.get(row)?.[server]
      if (values !== undefined) values[run] = measured === null ? null : row.value(measured.sample, measured.reference)
    }
  }
  return [...runs].map(([row, values]) => resultRow(row, values))
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
  const failed: Miss[] = []
  const { seconds, warmup, pin } = options
  const rows = await measureAll(options, chosen, { lab, cleanup, folder, seconds, warmup, pin, verifies: false }, failed)
  return { settings, rows: [...rows, ...stepRows], failed, leftOut: chosen.leftOut }
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
