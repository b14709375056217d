/**
 * --ip-source-route: a Linux host behind a Linux router. TAS knows no way to its network, so what arrives there has taken the source
 * route.
 *
 *   TAS 10.77.0.1 ---- 10.77.0.2  router  10.78.0.1 ---- 10.78.0.2  host
 */
import { expect, test } from 'vitest'
import {
  bringUp, createNamespace, createPair, Namespace, nativeProgram, run, statistic, TAS_ADDRESS, uniqueName, type Process,
} from '../../tools/netlab/index.js'
import { describeHosts, type Hosts } from './harness.js'
import { sha256, testRandom } from './random.js'
import { scale } from './scale.js'
import type { TasSocket } from './tasside.js'
import { killWorker, workerBack } from './worker.js'

const ROUTER_NEAR_TAS = '10.77.0.2'
const ROUTER_NEAR_HOST = '10.78.0.1'
const HOST = '10.78.0.2'
const BULK_BYTES = 4 << 20
const CONNECTIONS = 16
const PIECE_BYTES = 32_768
/** Pieces, of which there are 128 at least. */
const KILL_AFTER = 20
const PORT = 7000
/** The way that the answers of the host take: loose, by the router, to TAS. */
const WAY_BACK = /^83 ?07 ?04 ?0a4e0001/

interface Beyond {
  readonly host: Namespace
}

/** Makes the peer of `hosts` a router, and a host behind it. */
async function addHost({ lab, cleanup }: Hosts): Promise<Beyond> {
  const inner = await createNamespace(`${uniqueName('tas-e2e-route')}-host`, 'far0', cleanup)
  const outer = new Namespace(lab.peer.name, 'near0', cleanup)
  await createPair(outer, inner, 1500)
  await bringUp(outer, ROUTER_NEAR_HOST)
  await bringUp(inner, HOST)
  await run('ip', ['-n', inner.name, 'route', 'add', 'default', 'via', ROUTER_NEAR_HOST])
  await lab.peer.sysctl('net.ipv4.ip_forward', 1)
  for (const namespace of [lab.peer, inner]) {
    for (const name of ['all', 'default']) await namespace.sysctl(`net.ipv4.conf.${name}.accept_source_route`, 1)
  }
  for (const name of [lab.peer.interface, 'near0']) await lab.peer.sysctl(`net.ipv4.conf.${name}.accept_source_route`, 1)
  await inner.sysctl('net.ipv4.conf.far0.accept_source_route', 1)
  return { host: inner }
}

function play({ host }: Beyond, args: readonly string[]): Process {
  return host.start('route_peer', { command: nativeProgram('route_peer'), args })
}

/** Sends back `len` bytes in pieces; `each` is called after each of them. */
async function echo(socket: TasSocket, len: number, each: () => Promise<void> = async () => {}): Promise<void> {
  for (let done = 0; done < len;) {
    await socket.wait('bytes', () => socket.available > 0)
    const bytes = await socket.read(Math.min(socket.available, PIECE_BYTES, len - done))
    await socket.write(bytes)
    done += bytes.length
    await each()
  }
}

function withRoutes(hosts: () => Hosts): void {
  let beyond: Beyond | null = null
  const there = async (): Promise<Beyond> => beyond ??= await addHost(hosts())

  test('Linux connects by its route, bulk both ways, the worker killed meanwhile -> every byte, by the way back (RFC 9293: MUST-53)', async () => {
    const { tas, service } = hosts()
    const listener = await tas.listen(PORT)
    const peer = play(await there(), ['connect', TAS_ADDRESS, String(PORT), String(BULK_BYTES), ROUTER_NEAR_HOST])
    const socket = await tas.accept(listener)
    let pieces = 0
    await echo(socket, BULK_BYTES, async () => {
      if (pieces++ === KILL_AFTER) await workerBack(service, await killWorker(service))
    })
    await socket.wait('the end', () => socket.rxClosed)
    socket.connection.close()
    await peer.success()
    expect(await socket.closed()).toBe('')
    listener.close()
  })

  test('TAS connects by a route that the program names -> every byte there and back; Linux answers by it (MUST-51)', async () => {
    const { tas } = hosts()
    const peer = play(await there(), ['listen', String(PORT)])
    await peer.line(/listening/)
    const socket = await tas.connect(HOST, PORT, { sourceRoute: { hops: [ROUTER_NEAR_TAS] } })
    expect(socket.closedCode).toBeNull()
    const bytes = testRandom().bytes(BULK_BYTES)
    const [, received] = await Promise.all([socket.write(bytes), socket.read(bytes.length)])
    expect(sha256(received)).toBe(sha256(bytes))
    socket.connection.close()
    await peer.success()
    expect(peer.lines.at(-2)).toMatch(WAY_BACK)
    expect(await socket.closed()).toBe('')
  })
}

describeHosts('source routes', { tasArgs: ['--ip-source-route'] }, withRoutes)
describeHosts('source routes, without offload', { tasArgs: ['--ip-source-route', '--fp-no-xsumoffload'] }, withRoutes)

describeHosts('source routes, three workers', { tasArgs: ['--ip-source-route', '--fp-cores-max=3'] }, hosts => {
  test('Linux connects by its route, connections move between workers meanwhile -> every byte, by the way back', async () => {
    const { tas, service } = hosts()
    const beyond = await addHost(hosts())
    const listener = await tas.listen(PORT)
    // So many that two thirds of all groups are as good as certain to have one of them.
    const peers = Array.from({ length: CONNECTIONS }, () =>
      play(beyond, ['connect', TAS_ADDRESS, String(PORT), String(BULK_BYTES / CONNECTIONS), ROUTER_NEAR_HOST]))
    let pieces = 0
    await Promise.all(peers.map(async peer => {
      const socket = await tas.accept(listener)
      await echo(socket, BULK_BYTES / CONNECTIONS, async () => {
        if (pieces++ % KILL_AFTER === 0) await scale(hosts(), String(1 + 2 * (Math.floor(pieces / KILL_AFTER) & 1)))
      })
      await socket.wait('the end', () => socket.rxClosed)
      socket.connection.close()
      await peer.success()
    }))
    expect(statistic(await service.statistics(), 'flowsMoved')).toBeGreaterThan(0)
    listener.close()
  })
})

describeHosts('no source routes', {}, hosts => {
  test('Linux connects by a route -> no answer, counted; a program names one -> EPERM', async () => {
    const { tas, service } = hosts()
    const listener = await tas.listen(PORT)
    const peer = play(await addHost(hosts()), ['connect', TAS_ADDRESS, String(PORT), '1', ROUTER_NEAR_HOST])
    const socket = await tas.connect(ROUTER_NEAR_TAS, PORT, { sourceRoute: { hops: [ROUTER_NEAR_TAS] } })
    expect(socket.closedCode).toBe('EPERM')
    await expect.poll(async () => statistic(await service.statistics(), 'dropSourceRoute'), { timeout: 10_000 }).toBeGreaterThan(1)
    await peer.stop()
    listener.close()
  })
})
