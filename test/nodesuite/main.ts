/** `npm run nodesuite`: the tests of Node's own that open sockets, on plain Node and on TAS. */
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { changeBetween, Cleanup, namespacesRefused } from '../../tools/netlab/index.js'
import { type Grounds, onOwnTas, onService } from './grounds.js'
import { differences, type SuiteRun, tablesOf, tablesText, withTables } from './report.js'
import { type Ground, runTests, type TestResult } from './runner.js'
import { socketTests, versionOf } from './source.js'

const HELP = `usage: npm run nodesuite -- --source FOLDER [options]

Runs the tests of Node's own source that open sockets: on plain Node, and those that pass there on TAS: that of a service, or one of their own.
In both, 127.0.0.1 and localhost are replaced by an address of the kernel or of TAS. FOLDER is the unpacked source of a Node near to the one that
runs this (Debian: apt-get source nodejs).
About 20 min for the 1,250 tests of Node 20 on two CPUs. Another Node: NODE tools/setup/run.mjs nodesuite ...

  --embedded       no service: each test's first process makes a TAS of its own
  --only PATTERN   tests whose name contains it (a regular expression)
  --jobs N         tests at a time (3)
  --limit S        seconds after which a test is killed (20); three times as many when it is run once more
  --json FILE      where results with what was printed go
  --write          write the rows of this Node, on this TAS, into docs/nodesuite.md
  --help           this text
Exit code: 1 if a test passes on plain Node alone and it is not known why (test/nodesuite/departures.ts).
`

const PROGRESS_EVERY = 100
/** How many times the limit a test has that is run once more. */
const RERUN_PATIENCE = 3
const cleanup = new Cleanup()

interface Options {
  readonly suite: string
  readonly embedded: boolean
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
      source: { type: 'string' }, embedded: { type: 'boolean', default: false }, only: { type: 'string' }, jobs: { type: 'string' },
      limit: { type: 'string' }, json: { type: 'string' }, write: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return null
  if (values.source === undefined) throw new Error('--source: needed: the unpacked source of Node')
  if (values.only !== undefined && values.write) throw new Error('--write: needs all tests, not --only')
  const inner = join(values.source, 'test')
  return {
    suite: existsSync(inner) ? inner : values.source, embedded: values.embedded, only: new RegExp(values.only ?? ''),
    jobs: wholeNumber('jobs', values.jobs ?? '3'), limitMs: 1_000 * wholeNumber('limit', values.limit ?? '20'), json: values.json, write: values.write,
  }
}

/** Throws Error once a signal has come: nothing new is begun, and tables of a part are not written. */
function endIfInterrupted(): void {
  if (cleanup.interrupted) throw new Error('interrupted')
}

/**
 * The tests `names` on `ground`, with progress. Those that fail are run once more, alone and with time: what the load has broken is not asked for.
 * One whose threads or processes were refused TAS is not: time would change nothing.
 */
async function runAll(what: string, ground: Ground, names: readonly string[], { jobs, limitMs }: Options): Promise<TestResult[]> {
  endIfInterrupted()
  const tell = (done: number, all: number): void => { if (done % PROGRESS_EVERY === 0) progress(`${what}: ${done} of ${all}`) }
  const results = await runTests(ground, names, { jobs, limitMs, cleanup, progress: tell })
  endIfInterrupted()
  const failed = results.filter(({ outcome }) => outcome !== 'passed' && outcome !== 'skipped')
  const again = failed.filter(({ refused }) => refused.length === 0).map(({ name }) => name)
  if (again.length === 0) return results
  progress(`${what}: once more, one at a time: ${again.length}`)
  const second = new Map((await runTests(ground, again, { jobs: 1, limitMs: RERUN_PATIENCE * limitMs, cleanup, progress: () => undefined })).map((result) => [result.name, result]))
  endIfInterrupted()
  return results.map((result) => second.get(result.name) ?? result)
}

function conditionsOf(suite: string): string {
  return `Node ${process.versions.node}, tests of ${versionOf(suite)}, Linux ${release()}, ${new Date().toISOString()}`
}

async function runSuite(options: Options, grounds: Grounds): Promise<{ plain: TestResult[]; onTas: SuiteRun }> {
  const names = (await socketTests(options.suite)).filter((name) => options.only.test(name))
  const plain = await runAll('plain Node', grounds.plain, names, options)
  const passed = plain.filter(({ outcome }) => outcome === 'passed').map(({ name }) => name)
  progress(`plain Node: ${passed.length} of ${names.length} pass`)
  const results = await runAll(grounds.name, grounds.tas, passed, options)
  return { plain, onTas: { name: grounds.name, results, conditions: conditionsOf(options.suite) } }
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
  const { suite, embedded, jobs } = options
  const grounds = await (embedded ? onOwnTas(suite, folder, jobs, cleanup) : onService(suite, folder, cleanup))
  const { plain, onTas } = await runSuite(options, grounds)
  const tables = tablesOf(onTas)
  console.log(tablesText(tables))
  if (options.json !== undefined) await writeFile(options.json, JSON.stringify({ plain, tas: onTas.results }, null, 1))
  if (options.write) await changeBetween('docs/nodesuite.md', `nodesuite:${process.versions.node.split('.')[0]}`, (before) => withTables(before, tables))
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
