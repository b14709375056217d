/** Exchanges over a captured link, to be examined with tshark. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { Cleanup, createEmulatedLab, startService, TAS_ADDRESS, uniqueName, type EmulatedLab } from '../../tools/netlab/index.js'
import { pause } from '../../tools/netlab/wait.js'
import type { Ends, Pair } from '../e2e/pairs.js'
import { Peer } from '../e2e/peer.js'
import { Random } from '../e2e/seeded.js'
import { TasSide } from '../e2e/tasside.js'
import { sameBytes } from './bytes.js'
import { join } from './exchange.js'
import { analyse, type Analysis, type Finding, type Remark } from './tshark.js'

/** Two hosts and a link whose packets can be written down. */
export interface CapturedHosts extends Ends {
  readonly lab: EmulatedLab
  readonly folder: string
}

/** Starts them. What was made is removed at clean-up, also if this throws. */
export async function startCaptured(cleanup: Cleanup): Promise<CapturedHosts> {
  const folder = await mkdtemp(joinPath(tmpdir(), 'tas-interop-'))
  cleanup.add(folder, () => rm(folder, { recursive: true, force: true }))
  const lab = await createEmulatedLab({ name: uniqueName('tas-interop') }, cleanup)
  await lab.peer.sysctl('net.ipv4.tcp_rmem', '4096 131072 262144')
  // The default repeats a SYN after 10 ms: before the answer can be there.
  const service = await startService(lab, { folder, args: ['--tcp-ecn=on', '--tcp-handshake-timeout=1000000'] })
  const tas = new TasSide(service.socket)
  cleanup.add('program on TAS', () => tas.close())
  return { lab, folder, tas, peer: Peer.start(lab.peer) }
}

const BULK_BYTES = 3 << 20
const REQUESTS = 50
const OPENINGS = 12
const CLOSED_MS = 1_500

async function toPeer({ peer }: Ends, { socket, remote }: Pair): Promise<void> {
  const bytes = new Random(1).bytes(BULK_BYTES)
  const [, hash] = await Promise.all([socket.write(bytes), peer.call('readHash', remote, bytes.length)])
  sameBytes('to the peer', hash, bytes)
}

async function toTas({ peer }: Ends, { socket, remote }: Pair): Promise<void> {
  const [, got] = await Promise.all([peer.call('sendRandom', remote, BULK_BYTES, 2), socket.read(BULK_BYTES)])
  sameBytes('to TAS', got, new Random(2).bytes(BULK_BYTES))
}

async function requests({ peer }: Ends, { socket, remote }: Pair): Promise<void> {
  const random = new Random(3)
  for (let i = 0; i < REQUESTS; i++) {
    const bytes = random.bytes(random.between(1, 4000))
    const [, asked] = await Promise.all([peer.call('write', remote, bytes), socket.read(bytes.length)])
    sameBytes('request', asked, bytes)
    const [, answered] = await Promise.all([socket.write(bytes), peer.call('read', remote, bytes.length)])
    sameBytes('answer', answered, bytes)
  }
}

/** Neither side reads for a while: first the peer, then TAS. */
async function zeroWindows(ends: Ends, pair: Pair): Promise<void> {
  const { peer } = ends
  const { socket, remote } = pair
  const bytes = new Random(4).bytes(BULK_BYTES)
  const written = socket.write(bytes)
  await pause(CLOSED_MS)
  const [, hash] = await Promise.all([written, peer.call('readHash', remote, bytes.length)])
  sameBytes('to the peer', hash, bytes)
  socket.stopReading()
  const sent = peer.call('sendRandom', remote, BULK_BYTES, 5)
  await pause(CLOSED_MS)
  socket.startReading()
  sameBytes('to TAS', await socket.read(BULK_BYTES), new Random(5).bytes(BULK_BYTES))
  await sent
}

async function close({ peer }: Ends, { socket, remote }: Pair, first: 'tas' | 'peer'): Promise<void> {
  if (first === 'tas') socket.connection.txClose()
  else await peer.call('end', remote)
  if (first === 'tas') await peer.call('ended', remote)
  else await socket.wait('the peer\'s FIN', () => socket.rxClosed)
  if (first === 'tas') await peer.call('end', remote)
  socket.connection.close()
  const here = await socket.closed()
  if (here !== '') throw new Error(`TAS's end: ${here}`)
  await peer.call('closed', remote)
}

async function openings(ends: Ends): Promise<void> {
  for (let i = 0; i < OPENINGS; i++) {
    const pair = await join(ends, i % 2 === 0 ? 'server' : 'client')
    await close(ends, pair, i % 4 < 2 ? 'tas' : 'peer')
  }
}

/** One link, and what happens over it. */
export interface Scene {
  readonly name: string
  /** Options of tas-linkem. */
  readonly link: readonly string[]
  /** What tshark may remark about packets of TAS, and how often at most; everything else must not be. */
  readonly allowed: Partial<Readonly<Record<Finding, number>>>
  run(ends: Ends): Promise<void>
}

/** An exchange on a connection of its own that ends in order. */
function onOne(each: (ends: Ends, pair: Pair) => Promise<void>): (ends: Ends) => Promise<void> {
  return async ends => {
    const pair = await join(ends, 'server')
    await each(ends, pair)
    await close(ends, pair, 'tas')
  }
}

const ANY = Infinity

/**
 * A path long enough that a busy machine does not change what happens: probe timeouts are twice the round trip. Its retransmissions
 * are counted below against what the link lost (`needless`).
 */
const CLEAN = ['--delay=10ms']
const LOSSY = ['--delay=10ms', '--loss=1%']

export const SCENES: readonly Scene[] = [
  { name: 'bulk to the peer, clean link', link: CLEAN, allowed: { 'window full': ANY }, run: onOne(toPeer) },
  { name: 'bulk to TAS, clean link', link: CLEAN, allowed: {}, run: onOne(toTas) },
  { name: 'bulk to the peer, 1 % loss', link: [...LOSSY, '--seed=11'], run: onOne(toPeer),
    // tshark calls retransmissions shortly after an acknowledgment "out of order".
    allowed: { retransmission: ANY, 'fast retransmission': ANY, 'out of order': ANY, 'duplicate ACK': ANY, 'window full': ANY } },
  { name: 'bulk to TAS, 1 % loss', link: [...LOSSY, '--seed=12'], run: onOne(toTas),
    // A gap that closes hands over up to a whole buffer at once: the window is closed until the application has read.
    allowed: { 'duplicate ACK': ANY, retransmission: ANY, 'fast retransmission': ANY, 'out of order': ANY, 'zero window': 2 } },
  { name: 'requests and responses', link: CLEAN, allowed: {}, run: onOne(requests) },
  { name: 'opened and closed', link: CLEAN, allowed: {}, run: openings },
  // Linux delays acknowledgments by up to 200 ms while nobody reads: the last segment may be probed (RFC 8985, 7.2 expects one for every
  // second segment). The answer may be on its way by then, and the probe counts as spurious.
  { name: 'windows closed', link: CLEAN, run: onOne(zeroWindows),
    allowed: { 'window full': ANY, 'zero window': ANY, 'zero window probe': ANY, 'keep-alive': ANY, 'duplicate ACK': ANY, retransmission: 2,
      'spurious retransmission': 2 } },
]

/** Segments that a scene may repeat without need. */
const NEEDLESS_MAX = 2

/** What a scene's link carried. */
export interface SceneResult {
  readonly analysis: Analysis
  /** Packets from TAS that the link lost. */
  readonly lost: number
}

/** Runs a scene and has it examined as TAS's side saw it. Throws Error if the exchange itself failed. */
export async function runScene(hosts: CapturedHosts, scene: Scene): Promise<SceneResult> {
  const capture = joinPath(hosts.folder, 'link.pcapng')
  await hosts.lab.relink([...scene.link, `--capture=${capture}`])
  await scene.run(hosts)
  const { ab } = await hosts.lab.linkDown()
  await hosts.lab.linkUp([])
  return { analysis: await analyse(capture, 'tas', hosts.folder), lost: ab['lost'] ?? 0 }
}

/** Remarks about packets of TAS. */
function ofTas({ remarks }: Analysis): Remark[] {
  return remarks.filter(({ source }) => source === TAS_ADDRESS)
}

/** How often tshark remarked what about packets of TAS. */
export function countFindings(analysis: Analysis): Map<Finding, number> {
  const counts = new Map<Finding, number>()
  for (const { finding } of ofTas(analysis)) counts.set(finding, (counts.get(finding) ?? 0) + 1)
  return counts
}

/** Segments that TAS sent again though the link had not lost them: a probe for a lost tail may be one. */
export function needless({ analysis, lost }: SceneResult): number {
  const again = ofTas(analysis).filter(({ finding }) => finding === 'retransmission' || finding === 'out of order')
  return Math.max(0, new Set(again.map(({ frame }) => frame)).size - lost)
}

/** Remarks about packets of TAS that the scene does not allow, or more of them than it allows. */
export function offences({ allowed }: Scene, { analysis }: SceneResult): Remark[] {
  const counts = countFindings(analysis)
  return ofTas(analysis).filter(({ finding }) => (counts.get(finding) ?? 0) > (allowed[finding] ?? 0))
}

/** What is wrong with a scene, in a line, or null. */
export function sceneFault(scene: Scene, result: SceneResult): string | null {
  const [first, ...rest] = offences(scene, result)
  if (first !== undefined) {
    return `${first.finding}: packet ${first.frame} at ${first.atSeconds} s, seq ${first.seq}, ${first.len} bytes; ${rest.length} more remarks`
  }
  const again = needless(result)
  return again > NEEDLESS_MAX ? `${again} segments sent again that were not lost` : null
}
