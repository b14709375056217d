/** Rate, latency and CPU by number of connections, with plots: `npm run bench:sweep`. */
import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { drawSvg } from '../experiments/plots/charts.js'
import { packageRoot, writeBetween, type Cleanup } from '../tools/netlab/index.js'
import { choose, type Choice } from './choice.js'
import { SERVERS, type ServerName } from './contenders.js'
import { createBenchLab } from './lab.js'
import { kibibytesOf } from './memory.js'
import { parseNames } from './options.js'
import { BenchUsageError, parseCount, runProgram, sayAs, withCleanup } from './program.js'
import { missNotes } from './results.js'
import type { Scenario } from './rows/index.js'
import { durationText, plan, planSeconds } from './schedule.js'
import { readSettings, settingsText } from './settings.js'
import { CDF_CONNECTIONS, sweepCharts, sweepPoints, sweepSection, sweepTable, type SweepSample } from './sweepfigures.js'
import { measureTurns } from './turns.js'

const CONNECTIONS: readonly number[] = [1, 4, 16, 64, 256, 1000, 10_000, 50_000]
/** As in rows/crowds.ts: 50,000 connections do not fit with the default. */
const CROWD = { connections: 50_000, bufferBytes: 32_768, needsBytes: 6 * 2 ** 30 } as const
const DEFAULTS = { runs: 3, seconds: 2, warmup: 3 } as const
const say = sayAs('bench:sweep')

function scenarioOf(connections: number): Scenario {
  const histogram = CDF_CONNECTIONS.includes(connections) ? 1 : 0
  return {
    name: `${connections} connections`, servers: SERVERS, rows: [],
    load: { kind: 'native', options: { mode: 'echo', connections, size: 64, histogram, patience: 60 } },
    ...(connections < CROWD.connections ? {} : { bufferBytes: CROWD.bufferBytes }),
  }
}

const SCENARIOS = CONNECTIONS.map(scenarioOf)

const HELP = `usage: npm run bench:sweep -- [options]

Measures 64 byte echo on ${CONNECTIONS.map((each) => each.toLocaleString('en')).join(', ')} connections on each server, and
writes the table and the plots of docs/benchmark.md. Takes about ${durationText(planSeconds(plan(SCENARIOS, SERVERS, DEFAULTS.runs), DEFAULTS))}.

  --quick          1 run of 1 second, for a first look; writes nothing unless --out is given
  --runs N         (${DEFAULTS.runs})
  --seconds S      measured time of each measurement (${DEFAULTS.seconds})
  --warmup S       time before it (${DEFAULTS.warmup})
  --connections A,B,...
                   some of those numbers (all)
  --contenders A,B,...
                   ${SERVERS.join(', ')} (all)
  --out FOLDER     plots and figures go there, and the page stays as it is
  --help           this text
`

interface SweepOptions {
  readonly runs: number
  readonly seconds: number
  readonly warmup: number
  readonly numbers: readonly number[]
  readonly contenders: readonly ServerName[]
  readonly quick: boolean
  readonly out: string | null
}

function readOptions(args: readonly string[]): SweepOptions | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false }, runs: { type: 'string' }, seconds: { type: 'string' },
      warmup: { type: 'string', default: String(DEFAULTS.warmup) }, connections: { type: 'string' }, contenders: { type: 'string' },
      out: { type: 'string' }, help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return null
  const runs = parseCount('runs', values.runs ?? (values.quick ? '1' : String(DEFAULTS.runs)), 1, 100)
  if (!Number.isInteger(runs)) throw new BenchUsageError(`--runs: "${runs}": must be a whole number`)
  return {
    runs, seconds: parseCount('seconds', values.seconds ?? (values.quick ? '1' : String(DEFAULTS.seconds)), 0.1, 600),
    warmup: parseCount('warmup', values.warmup, 0, 60), quick: values.quick, out: values.out ?? null,
    numbers: parseNames('connections', values.connections, CONNECTIONS.map(String)).map(Number),
    contenders: parseNames('contenders', values.contenders, SERVERS),
  }
}

/** Why so many connections are left out, or null. */
function memoryRefused(): string | null {
  const available = kibibytesOf(readFileSync('/proc/meminfo', 'latin1'), 'MemAvailable')
  return available >= CROWD.needsBytes ? null : `${CROWD.needsBytes / 2 ** 30} GiB of memory are wanted, ${(available / 2 ** 30).toFixed(1)} are free`
}

/** What can be measured here. */
function chooseNumbers({ numbers, contenders }: SweepOptions): Choice {
  const reason = numbers.includes(CROWD.connections) ? memoryRefused() : null
  const wanted = numbers.filter((connections) => reason === null || connections < CROWD.connections)
  const choice = choose(wanted.map(scenarioOf), contenders)
  return reason === null ? choice : { ...choice, leftOut: [...choice.leftOut, { what: `${CROWD.connections} connections`, reason }] }
}

function connectionsOf({ load }: Scenario): number {
  return load.kind === 'native' ? load.options.connections ?? 1 : 1
}

interface Sweep {
  readonly samples: readonly SweepSample[]
  readonly notes: readonly string[]
  readonly hasFailed: boolean
}

async function measureAll(options: SweepOptions, cleanup: Cleanup): Promise<Sweep> {
  const { lab, folder } = await createBenchLab('tas-sweep', cleanup)
  const { seconds, warmup, runs } = options
  const settings = await readSettings(lab, { runs, seconds, warmup, pin: 'client' })
  const choice = chooseNumbers(options)
  for (const { what, reason } of choice.leftOut) say(`left out: ${what}: ${reason}`)
  const turns = plan(choice.scenarios, choice.servers, runs, choice.canTake)
  const { results, failed } = await measureTurns(turns, { lab, cleanup, folder, seconds, warmup, pin: 'client' }, say,
    (_turn, { sample }) => `${Math.round(sample.requestsPerSecond)} requests/s`)
  const samples = results.flatMap(({ turn: { scenario, server }, measured }) => {
    return measured === null ? [] : [{ connections: connectionsOf(scenario), server, sample: measured.sample }]
  })
  const notes = [...missNotes({ leftOut: choice.leftOut, failed }), ...settingsText(settings).split('\n')]
  return { samples, notes, hasFailed: failed.length > 0 }
}

async function write({ samples, notes }: Sweep, { out, quick }: SweepOptions): Promise<void> {
  if (out === null && quick) return
  const points = sweepPoints(samples)
  const charts = sweepCharts(points)
  const folder = out ?? join(packageRoot, 'docs', 'bench')
  await mkdir(folder, { recursive: true })
  for (const chart of charts) await writeFile(join(folder, `${chart.name}.svg`), await drawSvg(chart))
  await writeFile(join(folder, 'sweep.json'), `${JSON.stringify({ notes, points: points.map(({ histogram: _, ...point }) => point) }, null, 1)}\n`)
  if (out === null) await writeBetween('docs/benchmark.md', 'bench:sweep', sweepSection(points, charts, notes))
  say(`wrote ${folder}`)
}

await runProgram('bench:sweep', async () => {
  const options = readOptions(process.argv.slice(2))
  if (options === null) {
    process.stdout.write(HELP)
    return 0
  }
  const sweep = await withCleanup(say, (cleanup) => measureAll(options, cleanup))
  await write(sweep, options)
  console.log(sweepTable(sweepPoints(sweep.samples), sweep.notes))
  return sweep.hasFailed ? 1 : 0
})
