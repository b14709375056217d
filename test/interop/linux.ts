/** Linux peers, one case after the other. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import type { ConnectionInfo } from '../../lib/tas/index.js'
import { Cleanup, createLab, nativeProgram, PEER_ADDRESS, startService, uniqueName, type Lab } from '../../tools/netlab/index.js'
import type { Ends } from '../e2e/pairs.js'
import { Peer } from '../e2e/peer.js'
import { TasSide } from '../e2e/tasside.js'
import type { CaseGroup, PeerCase } from './cases.js'
import { exchangeAll, join, type Role } from './exchange.js'

const SUBNET = '10.77.0.0/24'

/** The two hosts of a group of cases. */
export interface GroupHosts extends Ends {
  readonly lab: Lab
}

/** Starts the hosts of a group. What was made is removed at clean-up, also if this throws. */
export async function startGroup({ mtu, tasOffload }: CaseGroup, cleanup: Cleanup): Promise<GroupHosts> {
  const folder = await mkdtemp(joinPath(tmpdir(), 'tas-interop-'))
  cleanup.add(folder, () => rm(folder, { recursive: true, force: true }))
  const lab = await createLab({ name: uniqueName('tas-interop'), mtu }, cleanup)
  const args = ['--tcp-ecn=on', ...(tasOffload ? [] : ['--fp-no-xsumoffload'])]
  const service = await startService(lab, { folder, args })
  const tas = new TasSide(service.socket)
  cleanup.add('program on TAS', () => tas.close())
  return { lab, tas, peer: Peer.start(lab.peer) }
}

/** Congestion controls of this kernel: bbr is a module that not every kernel has. */
export async function availableControls({ lab }: GroupHosts): Promise<string[]> {
  return (await lab.peer.readSysctl('net.ipv4.tcp_available_congestion_control')).trim().split(/\s+/)
}

async function applyCase({ peer }: Lab, one: PeerCase): Promise<void> {
  const settings: ReadonlyArray<readonly [string, string | number]> = [
    ['tcp_timestamps', Number(one.timestamps)], ['tcp_sack', Number(one.sack)], ['tcp_window_scaling', Number(one.windowScaling)],
    ['tcp_ecn', Number(one.ecn)],
  ]
  for (const [name, value] of settings) await peer.sysctl(`net.ipv4.${name}`, value)
  // By the route: the sysctl of a namespace takes only what the machine's first namespace allows.
  await peer.run('ip', ['route', 'replace', SUBNET, 'dev', peer.interface, 'src', PEER_ADDRESS, 'congctl', one.control])
  await peer.run(nativeProgram('offloads'), [peer.interface, one.peerOffload ? 'on' : 'off'])
}

/** What the handshake agreed on must be what the peer can do: otherwise the case tests something else. */
function checkAgreed(info: ConnectionInfo, one: PeerCase): void {
  for (const name of ['timestamps', 'sack', 'windowScaling', 'ecn'] as const) {
    if (info[name] !== one[name]) throw new Error(`handshake: ${name} is ${info[name] ? 'on' : 'off'}, the peer's is ${one[name] ? 'on' : 'off'}`)
  }
  const most = one.mtu - 40 - (one.timestamps ? 12 : 0)
  if (info.mssBytes > most) throw new Error(`handshake: segments of ${info.mssBytes} bytes, the MTU allows ${most}`)
}

/** All exchanges with one peer in one role. Throws Error that says what went wrong. */
export async function runCase(hosts: GroupHosts, one: PeerCase, role: Role, seed: number): Promise<void> {
  await applyCase(hosts.lab, one)
  const joined = await join(hosts, role)
  checkAgreed(await joined.socket.connection.info(), one)
  await exchangeAll(hosts, joined, role, seed)
}
