/** The benchmark: `npm run bench`. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import {
  createLab, loadFailure, measure, nativeProgram, packageRoot, startProcess, uniqueName, writeBetween, type Cleanup, type LoadOptions,
  type Measurement, type Process,
} from '../tools/netlab/index.js'
import { startContender, type ContenderOptions } from './contenders.js'
import { HELP, parseOptions, type BenchOptions } from './options.js'
import { runProgram, sayAs, withCleanup } from './program.js'
import { resultRow, SERVERS, type ResultRow, type Results, type ServerName } from './results.js'
import { SCENARIOS, type Scenario } from './scenarios.js'
import { readSettings } from './settings.js'
import { measureStep } from './steprow.js'
import { readmeTable, terminalTable } from './table.js'

/** By run; null: not counted. */
type Measured = Record<ServerName, (Measurement | null)[]>

const say = sayAs('bench')

async function startHog(cleanup: Cleanup): Promise<Process> {
  const hog = startProcess('cpu_hog', { command: nativeProgram('cpu_hog') }, cleanup)
  await hog.line(/ready/)
  return hog
}

function loadOf(scenario: Scenario, options: BenchOptions, address: string): LoadOptions {
  return {
    ...scenario.load, address, warmup: options.warmup,
    seconds: Math.max(options.seconds, scenario.minSeconds ?? 0),
    ...(options.pin === 'none' ? {} : { cpu: availableParallelism() - 1 }),
  }
}

/** One measurement with a fresh server. */
async function measureOnce(
  scenario: Scenario, server: ServerName, options: BenchOptions, context: ContenderOptions,
): Promise<Measurement> {
  const contender = await startContender(server, context)
  const hog = scenario.hog === true ? await startHog(context.cleanup) : null
  try {
    return await measure(context.lab.peer, loadOf(scenario, options, contender.address), contender.pids)
  } finally {
    await hog?.stop()
    await contender.stop()
  }
}

/** Measures and tells. A measurement with errors counts for nothing: figures of a broken run would mislead. */
async function tryMeasure(
  scenario: Scenario, server: ServerName, options: BenchOptions, context: ContenderOptions,
): Promise<Measurement | null> {
  try {
    const measurement = await measureOnce(scenario, server, options, context)
    const failure = loadFailure(measurement.load)
    const first = scenario.rows[0]
    if (failure === null) say(`${scenario.name} ${server}: ${first.value(measurement).toPrecision(4)} ${first.unit}`)
    else say(`${scenario.name} ${server}: not counted: ${failure}`)
    return failure === null ? measurement : null
  } catch (error) {
    say(`${scenario.name} ${server}: not counted: ${error instanceof Error ? error.message : String(error)}`)
    return null
  }
}

/** Machines drift for tens of seconds, so what is compared is measured one right after the other. */
async function measureAll(options: BenchOptions, context: ContenderOptions): Promise<ResultRow[]> {
  const chosen = SCENARIOS.filter(scenario => options.rows.includes(scenario.name))
  const measured = new Map(chosen.map(scenario => [scenario, { tas: [], tasEmbedded: [], nodeNet: [], cEpoll: [] } as Measured]))
  for (let run = 0; run < options.runs; run++) {
    say(`run ${run + 1} of ${options.runs}`)
    for (const [scenario, into] of measured) {
      // The order turns with each run, so that no server always comes first.
      for (let i = 0; i < SERVERS.length && !context.cleanup.interrupted; i++) {
        const server = SERVERS[(i + run) % SERVERS.length]
        into[server].push(await tryMeasure(scenario, server, options, context))
      }
    }
  }
  return [...measured].flatMap(([scenario, servers]) => scenario.rows.map((row) => {
    const valueOf = (measurement: Measurement | null): number | null => (measurement === null ? null : row.value(measurement))
    const { tas, tasEmbedded, nodeNet, cEpoll } = servers
    return resultRow(row, {
      tas: tas.map(valueOf), tasEmbedded: tasEmbedded.map(valueOf), nodeNet: nodeNet.map(valueOf), cEpoll: cEpoll.map(valueOf),
    })
  }))
}

async function bench(options: BenchOptions, cleanup: Cleanup): Promise<Results> {
  const folder = await mkdtemp(join(tmpdir(), 'tas-bench-'))
  cleanup.add(folder, () => rm(folder, { recursive: true, force: true }))
  const lab = await createLab({ name: uniqueName('tas-bench') }, cleanup)
  // Thousands of connections a second need more ports than 60 s of TIME-WAIT leave.
  await lab.peer.sysctl('net.ipv4.tcp_tw_reuse', 1)
  await lab.peer.sysctl('net.ipv4.ip_local_port_range', '10000 65535')
  await lab.tas.sysctl('net.core.somaxconn', 4096)
  const settings = await readSettings(lab, options)
  // First, while the machine is quiet: for a minute after a load everything is slower on some.
  say('the fast-path step alone')
  const stepRows = await measureStep(options.runs)
  const rows = await measureAll(options, { lab, cleanup, folder, pinned: options.pin === 'both' })
  return { settings, rows: [...rows, ...stepRows] }
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
  return results.rows.some(row => row.tas === null) ? 1 : 0
}

await runProgram('bench', run)
