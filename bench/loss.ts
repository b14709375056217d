/** Goodput on a bad link, beside Linux on the same link: `npm run bench:loss`. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import {
  type Cleanup, createEmulatedLab, type EmulatedLab, loadFailure, measure, uniqueName, writeBetween,
} from '../tools/netlab/index.js'
import { readProbability, readRate, readTime } from '../tools/linkem/units.js'
import { startContender, type Contender } from './contenders.js'
import { lossTable, type LossRow } from './losstable.js'
import { BenchUsageError, machineText, parseCount, runProgram, sayAs, withCleanup } from './program.js'

/** What each cell must reach of Linux. */
const GOAL = 0.9
const CONGESTION_CONTROL = 'cubic'
const SERVERS = ['tas', 'cEpoll'] as const
const CALL_BYTES = 65_536
const FRAME_BYTES = 1514
/** Round trips that a figure must rest on: over one connection, or as many at once as that takes. */
const ROUND_TRIPS = 1000
const CONNECTIONS_MAX = 32
/** From this loss on, on paths so short, timeouts of 200 ms decide, a handful in some seconds: these cells take longer. */
const TIMEOUTS_DECIDE = { loss: 0.03, rttUs: 1_000, times: 3 } as const

const HELP = `usage: npm run bench:loss -- [options]

Bulk transfer between TAS and a Linux peer, and between two Linux kernels, through the link emulator, in both directions. Linux uses
${CONGESTION_CONTROL}. Loss is at random and in both directions; the queue holds one bandwidth-delay product, 100 packets at least. Where the
measured time has less than ${ROUND_TRIPS} round trips, several connections at once, ${CONNECTIONS_MAX} at most, make up for it. Where timeouts decide
(loss of ${TIMEOUTS_DECIDE.loss * 100} % and more within ${TIMEOUTS_DECIDE.rttUs / 1000} ms) it takes ${TIMEOUTS_DECIDE.times} times as long.

  --rates LIST   (100mbit,1gbit)     --rtts LIST   (0.2ms,10ms,100ms)     --losses LIST  (0%,0.1%,1%,3%,5%)
  --runs N       (3)                 --seconds S   measured time (4)      --warmup S     before it (2)
  --docs         write the table into docs/loss.md    --json  print the rows as JSON     --help  this text
`

interface LossBench {
  readonly rates: readonly string[]
  readonly rtts: readonly string[]
  readonly losses: readonly string[]
  readonly runs: number
  readonly seconds: number
  readonly warmup: number
  readonly docs: boolean
  readonly json: boolean
}

interface Cell { readonly rate: string; readonly rtt: string; readonly loss: string }
type Direction = LossRow['direction']

const say = sayAs('bench:loss')

/** A list of values with units. Throws BenchUsageError naming the option. */
function parseList(option: string, text: string, read: (value: string) => number): string[] {
  const values = text.split(',')
  for (const value of values) {
    try {
      read(value)
    } catch (error) {
      throw new BenchUsageError(`--${option}: "${value}": ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  return values
}

function readOptions(args: readonly string[]): LossBench | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rates: { type: 'string', default: '100mbit,1gbit' }, rtts: { type: 'string', default: '0.2ms,10ms,100ms' },
      losses: { type: 'string', default: '0%,0.1%,1%,3%,5%' }, runs: { type: 'string', default: '3' }, seconds: { type: 'string', default: '4' },
      warmup: { type: 'string', default: '2' }, docs: { type: 'boolean', default: false }, json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return null
  return {
    rates: parseList('rates', values.rates, readRate), rtts: parseList('rtts', values.rtts, readTime),
    losses: parseList('losses', values.losses, readProbability), runs: parseCount('runs', values.runs, 1, 3600),
    seconds: parseCount('seconds', values.seconds, 0.1, 3600), warmup: parseCount('warmup', values.warmup, 0, 3600),
    docs: values.docs, json: values.json,
  }
}

function linkOptions({ rate, rtt, loss }: Cell, seed: number): string[] {
  const rttUs = readTime(rtt)
  const productPackets = Math.ceil((readRate(rate) * rttUs) / 8000 / FRAME_BYTES)
  return [`--rate=${rate}`, `--delay=${rttUs / 2}us`, `--queue=${Math.max(productPackets, 100)}`, `--loss=${loss}`,
    `--seed=${seed}`, '--buffer=512MiB']
}

function cellsOf({ rates, rtts, losses }: LossBench): Cell[] {
  return rates.flatMap((rate) => rtts.flatMap((rtt) => losses.map((loss) => ({ rate, rtt, loss }))))
}

function secondsFor({ rtt, loss }: Cell, seconds: number): number {
  const isLonger = readProbability(loss) >= TIMEOUTS_DECIDE.loss && readTime(rtt) < TIMEOUTS_DECIDE.rttUs
  return isLonger ? seconds * TIMEOUTS_DECIDE.times : seconds
}

function connectionsFor({ rtt }: Cell, seconds: number): number {
  return Math.min(Math.ceil((ROUND_TRIPS * readTime(rtt)) / (seconds * 1e6)), CONNECTIONS_MAX)
}

/** Mbit/s of payload; NaN if the load had errors. */
async function goodput(lab: EmulatedLab, contender: Contender, cell: Cell, direction: Direction, bench: LossBench): Promise<number> {
  const { address, pids } = contender
  const seconds = secondsFor(cell, bench.seconds)
  const { warmup } = bench
  const mode = direction === 'send' ? 'bulk-in' : 'bulk-out'
  const load = { mode, address, size: CALL_BYTES, connections: connectionsFor(cell, seconds), seconds, warmup, congestion: CONGESTION_CONTROL } as const
  const { load: result } = await measure(lab.peer, load, pids)
  const failure = loadFailure(result)
  if (failure !== null) say(`not counted: ${failure}`)
  return failure === null ? result.gbitPerSecond * 1000 : Number.NaN
}

type Figures = Map<string, Record<(typeof SERVERS)[number], number[]>>

function keyOf({ rate, rtt, loss }: Cell, direction: Direction): string {
  return `${rate} ${rtt} ${loss} ${direction}`
}

/** One run of all cells with one server. */
async function runServer(
  lab: EmulatedLab, server: (typeof SERVERS)[number], folder: string, run: number, bench: LossBench, cleanup: Cleanup, figures: Figures,
): Promise<void> {
  const contender = await startContender(server, { lab, cleanup, folder, congestion: CONGESTION_CONTROL })
  for (const cell of cellsOf(bench)) {
    await lab.relink(linkOptions(cell, run + 1))
    for (const direction of ['send', 'receive'] as const) {
      const mbit = await goodput(lab, contender, cell, direction, bench)
      const key = keyOf(cell, direction)
      say(`run ${run + 1} ${server}: ${key}: ${mbit.toFixed(1)} Mbit/s`)
      const known = figures.get(key) ?? { tas: [], cEpoll: [] }
      known[server].push(mbit)
      figures.set(key, known)
    }
    if (cleanup.interrupted) break
  }
  await contender.stop()
}

async function benchAll(bench: LossBench, cleanup: Cleanup): Promise<LossRow[]> {
  const folder = await mkdtemp(join(tmpdir(), 'tas-loss-'))
  cleanup.add(folder, () => rm(folder, { recursive: true, force: true }))
  const lab = await createEmulatedLab({ name: uniqueName('tas-loss') }, cleanup)
  const figures: Figures = new Map()
  for (let run = 0; run < bench.runs && !cleanup.interrupted; run++) {
    for (const server of SERVERS) if (!cleanup.interrupted) await runServer(lab, server, folder, run, bench, cleanup, figures)
  }
  return cellsOf(bench).flatMap((cell) => (['send', 'receive'] as const).map((direction) => {
    const { tas, cEpoll } = figures.get(keyOf(cell, direction)) ?? { tas: [], cEpoll: [] }
    return { ...cell, direction, tas, linux: cEpoll }
  }))
}

function conditions({ runs, seconds, warmup }: LossBench): string {
  return `${new Date().toISOString().slice(0, 10)}, ${machineText()} for both ends and the emulator, ${CONGESTION_CONTROL} on both sides of Linux; `
    + `queue one bandwidth-delay product, 100 packets at least; medians of ${runs} runs of ${seconds} s after ${warmup} s `
    + `(${seconds * TIMEOUTS_DECIDE.times} s where timeouts decide), one connection, or up to ${CONNECTIONS_MAX} at once for ${ROUND_TRIPS} round trips; `
    + `${CALL_BYTES} byte calls.`
}

await runProgram('bench:loss', async () => {
  const bench = readOptions(process.argv.slice(2))
  if (bench === null) {
    process.stdout.write(HELP)
    return 0
  }
  const rows = await withCleanup(say, (cleanup) => benchAll(bench, cleanup))
  const table = lossTable(rows, GOAL, conditions(bench))
  console.log(bench.json ? JSON.stringify(rows) : table)
  if (bench.docs) await writeBetween('docs/loss.md', 'loss', table)
  return 0
})
