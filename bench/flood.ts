/** What floods leave of other connections' throughput: `npm run bench:flood`. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import {
  type Cleanup, createLab, type FloodKind, type Lab, loadFailure, measure, PEER_ADDRESS, startFlood, uniqueName, writeBetween,
} from '../tools/netlab/index.js'
import { type Contender, startContender } from './contenders.js'
import { FLOOD_KINDS, floodTable, type FloodRow, type FloodServer } from './floodtable.js'
import { machineText, parseCount, runProgram, sayAs, withCleanup } from './program.js'
import { DEFAULT_PORT, PORT_SOURCE } from './servers/ports.js'
import { median } from './statistics.js'

const TAS_MAC = '02:54:41:53:00:02'
const CONNECTIONS = 64
const SLOW_CONNECTIONS = 200

const HELP = `usage: npm run bench:flood -- [options]

Measures 64 byte echo on ${CONNECTIONS} connections to TAS, and to a C epoll server on the kernel, without and with floods from the
same machine as the client. The flooder takes CPU time too, so the kernel's row shows what is TAS's part.

  --runs N      (3)      --seconds S  measured time (2)      --rate N  frames a second (100000)
  --docs        write the table into docs/floods.md          --help    this text
`

interface FloodBench { readonly runs: number; readonly seconds: number; readonly rate: number; readonly docs: boolean }

const say = sayAs('bench:flood')

function readOptions(args: readonly string[]): FloodBench | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      runs: { type: 'string', default: '3' }, seconds: { type: 'string', default: '2' }, rate: { type: 'string', default: '100000' },
      docs: { type: 'boolean', default: false }, help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return null
  return {
    runs: parseCount('runs', values.runs, 1, 100), seconds: parseCount('seconds', values.seconds, 0.1, 600),
    rate: parseCount('rate', values.rate, 1, 1e8), docs: values.docs,
  }
}

async function macOf(lab: Lab): Promise<string> {
  const links = JSON.parse(await lab.tas.run('ip', ['-j', 'link', 'show', lab.tas.interface])) as { readonly address: string }[]
  return links[0].address
}

/** Requests a second, beside the flood if there is one; NaN if the load had errors. */
async function measureBeside(lab: Lab, contender: Contender, mac: string, kind: FloodKind | null, bench: FloodBench): Promise<number> {
  const { address } = contender
  const port = kind === 'slow' ? DEFAULT_PORT + PORT_SOURCE : DEFAULT_PORT
  const rest = kind === 'slow' ? { connections: SLOW_CONNECTIONS } : { rate: bench.rate }
  const flood = kind && startFlood(lab.peer, { kind, address, port, mac, seconds: 600, ...rest })
  try {
    await flood?.begun()
    const load = { mode: 'echo', address, connections: CONNECTIONS, size: 64, seconds: bench.seconds, warmup: 1 } as const
    const { load: result } = await measure(lab.peer, load, contender.pids)
    const failure = loadFailure(result)
    if (failure !== null) say(`${kind ?? 'no flood'}: not counted: ${failure}`)
    return failure === null ? result.requestsPerSecond : Number.NaN
  } finally {
    await flood?.process.stop()
  }
}

/** One server, before and beside each kind of flood: what is compared is measured one right after the other. */
async function measureServer(lab: Lab, contender: Contender, mac: string, bench: FloodBench): Promise<FloodRow[]> {
  const rows: FloodRow[] = []
  for (const kind of FLOOD_KINDS) {
    const alone = await measureBeside(lab, contender, mac, null, bench)
    const flooded = await measureBeside(lab, contender, mac, kind, bench)
    say(`${contender.address} ${kind}: ${Math.round(alone)} alone, ${Math.round(flooded)} flooded`)
    rows.push({ kind, alone, flooded })
  }
  return rows
}

function middle(runs: readonly (readonly FloodRow[])[]): FloodRow[] {
  return FLOOD_KINDS.map((kind) => {
    const of = (field: 'alone' | 'flooded'): number => {
      return median(runs.flatMap((rows) => rows.filter((row) => row.kind === kind).map((row) => row[field])).filter((x) => !Number.isNaN(x)))
    }
    return { kind, alone: of('alone'), flooded: of('flooded') }
  })
}

async function benchAll(bench: FloodBench, cleanup: Cleanup): Promise<Record<FloodServer, FloodRow[]>> {
  const folder = await mkdtemp(join(tmpdir(), 'tas-flood-'))
  cleanup.add(folder, () => rm(folder, { recursive: true, force: true }))
  const lab = await createLab({ name: uniqueName('tas-flood') }, cleanup)
  await lab.tas.sysctl('net.core.somaxconn', 4096)
  // Made-up sources are off the link: answers to them go to the peer, which drops them.
  await lab.tas.run('ip', ['route', 'add', 'default', 'via', PEER_ADDRESS])
  const tasArgs = [`--mac=${TAS_MAC}`, `--ip-route=0.0.0.0/0,${PEER_ADDRESS}`]
  const macs = { tas: TAS_MAC, cEpoll: await macOf(lab) }
  const runs: Record<FloodServer, FloodRow[][]> = { tas: [], cEpoll: [] }
  for (let run = 0; run < bench.runs && !cleanup.interrupted; run++) {
    for (const server of ['tas', 'cEpoll'] as const) {
      const contender = await startContender(server, { lab, cleanup, folder, pinned: false, tasArgs })
      runs[server].push(await measureServer(lab, contender, macs[server], bench))
      await contender.stop()
    }
  }
  return { tas: middle(runs.tas), cEpoll: middle(runs.cEpoll) }
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
