/**
 * TAS, a Linux router and a Linux host behind it that a narrower path leads to:
 *
 *   NAME-tas  tas0 ======= peer0  NAME-peer (router)  far0 ======= end0  NAME-end
 *   TAS 10.77.0.1          10.77.0.2                  10.78.0.1    10.78.0.2
 *                                    packets to 10.78.0.0/24: at most `mtu` bytes
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  Cleanup, compiled, createLab, createNamespace, missing, namespacesRefused, PEER_ADDRESS, startService, statistic, TAS_ADDRESS, uniqueName,
  type Lab, type Namespace, type Service,
} from '../../tools/netlab/index.js'
import { Peer } from './peer.js'
import { sha256, testRandom } from './random.js'
import { TasSide } from './tasside.js'

const FAR_ADDRESS = '10.78.0.2'
const PATH_MTU = 1300
const BULK_BYTES = 4 << 20

async function findReason(): Promise<string | null> {
  const unbuilt = missing([compiled('service/main.js'), compiled('test/e2e/peeragent.js')])
  return unbuilt.length > 0 ? 'not built: npm run build' : namespacesRefused()
}

const reason = await findReason()

interface Scene {
  readonly lab: Lab
  readonly end: Namespace
  readonly service: Service
  readonly tas: TasSide
  readonly far: Peer
}

/** From now on the router forwards packets up to `mtu` bytes. A locked MTU holds for forwarded packets, too. */
async function setPathMtu(router: Namespace, mtu: number): Promise<void> {
  await router.run('ip', ['route', 'replace', '10.78.0.0/24', 'dev', 'far0', 'src', '10.78.0.1', 'mtu', 'lock', String(mtu)])
}

/** The router forwards, in one direction only what is not too long, and says so (ICMP) unless it `isSilent`. */
async function makeRouter(lab: Lab, end: Namespace, isSilent: boolean): Promise<void> {
  const router = lab.peer
  await router.run('ip', ['link', 'add', 'far0', 'type', 'veth', 'peer', 'name', end.interface, 'netns', end.name])
  await router.run('ip', ['address', 'add', '10.78.0.1/24', 'dev', 'far0'])
  await router.run('ip', ['link', 'set', 'far0', 'up'])
  await end.run('ip', ['address', 'add', `${FAR_ADDRESS}/24`, 'dev', end.interface])
  await end.run('ip', ['link', 'set', end.interface, 'up'])
  await end.run('ip', ['route', 'add', 'default', 'via', '10.78.0.1'])
  await router.sysctl('net.ipv4.ip_forward', 1)
  await setPathMtu(router, PATH_MTU)
  if (isSilent) await router.run('ip', ['rule', 'add', 'iif', 'lo', 'ipproto', 'icmp', 'pref', '1', 'blackhole'])
}

async function start(cleanup: Cleanup, isSilent: boolean): Promise<Scene> {
  const folder = await mkdtemp(join(tmpdir(), 'tas-e2e-'))
  cleanup.add(folder, () => rm(folder, { recursive: true, force: true }))
  const lab = await createLab({ name: uniqueName('tas-e2e') }, cleanup)
  const end = await createNamespace(`${lab.name}-end`, 'end0', cleanup)
  await makeRouter(lab, end, isSilent)
  const service = await startService(lab, { folder, args: [`--ip-route=10.78.0.0/24,${PEER_ADDRESS}`, '--tcp-handshake-retries=8'] })
  const tas = new TasSide(service.socket)
  cleanup.add('program on TAS', () => tas.close())
  return { lab, end, service, tas, far: Peer.start(end) }
}

/** Opens a connection from TAS; what is returned sends so many bytes over it and compares them. */
async function openToFar({ tas, far }: Scene): Promise<() => Promise<void>> {
  const port = await far.call('listen', 0)
  const socket = await tas.connect(FAR_ADDRESS, port)
  expect(socket.closedCode).toBeNull()
  const remote = await far.call('accept', port)
  const bytes = testRandom().bytes(BULK_BYTES)
  return async () => {
    const [, received] = await Promise.all([socket.write(bytes), far.call('readHash', remote, bytes.length)])
    expect(received).toBe(sha256(bytes))
  }
}

async function sendToFar(scene: Scene): Promise<void> {
  const send = await openToFar(scene)
  await send()
}

/** Sends again and again until the counter `name` is above 0, at most for a minute. */
async function sendUntil({ service }: Scene, send: () => Promise<void>, name: string): Promise<void> {
  const startMs = performance.now()
  do {
    await send()
    expect([name, performance.now() - startMs < 60_000]).toEqual([name, true])
  } while (statistic(await service.statistics(), name) === 0)
}

function describePath(name: string, isSilent: boolean, body: (scene: () => Scene) => void): void {
  describe.skipIf(reason !== null)(reason === null ? name : `${name} (skipped: ${reason})`, () => {
    const cleanup = new Cleanup()
    let scene: Scene | null = null
    beforeAll(async () => { scene = await start(cleanup, isSilent) })
    afterAll(async () => { expect(await cleanup.run()).toEqual([]) })
    body(() => {
      if (scene === null) throw new Error('hosts are used before the first test')
      return scene
    })
  })
}

describePath('router that tells of its MTU', false, (scene) => {
  test('bulk from TAS -> all of it, told once; the next connection begins with it (RFC 1191)', async () => {
    await sendToFar(scene())
    const first = await scene().service.statistics()
    expect(statistic(first, 'pathMtuTold')).toBeGreaterThan(0)
    expect([statistic(first, 'pathMtuGuessed'), statistic(first, 'rtoTimeouts')]).toEqual([0, 0])
    await sendToFar(scene())
    expect(statistic(await scene().service.statistics(), 'pathMtuTold')).toBe(statistic(first, 'pathMtuTold'))
  })

  test('nobody at an address behind the router, nor at a port -> EHOSTUNREACH, ECONNREFUSED', async () => {
    const nobody = await scene().tas.connect('10.78.0.77', 9)
    expect(nobody.closedCode).toBe('EHOSTUNREACH')
    expect((await scene().tas.connect(FAR_ADDRESS, 9)).closedCode).toBe('ECONNREFUSED')
  })

  test('port forbidden by a router -> EHOSTUNREACH at once (RFC 1122, 4.2.3.9)', async () => {
    await scene().lab.peer.run('ip', ['rule', 'add', 'to', FAR_ADDRESS, 'ipproto', 'tcp', 'dport', '99', 'pref', '1', 'prohibit'])
    const startMs = performance.now()
    expect((await scene().tas.connect(FAR_ADDRESS, 99)).closedCode).toBe('EHOSTUNREACH')
    expect(performance.now() - startMs).toBeLessThan(2000)
  })

  test('ping of 4,000 bytes, in fragments both ways -> answered (RFC 1122, 3.2.2.6)', async () => {
    for (const from of [scene().lab.peer, scene().end]) {
      expect(await from.run('ping', ['-c', '3', '-i', '0.2', '-W', '2', '-s', '4000', TAS_ADDRESS])).toMatch(/ 0% packet loss/)
    }
    expect(await scene().end.run('ping', ['-c', '2', '-i', '0.2', '-W', '2', '-s', '60000', TAS_ADDRESS])).toMatch(/ 0% packet loss/)
    expect(await scene().end.run('ping', ['-c', '2', '-i', '0.2', '-W', '2', '-s', '1400', TAS_ADDRESS])).toMatch(/ 0% packet loss/)
    const statistics = await scene().service.statistics()
    expect(statistic(statistics, 'datagramsReassembled')).toBe(8)
    expect(statistic(statistics, 'dropFragments')).toBe(0)
  })
})

describePath('router that drops in silence', true, (scene) => {
  test('bulk from TAS -> all of it: the segments get smaller; probes are lost until the path is whole again (RFC 4821)', async () => {
    const send = await openToFar(scene())
    await send()
    const statistics = await scene().service.statistics()
    expect([statistic(statistics, 'pathMtuTold'), statistic(statistics, 'pathMtuGuessed') > 0]).toEqual([0, true])
    await sendUntil(scene(), send, 'mtuProbesLost')
    await setPathMtu(scene().lab.peer, 1500)
    await sendUntil(scene(), send, 'pathMtuRaised')
  }, 180_000)
})
