/** Runs tests of Node's own, some at a time, and says how each ended. */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Cleanup, compiled, run, until } from '../../tools/netlab/index.js'
import { flagsOf } from './source.js'

/** How a test ended; `timeout`: it had to be killed. */
export type Outcome = 'passed' | 'skipped' | 'failed' | 'timeout' | `signal ${string}`

export interface TestResult {
  readonly name: string
  readonly outcome: Outcome
  /** What it printed, if it did not pass. */
  readonly output: string
  /** Threads and processes of it that were refused a TAS of the program's own: what each was told (refusals.ts). */
  readonly refused: readonly string[]
}

/** Where tests run. */
export interface Ground {
  /** Of each job; one of them if all share it. */
  readonly namespaces: readonly string[]
  /** Whether nothing but the job's test runs in its namespace. */
  readonly isAlone: boolean
  /** A copy of the tests (copyWithAddress). */
  readonly folder: string
  readonly address: string
  /** Preloaded besides: what puts a program on TAS. */
  readonly preloads: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

const KEPT_CHARS = 20_000
const FIRST_PORT = 12_346
const PORTS_EACH = 100
const LOCALHOST = compiled('test/nodesuite/localhost.js')

/** Tests of `sequential` use a port of their own, which others must not: here some run at a time, so each job has another. */
function portsOf(name: string, job: number): Record<string, string> {
  return name.startsWith('sequential/') ? { NODE_COMMON_PORT: String(FIRST_PORT + job * PORTS_EACH) } : { TEST_PARALLEL: '1' }
}

/** What was told, by line; nothing if nobody was refused. */
async function readRefusals(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8').catch(() => '')
  await rm(file, { force: true })
  return text.split('\n').filter((line) => line !== '')
}

/** Ends what is left in a job's own namespace: a process outside the test's group would keep the address from the next test. */
async function empty(namespace: string): Promise<void> {
  await until(`nothing runs in ${namespace}`, async () => {
    const pids = (await run('ip', ['netns', 'pids', namespace])).split('\n').filter((line) => line !== '')
    for (const pid of pids) kill(Number(pid))
    return pids.length === 0
  })
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}

/** Runs one test to its end, or kills it and whatever it started after `limitMs`. */
async function runTest(ground: Ground, name: string, job: number, temporary: string, limitMs: number, cleanup: Cleanup): Promise<TestResult> {
  const file = join(ground.folder, name)
  const flags = flagsOf(await readFile(file, 'utf8'))
  const refusals = join(temporary, `refusals-${job}`)
  const namespace = ground.namespaces[job] ?? ground.namespaces[0]
  const preload = [LOCALHOST, ...ground.preloads].map((path) => `--require=${path}`).join(' ')
  const env: Record<string, string | undefined> = {
    ...process.env, ...ground.env, SUITE_ADDRESS: ground.address, NODE_OPTIONS: preload, NODE_TEST_DIR: temporary, TEST_THREAD_ID: String(job),
    TEST_SERIAL_ID: String(job), ...portsOf(name, job), CI: undefined, SUITE_REFUSALS: refusals,
  }
  // A process group of its own: tests leave children behind.
  const child = spawn('ip', ['netns', 'exec', namespace, process.execPath, ...flags, file], {
    cwd: ground.folder, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'],
  })
  const killAll = (): void => { if (child.pid !== undefined) kill(-child.pid) }
  const forget = cleanup.add(name, killAll)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes: Buffer) => { if (output.length < KEPT_CHARS) output += bytes.toString() })
  }
  let isLate = false
  const timer = setTimeout(() => { isLate = true; killAll() }, limitMs)
  const { code, signal } = await new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
    child.on('exit', (exitCode, exitSignal) => resolve({ code: exitCode, signal: exitSignal }))
    child.on('error', reject)
  })
  clearTimeout(timer)
  killAll()
  forget()
  if (ground.isAlone) await empty(namespace)
  return { name, outcome: outcomeOf(code, signal, isLate, output), output, refused: await readRefusals(refusals) }
}

function outcomeOf(code: number | null, signal: string | null, isLate: boolean, output: string): Outcome {
  if (isLate) return 'timeout'
  if (signal !== null) return `signal ${signal}`
  if (code !== 0) return 'failed'
  return /^1\.\.0 # Skipped/m.test(output) ? 'skipped' : 'passed'
}

export interface RunOptions {
  readonly jobs: number
  readonly limitMs: number
  readonly cleanup: Cleanup
  readonly progress: (done: number, all: number) => void
}

/** Runs `names`, `jobs` at a time. The results come in the order of the names. Stops early when `cleanup` is interrupted. */
export async function runTests(ground: Ground, names: readonly string[], options: RunOptions): Promise<TestResult[]> {
  const { jobs, limitMs, cleanup, progress } = options
  const results: TestResult[] = []
  const temporary = await mkdtemp(join(tmpdir(), 'tas-nodesuite-tmp-'))
  const forget = cleanup.add(temporary, () => rm(temporary, { recursive: true, force: true }))
  let next = 0
  let done = 0
  const work = async (job: number): Promise<void> => {
    while (next < names.length && !cleanup.interrupted) {
      const at = next++
      results[at] = await runTest(ground, names[at], job, temporary, limitMs, cleanup)
      progress(++done, names.length)
    }
  }
  await Promise.all(Array.from({ length: jobs }, (_, job) => work(job)))
  await rm(temporary, { recursive: true, force: true })
  forget()
  return results
}
