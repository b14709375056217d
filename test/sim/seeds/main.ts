/** `npm run sim`: many seeds, or one. */
import { Capture } from './capture.js'
import { Jobs } from './jobs.js'
import { HELP, parseOptions, type SimOptions, UsageError } from './options.js'
import { runScenario, type SeedResult } from './run.js'
import { makeScenario } from './scenario.js'
import { scenarioText } from './text.js'

const EXIT_FAILED = 1
const EXIT_USAGE = 2
const PROGRESS_MS = 1000

/** What all seeds together came to. */
class Sum {
  done = 0
  frames = 0
  bytes = 0
  connections = 0
  virtualSeconds = 0
  readonly failed: number[] = []
  private readonly startMs = performance.now()

  add({ seed, failures, frames, bytes, connections, virtualSeconds }: SeedResult): void {
    this.done++
    this.frames += frames
    this.bytes += bytes
    this.connections += connections
    this.virtualSeconds += virtualSeconds
    if (failures.length > 0) this.failed.push(seed)
  }

  get seconds(): number {
    return (performance.now() - this.startMs) / 1000
  }

  get text(): string {
    const hours = (this.virtualSeconds / 3600).toFixed(1)
    return `${this.done} seeds, ${this.failed.length} failed, ${this.connections} connections, ${(this.bytes / 1e6).toFixed(1)} MB, ` +
      `${this.frames} frames, ${hours} virtual hours in ${this.seconds.toFixed(1)} s (${(this.done / this.seconds).toFixed(1)} seeds/s)`
  }

  get json(): string {
    const { done, failed, connections, bytes, frames, virtualSeconds, seconds } = this
    return JSON.stringify({ event: 'sum', done, failed, connections, bytes, frames, virtualSeconds: Math.round(virtualSeconds), seconds })
  }
}

function report(result: SeedResult, { json, verbose }: SimOptions): void {
  const { seed, failures, frames, connections, virtualSeconds } = result
  if (failures.length > 0) {
    if (json) return console.log(JSON.stringify({ event: 'failed', ...result, scenario: makeScenario(seed) }))
    console.log(`seed ${seed} failed:\n  ${failures.join('\n  ')}\n${scenarioText(makeScenario(seed))}\nagain: npm run sim -- --seed ${seed}\n`)
  } else if (verbose && !json) console.log(`seed ${seed}: ${connections} connections, ${frames} frames, ${virtualSeconds.toFixed(1)} virtual seconds`)
}

/** One seed in this process. */
function runOne(options: SimOptions): number {
  const scenario = makeScenario(options.first)
  if (!options.json) console.log(`seed ${options.first}\n${scenarioText(scenario)}\n`)
  const capture = options.pcap === null ? null : new Capture(options.pcap)
  const result = runScenario(scenario, (world) => capture?.observe(world))
  capture?.close()
  if (options.json) console.log(JSON.stringify({ event: result.failures.length > 0 ? 'failed' : 'clean', ...result, scenario }))
  else if (result.failures.length > 0) console.log(`seed ${options.first} failed:\n  ${result.failures.join('\n  ')}`)
  else console.log(`seed ${options.first} is clean: ${result.connections} connections, ${result.frames} frames, ${result.virtualSeconds.toFixed(1)} virtual seconds`)
  return result.failures.length > 0 ? EXIT_FAILED : 0
}

async function runMany(options: SimOptions): Promise<number> {
  const sum = new Sum()
  let isStopped = false
  const jobs = new Jobs({
    first: options.first, seeds: options.seeds, jobs: options.jobs,
    onResult: (result) => {
      sum.add(result)
      report(result, options)
    },
  })
  const progress = setInterval(() => {
    if (!options.json) console.error(`sim: ${sum.done} of ${options.seeds} seeds, ${(sum.done / sum.seconds).toFixed(1)}/s, ${sum.failed.length} failed`)
  }, PROGRESS_MS)
  process.on('SIGINT', () => {
    isStopped = true
    jobs.stop()
  })
  await jobs.run()
  clearInterval(progress)
  console.log(options.json ? sum.json : `${isStopped ? 'stopped: ' : ''}${sum.text}`)
  if (!options.json && sum.failed.length > 0) console.log(`failed: ${sum.failed.join(' ')}`)
  return sum.failed.length > 0 || isStopped ? EXIT_FAILED : 0
}

try {
  const options = parseOptions(process.argv.slice(2))
  if (options === null) console.log(HELP)
  else process.exitCode = options.isSingle ? runOne(options) : await runMany(options)
} catch (error) {
  console.error(`sim: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = error instanceof UsageError ? EXIT_USAGE : EXIT_FAILED
}
