/** The demonstration: `npm run demo`. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Cleanup, createLab, pause, uniqueName } from '../netlab/index.js'
import type { Demo, Step } from './demo.js'
import { isPrivate, keepText } from './keep.js'
import { DemoUsageError, HELP, parseOptions, type DemoOptions } from './options.js'
import { Progress } from './progress.js'
import { startServers } from './servers.js'
import { benchmark } from './steps/benchmark.js'
import { tenThousand, thousand } from './steps/connections.js'
import { fetchFromLinux } from './steps/fetch.js'
import { download, page, upload } from './steps/http.js'
import { ping } from './steps/ping.js'
import { writeTestFile } from './testfile.js'

const FILE_MEBIBYTES = 256
const STEPS: readonly Step[] = [ping, page, download, upload, fetchFromLinux, thousand, tenThousand, benchmark]
/** Making the link and starting tas are steps too. */
const STEPS_BEFORE = 2

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Runs `work` as a step that is shown. Throws what it throws. */
async function show<T>(
  progress: Progress, title: string, work: () => Promise<T>, tell: (value: T) => string,
): Promise<T> {
  progress.begin(title)
  try {
    const value = await work()
    progress.done(tell(value))
    return value
  } catch (error) {
    progress.failed(messageOf(error))
    throw error
  }
}

async function setUp(progress: Progress, cleanup: Cleanup, embedded: boolean): Promise<Demo> {
  const folder = await mkdtemp(join(tmpdir(), 'tas-demo-'))
  cleanup.add(folder, () => rm(folder, { recursive: true, force: true }))
  const { lab, file } = await show(progress, 'two network namespaces joined by a veth pair', async () => ({
    lab: await createLab({ name: uniqueName('tas-demo') }, cleanup),
    file: await writeTestFile(join(folder, 'random'), FILE_MEBIBYTES),
  }), made => `${made.lab.tas.name}, ${made.lab.peer.name}; ${FILE_MEBIBYTES} MiB of random bytes to send`)
  const title = embedded ? 'HTTP and echo servers, each with a TAS of its own' : 'tas with default options, HTTP and echo servers on it'
  const servers = await show(progress, title,
    () => startServers({ lab, cleanup, folder, file, detached: false, embedded }),
    ({ service, http, echo }) => `ready, ${service === null ? `processes ${http.pid} and ${echo.pid}` : `process ${service.process.pid}`}`)
  return { cleanup, lab, folder, file, ...servers }
}

/** Runs every step, also after one that failed. Returns how many failed. */
async function runSteps(progress: Progress, demo: Demo): Promise<number> {
  let failures = 0
  for (const step of STEPS) {
    if (demo.cleanup.interrupted) break
    await show(progress, step.title, () => step.run(demo, progress.update), result => result).catch(() => { failures++ })
  }
  return failures
}

/** Starts tas again, on its own feet, and leaves everything. In a user namespace of our own it lasts until a signal. */
async function keep(progress: Progress, demo: Demo): Promise<void> {
  for (const running of [demo.http, demo.echo, demo.service?.process]) await running?.stop()
  Object.assign(demo, await startServers({ ...demo, detached: !isPrivate, embedded: demo.service === null }))
  progress.print(keepText(demo))
  if (!isPrivate) demo.cleanup.keepAll()
  else await untilSignal()
}

/** The signal handler ends the process. */
async function untilSignal(): Promise<never> {
  for (;;) await pause(60_000)
}

async function demonstrate(progress: Progress, cleanup: Cleanup, { keep: keeps, embedded }: DemoOptions): Promise<number> {
  const demo = await setUp(progress, cleanup, embedded).catch(() => null)
  if (demo === null) return 1
  const failures = await runSteps(progress, demo)
  if (!keeps || cleanup.interrupted) return failures
  try {
    await keep(progress, demo)
    return failures
  } catch (error) {
    progress.print(`--keep: ${messageOf(error)}`)
    return failures + 1
  }
}

async function run(): Promise<number> {
  const options = parseOptions(process.argv.slice(2))
  if (options.help) {
    process.stdout.write(HELP)
    return 0
  }
  const cleanup = new Cleanup()
  const progress = new Progress(process.stdout, STEPS.length + STEPS_BEFORE)
  cleanup.onSignals(signal => {
    progress.stop()
    progress.print(`${signal}: removing everything`)
  })
  const failures = await demonstrate(progress, cleanup, options)
  if (cleanup.interrupted) await untilSignal()
  const left = await cleanup.run()
  for (const failure of left) progress.print(`not removed: ${failure}`)
  progress.print(failures === 0 ? 'All of it held.' : 'NOT all of it held.')
  return failures === 0 && left.length === 0 ? 0 : 1
}

try {
  process.exit(await run())
} catch (error) {
  if (!(error instanceof DemoUsageError)) throw error
  console.error(error.message)
  process.exit(2)
}
