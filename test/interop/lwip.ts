/** lwIP as a peer, behind the link emulator: a TCP that shares nothing with Linux's. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import {
  Cleanup, createEmulatedLab, nativeProgram, run, startService, TAS_ADDRESS, uniqueName, type EmulatedLab, type Process,
} from '../../tools/netlab/index.js'
import { until } from '../../tools/netlab/wait.js'
import { Random } from '../e2e/seeded.js'
import { TasSide, type TasSocket } from '../e2e/tasside.js'
import { sameBytes } from './bytes.js'
import type { Role } from './exchange.js'

/** Beside the kernel's own address in the peer's namespace. */
const LWIP_ADDRESS = '10.77.0.4'
const END_MS = 60_000
const BULK_BYTES = 1 << 20
const LOSSY_BYTES = 300_000
const REQUESTS = 40
const PAUSE_MS = 1_500
/** Windows of both sides are full long before. */
const HELD_BYTES = 600_000

export interface LwipHosts {
  readonly lab: EmulatedLab
  readonly tas: TasSide
  /** Hears of each process that plays lwIP. */
  readonly began?: (process: Process) => void
}

/** Starts TAS and the link; lwIP runs once for each connection. What was made is removed at clean-up, also if this throws. */
export async function startLwipHosts(cleanup: Cleanup): Promise<LwipHosts> {
  const folder = await mkdtemp(joinPath(tmpdir(), 'tas-lwip-'))
  cleanup.add(folder, () => rm(folder, { recursive: true, force: true }))
  const lab = await createEmulatedLab({ name: uniqueName('tas-lwip') }, cleanup)
  // Buffers that do not grow: their windows close.
  const args = ['--tcp-rxbuf-max=131072', '--tcp-txbuf-max=131072']
  const service = await startService(lab, { folder, args })
  const tas = new TasSide(service.socket)
  cleanup.add('program on TAS', () => tas.close())
  return { lab, tas }
}

/** The version of lwIP that lwip_peer was built with. */
export function lwipVersion(): Promise<string> {
  return run(nativeProgram('lwip_peer'), ['--version'])
}

interface LwipEnd {
  readonly sent: number
  readonly acknowledged: number
  readonly received: number
  readonly error: string
}

/** A connection with lwIP at its other end. */
interface LwipPair {
  readonly socket: TasSocket
  readonly process: Process
}

let nextPort = 9000

async function open({ lab, tas, began }: LwipHosts, role: Role, play: readonly string[]): Promise<LwipPair> {
  const port = nextPort++
  const start = async (end: string): Promise<Process> => {
    const args = [`--interface=${lab.peer.interface}`, `--address=${LWIP_ADDRESS}`, end, ...play]
    const started = lab.peer.start('lwip_peer', { command: nativeProgram('lwip_peer'), args })
    began?.(started)
    await started.line(/"event":"ready"/)
    return started
  }
  if (role === 'client') {
    const process = await start(`--listen=${port}`)
    const socket = await tas.connect(LWIP_ADDRESS, port)
    if (socket.closedCode !== null) throw new Error(`connect: ${socket.closedCode}`)
    return { socket, process }
  }
  const listener = await tas.listen(port)
  const process = await start(`--connect=${TAS_ADDRESS}:${port}`)
  const socket = await tas.accept(listener)
  listener.close()
  return { socket, process }
}

/** TAS has sent everything: its FIN, lwIP's FIN, and what lwIP counted. Throws Error if it complains. */
async function end({ socket, process }: LwipPair): Promise<LwipEnd> {
  socket.connection.txClose()
  await socket.wait('lwIP\'s FIN', () => socket.rxClosed)
  socket.connection.close()
  const result = JSON.parse(await process.line(/"event":"end"/, END_MS)) as LwipEnd
  if (result.error !== '') throw new Error(`lwIP: ${result.error}`)
  const code = await socket.closed()
  if (code !== '') throw new Error(`TAS's end: ${code}`)
  return result
}

function counted(result: LwipEnd, sent: number, received: number): void {
  if (result.sent !== sent || result.received !== received) throw new Error(`lwIP sent ${result.sent} of ${sent}, received ${result.received} of ${received}`)
}

/** Both ways at once; lwIP ends its half when it has sent all, TAS may still send. */
async function bulkOf(len: number, hosts: LwipHosts, role: Role): Promise<void> {
  const pair = await open(hosts, role, [`--send=${len}`, '--send-seed=21', `--receive=${len}`, '--receive-seed=22'])
  const [, got] = await Promise.all([pair.socket.write(new Random(22).bytes(len)), pair.socket.read(len)])
  sameBytes('from lwIP', got, new Random(21).bytes(len))
  counted(await end(pair), len, len)
}

const bulk = (hosts: LwipHosts, role: Role): Promise<void> => bulkOf(BULK_BYTES, hosts, role)
/** lwIP's retransmission timer has a tick of 500 ms. */
const lossyBulk = (hosts: LwipHosts, role: Role): Promise<void> => bulkOf(LOSSY_BYTES, hosts, role)

/** TAS asks, lwIP sends back what it gets. */
async function echoes(hosts: LwipHosts, role: Role): Promise<void> {
  const pair = await open(hosts, role, ['--echo'])
  const random = new Random(23)
  let total = 0
  for (let i = 0; i < REQUESTS; i++) {
    const bytes = random.bytes(random.between(1, 3000))
    const [, got] = await Promise.all([pair.socket.write(bytes), pair.socket.read(bytes.length)])
    sameBytes('echo', got, bytes)
    total += bytes.length
  }
  counted(await end(pair), total, total)
}

/** lwIP asks and compares, TAS sends back what it gets. */
async function requests(hosts: LwipHosts, role: Role): Promise<void> {
  const pair = await open(hosts, role, [`--requests=${REQUESTS}`, '--send-seed=24'])
  const { socket } = pair
  await until('lwIP is done', async () => {
    if (socket.closedCode !== null) throw new Error(`connection ended: ${socket.closedCode}`)
    if (socket.available > 0) await socket.write(await socket.read(socket.available))
    return socket.rxClosed && socket.available === 0
  }, END_MS)
  const result = await end(pair)
  counted(result, result.sent, result.sent)
}

/** lwIP does not read for a while: TAS asks whether its window has opened. */
async function lwipHolds(hosts: LwipHosts, role: Role): Promise<void> {
  const pair = await open(hosts, role, [`--pause=${PAUSE_MS}`, `--receive=${HELD_BYTES}`, '--receive-seed=25'])
  const { socket } = pair
  await socket.write(new Random(25).bytes(HELD_BYTES))
  counted(await end(pair), 0, HELD_BYTES)
}

/** TAS does not read for a while: lwIP asks. */
async function tasHolds(hosts: LwipHosts, role: Role): Promise<void> {
  const pair = await open(hosts, role, [`--send=${HELD_BYTES}`, '--send-seed=26'])
  const { socket } = pair
  socket.stopReading()
  let last = -1
  let same = 0
  await until('TAS\'s window is closed', () => {
    same = socket.available === last ? same + 1 : 0
    last = socket.available
    return same > PAUSE_MS / 10
  }, END_MS)
  if (last <= 0 || last >= HELD_BYTES) throw new Error(`${last} of ${HELD_BYTES} bytes came while TAS did not read`)
  socket.startReading()
  sameBytes('from lwIP', await socket.read(HELD_BYTES), new Random(26).bytes(HELD_BYTES))
  counted(await end(pair), HELD_BYTES, 0)
}

/** A link and what goes over it. */
export interface LwipCase {
  readonly name: string
  readonly link: readonly string[]
  run(hosts: LwipHosts, role: Role): Promise<void>
}

const CLEAN: readonly string[] = []
/** So slow that reading stops long before everything has come. */
const SLOW = ['--rate=10mbit']
const LOSSY = ['--delay=2ms', '--loss=1%', '--seed=5']
const BAD = ['--delay=2ms', '--loss=1%', '--reorder=2%,2ms', '--duplicate=1%', '--corrupt=0.5%', '--seed=6']

export const LWIP_CASES: readonly LwipCase[] = [
  { name: 'bulk both ways', link: CLEAN, run: bulk },
  { name: 'bulk both ways, 1 % loss', link: LOSSY, run: lossyBulk },
  { name: 'bulk both ways, loss, reordering, copies, flipped bits', link: BAD, run: lossyBulk },
  { name: 'TAS asks, lwIP answers', link: CLEAN, run: echoes },
  { name: 'lwIP asks, TAS answers', link: CLEAN, run: requests },
  { name: 'lwIP asks, TAS answers, 1 % loss', link: LOSSY, run: requests },
  { name: 'window of lwIP closed', link: CLEAN, run: lwipHolds },
  { name: 'window of TAS closed', link: SLOW, run: tasHolds },
  { name: 'window of lwIP closed, 1 % loss', link: LOSSY, run: lwipHolds },
]

/** Runs a case in one role. Throws Error that says what went wrong. */
export async function runLwipCase(hosts: LwipHosts, one: LwipCase, role: Role): Promise<void> {
  await hosts.lab.relink(one.link)
  let peer: Process | null = null
  try {
    await one.run({ ...hosts, began: process => {
      peer = process
      hosts.began?.(process)
    } }, role)
  } finally {
    // Two at one address would reset each other's connections.
    await (peer as Process | null)?.stop('SIGKILL')
  }
}
