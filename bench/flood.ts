/** What floods leave of other connections' throughput: `npm run bench:flood`. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import {
  type Cleanup, createLab, createNamespace, createPair, type FloodKind, type Lab, loadFailure, measure, Namespace, PEER_ADDRESS, run, startFlood,
  uniqueName, writeBetween,
} from '../tools/netlab/index.js'
import { type Contender, startContender } from './contenders.js'
import { FLOOD_KINDS, floodTable, type FloodRow, type FloodServer } from './floodtable.js'
import { BenchUsageError, machineText, parseCount, runProgram, sayAs, withCleanup } from './program.js'
import { DEFAULT_PORT, PORT_SOURCE } from './servers/ports.js'
import { median } from './statistics.js'

const TAS_MAC = '02:54:41:53:00:02'
const CONNECTIONS = 64
const SLOW_CONNECTIONS = 200

const HELP = `usage: npm run bench:flood -- [options]

Measures 64 byte echo on ${CONNECTIONS} connections to TAS, and to a C epoll server on the kernel: alone, beside a flood on another link,
and flooded. The flooder runs on the same machine and takes CPU time wherever its frames go; what counts is what they do beyond that.

  --runs N      (3)      --seconds S  measured time (2)      --rate N  frames a second (100000)
  --kinds K,... some of syn, ack, rst, ping, garbage, slow (all)
  --docs        write the table into docs/floods.md          --help    this text
`

interface FloodBench {
  readonly runs: number
  readonly seconds: number
  readonly rate: number
  readonly kinds: readonly FloodKind[]
  readonly docs: boolean
}

/** Where floods come from and go to. */
interface FloodLab {
  readonly lab: Lab
  /** The peer's end of a link that nobody answers on. */
  readonly idleInterface: string
}

/** A flood for the server, for nobody, or none. */
type Target = 'server' | 'nobody' | 'none'

const say = sayAs('bench:flood')

function readOptions(args: readonly string[]): FloodBench | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      runs: { type: 'string', default: '3' }, seconds: { type: 'string', default: '2' }, rate: { type: 'string', default: '100000' },
      kinds: { type: 'string', default: FLOOD_KINDS.join(',') }, docs: { type: 'boolean', default: false }, help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return null
  return {
    runs: parseCount('runs', values.runs, 1, 100), seconds: parseCount('seconds', values.seconds, 0.1, 600),
    rate: parseCount('rate', values.rate, 1, 1e8), kinds: parseKinds(values.kinds), docs: values.docs,
  }
}

function parseKinds(text: string): FloodKind[] {
  const wanted = text.split(',')
  const unknown = wanted.find((name) => !FLOOD_KINDS.some((kind) => kind === name))
  if (unknown !== undefined) throw new BenchUsageError(`--kinds: "${unknown}": want some of ${FLOOD_KINDS.join(', ')}`)
  return FLOOD_KINDS.filter((kind) => wanted.includes(kind))
}

async function macOf(lab: Lab): Promise<string> {
  const links = JSON.parse(await lab.tas.run('ip', ['-j', 'link', 'show', lab.tas.interface])) as { readonly address: string }[]
  return links[0].address
}

/** Requests a second; NaN if the load had errors. */
async function measureFlooded(
  { lab, idleInterface }: FloodLab, contender: Contender, mac: string, kind: FloodKind, target: Target, bench: FloodBench,
): Promise<number> {
  const { address } = contender
  const port = kind === 'slow' ? DEFAULT_PORT + PORT_SOURCE : DEFAULT_PORT
  const rest = kind === 'slow' ? { connections: SLOW_CONNECTIONS } : { rate: bench.rate }
  const aside = target === 'nobody' ? { interface: idleInterface } : {}
  const flood = target === 'none' ? null : startFlood(lab.peer, { kind, address, port, mac, seconds: 600, ...rest, ...aside })
  try {
    await flood?.begun()
    const load = { mode: 'echo', address, connections: CONNECTIONS, size: 64, seconds: bench.seconds, warmup: 1 } as const
    const { load: result } = await measure(lab.peer, load, contender.pids)
    const failure = loadFailure(result)
    if (failure !== null) say(`${kind}, ${target}: not counted: ${failure}`)
    return failure === null ? result.requestsPerSecond : Number.NaN
  } finally {
    await flood?.process.stop()
  }
}

/** One server, before and beside each kind of flood: what is compared is measured one right after the other. */
async function measureServer(labs: FloodLab, contender: Contender, mac: string, bench: FloodBench): Promise<FloodRow[]> {
  const rows: FloodRow[] = []
  for (const kind of bench.kinds) {
    const alone = await measureFlooded(labs, contender, mac, kind, 'none', bench)
    // Connections need somebody who takes them; once they stand, the flooder sleeps.
    const beside = kind === 'slow' ? alone : await measureFlooded(labs, contender, mac, kind, 'nobody', bench)
    const flooded = await measureFlooded(labs, contender, mac, kind, 'server', bench)
    say(`${contender.address} ${kind}: ${[alone, beside, flooded].map(Math.round).join(', ')}`)
    rows.push({ kind, alone, beside, flooded })
  }
  return rows
}

function middle(runs: readonly (readonly FloodRow[])[], kinds: readonly FloodKind[]): FloodRow[] {
  return kinds.map((kind) => {
    const of = (field: 'alone' | 'beside' | 'flooded'): number => {
      const values = runs.flatMap((rows) => rows.filter((row) => row.kind === kind).map((row) => row[field]))
      return median(values.filter((value) => !Number.isNaN(value)))
    }
    return { kind, alone: of('alone'), beside: of('beside'), flooded: of('flooded') }
  })
}

/** A link from the peer's namespace to one where nobody is. */
async function createIdleLink({ name, peer }: Lab, cleanup: Cleanup): Promise<string> {
  const idle = await createNamespace(`${name}-idle`, 'idle0', cleanup)
  const end = new Namespace(peer.name, 'flood0', cleanup)
  await createPair(end, idle, 1500)
  for (const side of [end, idle]) await run('ip', ['-n', side.name, 'link', 'set', side.interface, 'up'])
  return end.interface
}

async function benchAll(bench: FloodBench, cleanup: Cleanup): Promise<Record<FloodServer, FloodRow[]>> {
  const folder = await mkdtemp(join(tmpdir(), 'tas-flood-'))
  cleanup.add(folder, () => rm(folder, { recursive: true, force: true }))
  const lab = await createLab({ name: uniqueName('tas-flood') }, cleanup)
  await lab.tas.sysctl('net.core.somaxconn', 4096)
  // Made-up sources are off the link: answers to them go to the peer, which drops them.
  await lab.tas.run('ip', ['route', 'add', 'default', 'via', PEER_ADDRESS])
  const tasArgs = [`--mac=${TAS_MAC}`, `--ip-route=0.0.0.0/0,${PEER_ADDRESS}`]
  const labs = { lab, idleInterface: await createIdleLink(lab, cleanup) }
  const macs = { tas: TAS_MAC, cEpoll: await macOf(lab) }
  const runs: Record<FloodServer, FloodRow[][]> = { tas: [], cEpoll: [] }
  for (let nth = 0; nth < bench.runs && !cleanup.interrupted; nth++) {
    for (const server of ['tas', 'cEpoll'] as const) {
      const contender = await startContender(server, { lab, cleanup, folder, tasArgs })
      runs[server].push(await measureServer(labs, contender, macs[server], bench))
      await contender.stop()
    }
  }
  return { tas: middle(runs.tas, bench.kinds), cEpoll: middle(runs.cEpoll, bench.kinds) }
}

function conditions({ runs, seconds, rate }: FloodBench): string {
  return `${new Date().toISOString().slice(0, 10)}, ${machineText()}, veth, client and flooder on the same machine; ${rate} frames a second, `
    + `slow: ${SLOW_CONNECTIONS} connections; medians of ${runs} runs of ${seconds} s.`
}

await runProgram('bench:flood', async () => {
  const bench = readOptions(process.argv.slice(2))
  if (bench === null) {
    process.stdout.write(HELP)
    return 0
  }
  const table = floodTable(await withCleanup(say, (cleanup) => benchAll(bench, cleanup)), conditions(bench))
  console.log(table)
  if (bench.docs) await writeBetween('docs/floods.md', 'floods', table)
  return 0
})
