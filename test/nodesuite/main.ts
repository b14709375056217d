/** `npm run nodesuite`: the tests of Node's own that open sockets, on plain Node and on TAS. */
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import {
  Cleanup, compiled, createLab, KERNEL_ADDRESS, type Lab, namespacesRefused, startService, TAS_ADDRESS, uniqueName, writeBetween,
} from '../../tools/netlab/index.js'
import { differences, reportTables, type SuiteRun } from './report.js'
import { type Ground, runTests, type TestResult } from './runner.js'
import { copyWithAddress, socketTests, versionOf } from './source.js'

const HELP = `usage: npm run nodesuite -- --source FOLDER [options]

Runs the tests of Node's own source that open sockets: on plain Node, and those that pass there on TAS. In both, 127.0.0.1 and localhost are replaced
by an address of the kernel or of TAS. FOLDER is the unpacked source of a Node near to the one that runs this (Debian: apt-get source nodejs).
About 8 min for the 1,250 tests of Node 20. Another Node: NODE tools/setup/run.mjs nodesuite ...

  --only PATTERN   tests whose name contains it (a regular expression)
  --jobs N         tests at a time (3)
  --limit S        seconds after which a test is killed (20); three times as many when it is run once more
  --json FILE      where results with what was printed go
  --write          write the tables of this Node into docs/nodesuite.md
  --help           this text
Exit code: 1 if a test passes on plain Node alone and it is not known why (test/nodesuite/departures.ts).
`

const INTERPOSE = compiled('lib/interpose/index.js')
const PROGRESS_EVERY = 100
/** How many times the limit a test has that is run once more. */
const RERUN_PATIENCE = 3
const cleanup = new Cleanup()

interface Options {
  readonly suite: string
  readonly only: RegExp
  readonly jobs: number
  readonly limitMs: number
  readonly json: string | undefined
  readonly write: boolean
}

function progress(text: string): void {
  process.stderr.write(`nodesuite: ${text}\n`)
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text)
  if (!(Number.isInteger(value) && value >= 1 && value <= 1_000)) throw new Error(`--${name}: "${text}": must be a whole number from 1 to 1000`)
  return value
}

function readOptions(argv: readonly string[]): Options | null {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      source: { type: 'string' }, only: { type: 'string' }, jobs: { type: 'string' }, limit: { type: 'string' }, json: { type: 'string' },
      write: { type: 'boolean', default: false }, help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return null
  if (values.source === undefined) throw new Error('--source: needed: the unpacked source of Node')
  if (values.only !== undefined && values.write) throw new Error('--write: needs all tests, not --only')
  const inner = join(values.source, 'test')
  return {
    suite: existsSync(inner) ? inner : values.source, only: new RegExp(values.only ?? ''), jobs: wholeNumber('jobs', values.jobs ?? '3'),
    limitMs: 1_000 * wholeNumber('limit', values.limit ?? '20'), json: values.json, write: values.write,
  }
}

/** The tests `names` on `ground`, with progress. Those that fail are run once more, alone and with time: what the load has broken is not asked for. */
async function runAll(what: string, ground: Ground, names: readonly string[], { jobs, limitMs }: Options): Promise<TestResult[]> {
  const tell = (done: number, all: number): void => { if (done % PROGRESS_EVERY === 0) progress(`${what}: ${done} of ${all}`) }
  const results = await runTests(ground, names, { jobs, limitMs, cleanup, progress: tell })
  const again = results.filter(({ outcome }) => outcome !== 'passed' && outcome !== 'skipped').map(({ name }) => name)
  if (cleanup.interrupted || again.length === 0) return results
  progress(`${what}: once more, one at a time: ${again.length}`)
  const second = new Map((await runTests(ground, again, { jobs: 1, limitMs: RERUN_PATIENCE * limitMs, cleanup, progress: () => undefined })).map((result) => [result.name, result]))
  return results.map((result) => second.get(result.name) ?? result)
}

async function runSuite(options: Options, lab: Lab, folder: string): Promise<{ plain: TestResult[]; onTas: SuiteRun }> {
  const names = (await socketTests(options.suite)).filter((name) => options.only.test(name))
  const places = { plain: join(folder, 'plain'), tas: join(folder, 'tas') }
  await copyWithAddress(options.suite, places.plain, KERNEL_ADDRESS)
  await copyWithAddress(options.suite, places.tas, TAS_ADDRESS)
  const service = await startService(lab, { folder })
  const namespace = lab.tas.name
  const plain = await runAll('plain Node', { namespace, folder: places.plain, address: KERNEL_ADDRESS, preloads: [], env: {} }, names, options)
  const passed = plain.filter(({ outcome }) => outcome === 'passed').map(({ name }) => name)
  progress(`plain Node: ${passed.length} of ${names.length} pass`)
  const ground = { namespace, folder: places.tas, address: TAS_ADDRESS, preloads: [INTERPOSE], env: service.env }
  return { plain, onTas: { name: 'the service', results: await runAll('the service', ground, passed, options) } }
}

async function main(argv: readonly string[]): Promise<number> {
  const options = readOptions(argv)
  if (options === null) {
    process.stdout.write(HELP)
    return 0
  }
  const refused = await namespacesRefused()
  if (refused !== null) throw new Error(refused)
  cleanup.onSignals(() => progress('ending'))
  const folder = await mkdtemp(join(tmpdir(), 'tas-nodesuite-'))
  cleanup.add(folder, () => rm(folder, { recursive: true, force: true }))
  const lab = await createLab({ name: uniqueName('tas-nodesuite') }, cleanup)
  const { plain, onTas } = await runSuite(options, lab, folder)
  const conditions = [`Node ${process.versions.node}, tests of ${versionOf(options.suite)}, Linux ${release()}, ${new Date().toISOString()}`]
  const tables = reportTables([onTas], conditions)
  console.log(tables)
  if (options.json !== undefined) await writeFile(options.json, JSON.stringify({ plain, tas: onTas.results }, null, 1))
  if (options.write) await writeBetween('docs/nodesuite.md', `nodesuite:${process.versions.node.split('.')[0]}`, tables)
  const unknown = differences(onTas.results).filter(({ reason }) => reason === null)
  for (const { test } of unknown) progress(`${test.outcome}: ${test.name}`)
  for (const failure of await cleanup.run()) progress(failure)
  return unknown.length === 0 ? 0 : 1
}

main(process.argv.slice(2)).then((code) => process.exit(code), async (error: unknown) => {
  await cleanup.run()
  progress(error instanceof Error ? error.message : String(error))
  process.exit(1)
})
