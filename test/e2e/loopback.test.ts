/** Programs on one tas that talk to each other, over several addresses. */
import { expect, test } from 'vitest'
import { compiled, startProcess, statistic, TAS_ADDRESS, until, type Process } from '../../tools/netlab/index.js'
import { describeHosts, type HostOptions, type Hosts } from './harness.js'
import { sha256, testRandom } from './random.js'
import type { Random } from './seeded.js'
import type { TasSocket } from './tasside.js'
import { killWorker, workerBack } from './worker.js'

/** A second address of TAS, on a network of its own. */
const OTHER_ADDRESS = '10.77.1.1'
const ECHO_PORT = 7000
const BULK_BYTES = 32 << 20
const CONNECTIONS = 200

async function listeners({ service }: Hosts): Promise<number> {
  return statistic((await service.statistics())['slow'], 'listeners')
}

/** The echo example as a program of its own. */
async function startEcho(hosts: Hosts): Promise<Process> {
  const { service, cleanup } = hosts
  const echo = startProcess('echo', {
    command: process.execPath, args: [compiled('examples/echo.js'), `--port=${ECHO_PORT}`], env: service.env,
  }, cleanup)
  await until('it listens', async () => await listeners(hosts) === 1)
  return echo
}

/** Sends `len` bytes and reads as many; they must be the same. */
async function echo(socket: TasSocket, len: number, random: Random): Promise<void> {
  const bytes = random.bytes(len)
  const [, received] = await Promise.all([socket.write(bytes), socket.read(len)])
  expect(sha256(received)).toBe(sha256(bytes))
}

async function expectNothingLeft({ service }: Hosts): Promise<void> {
  await until('no flow is left', async () => {
    const { slow, workers } = await service.statistics()
    return statistic(slow, 'flowsEstablished') + statistic(slow, 'flowsClosing') + statistic(slow, 'bufferBytes') === 0
      && statistic(workers, 'flows') === 0
  })
}

function exchanges(hosts: () => Hosts): void {
  test('two programs: small messages and bulk -> every byte, by the loop port only', async () => {
    const random = testRandom()
    const { tas, service } = hosts()
    const server = await startEcho(hosts())
    const before = statistic((await service.statistics())['workers'], 'txBytes')
    const socket = await tas.connect(TAS_ADDRESS, ECHO_PORT)
    expect([socket.closedCode, socket.connection.localAddress]).toEqual([null, TAS_ADDRESS])
    for (let i = 0; i < 100; i++) await echo(socket, random.between(1, 20_000), random)
    await echo(socket, BULK_BYTES, random)
    socket.connection.close()
    expect(await socket.closed()).toBe('')
    const { workers } = await service.statistics()
    expect(statistic(workers, 'loopBytes')).toBeGreaterThan(2 * BULK_BYTES)
    expect(statistic(workers, 'txPackets') + statistic(workers, 'rxPackets')).toBeLessThan(100)
    expect(statistic(workers, 'txBytes') - before).toBeGreaterThan(2 * BULK_BYTES)
    await expectNothingLeft(hosts())
    await server.stop()
  })

  test('a program with itself, over both addresses -> every byte', async () => {
    const random = testRandom()
    const { tas } = hosts()
    const listener = await tas.listen(7001)
    for (const address of [TAS_ADDRESS, OTHER_ADDRESS]) {
      const near = await tas.connect(address, 7001)
      const far = await tas.accept(listener)
      expect([far.connection.remoteAddress, far.connection.localAddress]).toEqual([address, address])
      const [toFar, toNear] = [random.bytes(4 << 20), random.bytes(4 << 20)]
      const [, , a, b] = await Promise.all([near.write(toFar), far.write(toNear), far.read(toFar.length), near.read(toNear.length)])
      expect([sha256(a), sha256(b)]).toEqual([sha256(toFar), sha256(toNear)])
      near.connection.close()
      far.connection.close()
      expect([await near.closed(), await far.closed()]).toEqual(['', ''])
    }
    listener.close()
    await expectNothingLeft(hosts())
  })

  test('nobody listens -> ECONNREFUSED; 127.0.0.1 is the host\'s, not TAS\'s -> ENETUNREACH', async () => {
    const { tas } = hosts()
    expect((await tas.connect(TAS_ADDRESS, 9)).closedCode).toBe('ECONNREFUSED')
    expect((await tas.connect('127.0.0.1', 9)).closedCode).toBe('ENETUNREACH')
  })
}

const OPTIONS: HostOptions = {
  tasArgs: [`--ip-addr=${OTHER_ADDRESS}/24`],
  async prepare({ peer }) {
    await peer.run('ip', ['route', 'add', '10.77.1.0/24', 'dev', peer.interface])
  },
}

describeHosts('loopback', OPTIONS, hosts => {
  exchanges(hosts)

  test(`${CONNECTIONS} connections, Linux beside them -> every byte, all close`, async () => {
    const random = testRandom()
    const { tas, peer } = hosts()
    const server = await startEcho(hosts())
    const remote = await peer.call('connect', TAS_ADDRESS, ECHO_PORT)
    const outside = random.bytes(1 << 20)
    const sockets = await Promise.all(Array.from({ length: CONNECTIONS }, () => tas.connect(TAS_ADDRESS, ECHO_PORT)))
    const [, back] = await Promise.all([
      peer.call('write', remote, outside), peer.call('read', remote, outside.length),
      ...sockets.map(socket => echo(socket, random.between(1, 100_000), random)),
    ])
    expect(sha256(back)).toBe(sha256(outside))
    for (const socket of sockets) socket.connection.close()
    expect(new Set(await Promise.all(sockets.map(socket => socket.closed())))).toEqual(new Set(['']))
    await peer.call('end', remote)
    await expectNothingLeft(hosts())
    await server.stop()
  })

  test('the worker is killed in the middle -> every byte all the same', async () => {
    const random = testRandom()
    const { tas, service } = hosts()
    const server = await startEcho(hosts())
    const socket = await tas.connect(TAS_ADDRESS, ECHO_PORT)
    const exchange = echo(socket, BULK_BYTES, random)
    await until('it is under way', () => socket.available > 0)
    await workerBack(service, await killWorker(service))
    await exchange
    socket.connection.close()
    expect(await socket.closed()).toBe('')
    await server.stop()
  })

  test('the server program is killed -> its connections are reset', async () => {
    const { tas, service } = hosts()
    const server = await startEcho(hosts())
    const socket = await tas.connect(TAS_ADDRESS, ECHO_PORT)
    await echo(socket, 1_000, testRandom())
    await server.stop('SIGKILL')
    expect(await socket.closed()).toBe('ECONNRESET')
    await until('its flows are gone', async () => statistic((await service.statistics())['workers'], 'flows') === 0)
  })

  test('Linux asks for the second address -> ARP, echo and TCP from it', async () => {
    const { lab, tas, peer } = hosts()
    expect(await lab.peer.run('ping', ['-n', '-c', '2', '-i', '0.2', '-W', '2', OTHER_ADDRESS])).toMatch(/2 received/)
    const listener = await tas.listen(7002)
    const remote = await peer.call('connect', OTHER_ADDRESS, 7002)
    const socket = await tas.accept(listener)
    expect(socket.connection.localAddress).toBe(OTHER_ADDRESS)
    await peer.call('write', remote, Buffer.from('second'))
    expect((await socket.read(6)).toString()).toBe('second')
    listener.close()
    socket.connection.close()
    await peer.call('end', remote)
  })
})

describeHosts('loopback without offload', { tasArgs: [...OPTIONS.tasArgs ?? [], '--fp-no-xsumoffload'] }, exchanges)
describeHosts('loopback beside a TAP device', { ...OPTIONS, nic: 'tap:tas-tap1', needsTap: true }, exchanges)
