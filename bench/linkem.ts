/**
 * How exact the link emulator is: `npm run bench:linkem`. A probe in one namespace sends frames through tas-linkem in another and
 * times them at both ends with one clock. Writes the table into docs/linkem.md.
 *
 *   namespace NAME-probe: probe -> in0 ==== in1 -> tas-linkem -> out1 ==== out0 -> probe     NAME-link: in1, out1
 */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import {
  type Cleanup, compiled, cpuSeconds, createNamespace, createPair, markdownTable, Namespace, run, uniqueName, writeBetween, type LinkCounts,
} from '../tools/netlab/index.js'
import { machineText, parseCount, runProgram, sayAs, withCleanup } from './program.js'
import type { ProbeOrder, ProbeResult } from './linkemprobe.js'

const HELP = `usage: npm run bench:linkem -- [options]

Measures rate and delay of tas-linkem and writes the table into docs/linkem.md.

  --seconds S    measured time of each row (3)
  --dry          print the table only
  --note TEXT    said below the table, such as "preliminary"
  --help         this text
`

const say = sayAs('bench:linkem')

interface Row {
  readonly link: readonly string[]
  readonly frameBytes: number
  /** Offered, Mbit/s of frames. */
  readonly offeredMbit: number
  /** Frames in a second that are to come out when more is offered; null if all that is offered is to come out. */
  readonly expectedPerSecond: number | null
  /** Delay that each frame is to have; null where a full queue decides. */
  readonly expectedDelayUs: number | null
}

const FRAME_BYTES = 1514
const ETHERNET_BYTES = FRAME_BYTES + 24

/** More than the rate is offered: what comes out? */
function rateRow(rate: string, mbit: number): Row {
  return {
    link: [`--rate=${rate}`, '--overhead=ethernet', '--queue=100'], frameBytes: FRAME_BYTES, offeredMbit: mbit * 1.3,
    expectedPerSecond: (mbit * 1e6) / (ETHERNET_BYTES * 8), expectedDelayUs: null,
  }
}

/** Less is offered: when does it come out? */
function delayRow(link: readonly string[], frameBytes: number, offeredMbit: number, expectedDelayUs: number): Row {
  return { link, frameBytes, offeredMbit, expectedPerSecond: null, expectedDelayUs }
}

const AT_1_GBIT_US = (ETHERNET_BYTES * 8) / 1000

const ROWS: readonly Row[] = [
  rateRow('1mbit', 1), rateRow('10mbit', 10), rateRow('100mbit', 100), rateRow('1gbit', 1000), rateRow('2gbit', 2000),
  delayRow(['--delay=10ms'], 60, 0.48, 10_000), delayRow(['--delay=1ms'], FRAME_BYTES, 100, 1000),
  delayRow(['--delay=10ms'], FRAME_BYTES, 900, 10_000),
  delayRow(['--rate=1gbit', '--overhead=ethernet', '--delay=10ms'], FRAME_BYTES, 900, 10_000 + AT_1_GBIT_US),
  delayRow(['--delay=50ms'], FRAME_BYTES, 900, 50_000),
]

interface Measured {
  readonly row: Row
  readonly probe: ProbeResult
  readonly counts: LinkCounts
  readonly cpuShare: number
}

interface Sides {
  readonly probe: Namespace
  readonly link: Namespace
}

/** On a CPU of its own where there are two. */
function pinned(cpu: number, command: string, args: readonly string[]): { command: string; args: readonly string[] } {
  return availableParallelism() < 2 ? { command, args } : { command: 'taskset', args: ['-c', String(cpu), command, ...args] }
}

async function createSides(cleanup: Cleanup): Promise<Sides> {
  const name = uniqueName('tas-bench-linkem')
  const probe = await createNamespace(`${name}-probe`, 'in0', cleanup)
  const link = await createNamespace(`${name}-link`, 'in1', cleanup)
  const ends = [probe, link, new Namespace(probe.name, 'out0', cleanup), new Namespace(link.name, 'out1', cleanup)]
  await createPair(ends[0], ends[1], 1500)
  await createPair(ends[2], ends[3], 1500)
  for (const end of ends) await run('ip', ['-n', end.name, 'link', 'set', end.interface, 'up'])
  return { probe, link }
}

async function measure(row: Row, seconds: number, { link, probe }: Sides): Promise<Measured> {
  const linkemArgs = [compiled('tools/linkem/main.js'), '--json', ...row.link, 'in1', 'out1']
  const linkem = link.start('tas-linkem', pinned(0, process.execPath, linkemArgs))
  await linkem.line(/"event":"ready"/)
  const order: ProbeOrder = {
    frameBytes: row.frameBytes, framesPerSecond: (row.offeredMbit * 1e6) / (row.frameBytes * 8), seconds, warmupSeconds: 1,
  }
  const before = cpuSeconds([linkem.pid])
  const probing = probe.start('probe', pinned(1, process.execPath, [compiled('bench/linkemprobe.js'), 'in0', 'out0', JSON.stringify(order)]))
  const line = await probing.line(/"sent"/, (seconds + 30) * 1000)
  const cpuShare = (cpuSeconds([linkem.pid]) - before) / (seconds + order.warmupSeconds)
  linkem.kill('SIGTERM')
  const counts = JSON.parse(await linkem.line(/"event":"counters"/)) as LinkCounts
  await linkem.exited
  return { row, probe: JSON.parse(line) as ProbeResult, counts, cpuShare }
}

function signed(value: number, digits: number): string {
  return `${value > 0 ? '+' : ''}${value.toFixed(digits)}`
}

function cells({ row, probe, counts, cpuShare }: Measured): string[] {
  const expected = row.expectedPerSecond ?? (row.offeredMbit * 1e6) / (row.frameBytes * 8)
  const off = row.expectedDelayUs
  const delays = off === null ? ['', '', ''] : [probe.delayUs.p50, probe.delayUs.p99, probe.delayUs.max].map((us) => signed(us - off, 0))
  return [
    `\`${row.link.join(' ')}\``, `${row.offeredMbit.toLocaleString('en', { maximumFractionDigits: 1 })} in ${row.frameBytes} B`,
    (probe.bitsPerSecond / 1e6).toLocaleString('en', { maximumSignificantDigits: 4 }), `${signed((probe.framesPerSecond / expected - 1) * 100, 2)} %`,
    ...delays, String(counts.ab.overrun), `${Math.round(cpuShare * 100)} %`,
  ]
}

const HEAD = ['link', 'offered, Mbit/s', 'arrived, Mbit/s', 'rate off by', 'delay off by: median, us', '99 %', 'most', 'overrun', 'CPU of one core']

function table(measured: readonly Measured[], seconds: number, note: string): string {
  const settings = [
    `${machineText()}, ${new Date().toISOString()}`,
    `veth, MTU 1500; rates are those of frames without FCS; ${seconds} s for each row after 1 s; emulator and probe each pinned to a CPU`,
    ...(note === '' ? [] : [note]),
  ]
  return markdownTable(HEAD, measured.map(cells), settings)
}

async function measureAll(seconds: number, cleanup: Cleanup): Promise<Measured[]> {
  const sides = await createSides(cleanup)
  const measured: Measured[] = []
  for (const row of ROWS) {
    const one = await measure(row, seconds, sides)
    measured.push(one)
    say(cells(one).join('  '))
  }
  return measured
}

await runProgram('bench:linkem', async () => {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '3' }, dry: { type: 'boolean', default: false }, note: { type: 'string', default: '' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  const seconds = parseCount('seconds', values.seconds, 0.5, 600)
  const measured = await withCleanup(say, (cleanup) => measureAll(seconds, cleanup))
  const text = table(measured, seconds, values.note)
  console.log(text)
  if (!values.dry) await writeBetween('docs/linkem.md', 'bench:linkem', text)
  return 0
})
