/** --kni-name: TAS and the host's kernel share one interface and one address. */
import { expect, test } from 'vitest'
import { PEER_ADDRESS, PREFIX_LENGTH, statistic, TAS_ADDRESS, TAS_INTERFACE, type Lab } from '../../tools/netlab/index.js'
import { bulkToLinux, bulkToTas, echoRandomSizes, exchangeAll } from './exchange.js'
import { describeHosts, type Hosts } from './harness.js'
import { openFromLinux, openFromTas } from './pairs.js'
import { Peer } from './peer.js'
import { testRandom } from './random.js'

const KNI = 'tas-kni0'
const BULK_BYTES = 16 << 20

/** The kernel takes TAS's address on its TAP device and leaves the interface to TAS. */
async function prepareDevices({ tas }: Lab): Promise<void> {
  // Otherwise it answers ARP requests for its address on the TAP device with the interface's MAC address, too.
  await tas.sysctl(`net.ipv4.conf.${TAS_INTERFACE}.arp_ignore`, 1)
  await tas.run('ip', ['address', 'flush', 'dev', TAS_INTERFACE])
  await tas.run('ip', ['address', 'add', `${TAS_ADDRESS}/${PREFIX_LENGTH}`, 'dev', KNI])
}

/** `len` bytes each way between two kernels. */
async function bulkBothWays(a: Peer, atA: number, b: Peer, atB: number): Promise<void> {
  const random = testRandom()
  const [sentA, gotB] = await Promise.all([a.call('sendRandom', atA, BULK_BYTES, random.u32()), b.call('readHash', atB, BULK_BYTES)])
  expect(gotB).toBe(sentA)
  const [sentB, gotA] = await Promise.all([b.call('sendRandom', atB, BULK_BYTES, random.u32()), a.call('readHash', atA, BULK_BYTES)])
  expect(gotA).toBe(sentB)
}

function exchanges(hosts: () => Hosts): void {
  /** The kernel beside TAS. */
  let host: Peer | null = null
  const beside = (): Peer => (host ??= Peer.start(hosts().lab.tas))

  test('ping -> the kernel answers', async () => {
    const { lab, service } = hosts()
    expect(await lab.peer.run('ping', ['-c', '3', '-i', '0.2', '-W', '2', TAS_ADDRESS])).toMatch(/ 0% packet loss/)
    const statistics = await service.statistics()
    expect(statistic(statistics, 'icmpEchoes')).toBe(0)
    expect(statistic(statistics, 'toHostKernel')).toBeGreaterThanOrEqual(3)
    expect(statistic(statistics, 'fromHostKernel')).toBeGreaterThanOrEqual(3)
  })

  test('ping with 20,000 bytes, in fragments -> the kernel answers', async () => {
    expect(await hosts().lab.peer.run('ping', ['-c', '3', '-i', '0.2', '-W', '2', '-s', '20000', TAS_ADDRESS])).toMatch(/ 0% packet loss/)
  })

  test('TCP server of the kernel: connected to from the peer -> bulk both ways equal', async () => {
    const { peer } = hosts()
    const port = await beside().call('listen', 0)
    const remote = await peer.call('connect', TAS_ADDRESS, port)
    await bulkBothWays(peer, remote, beside(), await beside().call('accept', port))
  })

  test('the kernel connects to the peer -> bulk both ways equal', async () => {
    const { peer } = hosts()
    const port = await peer.call('listen', 0)
    const socket = await beside().call('connect', PEER_ADDRESS, port)
    await bulkBothWays(beside(), socket, peer, await peer.call('accept', port))
  })

  test('UDP of any length, to and from the kernel -> the same comes back', async () => {
    const { peer } = hosts()
    const random = testRandom()
    for (const [from, to, address] of [[peer, beside(), TAS_ADDRESS], [beside(), peer, PEER_ADDRESS]] as const) {
      const port = await to.call('udpEcho')
      for (const len of [1, 17, 1472, 1473, 9000, 60_000]) {
        const bytes = random.bytes(len)
        expect(Buffer.compare(await from.call('udpExchange', address, port, bytes), bytes)).toBe(0)
      }
    }
  })

  test.for([['Linux', openFromLinux], ['TAS', openFromTas]] as const)(
    'TAS beside it, opened by %s: messages and bulk -> equal',
    async ([, open]) => {
      const random = testRandom()
      const pair = await open(hosts())
      await exchangeAll(hosts(), pair, BULK_BYTES, random)
    },
  )

  test('both at once -> both equal', async () => {
    const { peer } = hosts()
    const random = testRandom()
    const pair = await openFromLinux(hosts())
    const port = await beside().call('listen', 0)
    const remote = await peer.call('connect', TAS_ADDRESS, port)
    await Promise.all([
      bulkBothWays(peer, remote, beside(), await beside().call('accept', port)),
      bulkToTas(hosts(), pair, BULK_BYTES, random), bulkToLinux(hosts(), pair, BULK_BYTES, random),
    ])
  })

  test('port that neither has -> the kernel refuses; one that TAS has closed -> refused as well', async () => {
    const { tas, peer } = hosts()
    await expect(peer.call('connect', TAS_ADDRESS, 9)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    const listener = await tas.listen(7200)
    expect(await peer.call('connect', TAS_ADDRESS, 7200)).toBeGreaterThanOrEqual(0)
    await tas.accept(listener)
    listener.close()
    await expect.poll(() => peer.call('connect', TAS_ADDRESS, 7200).catch((error: { code?: string }) => error.code)).toBe('ECONNREFUSED')
  })

  test('TAS and the kernel listen on one port -> TAS is reached', async () => {
    const { tas, peer } = hosts()
    const port = await beside().call('listen', 0)
    const listener = await tas.listen(port)
    const remote = await peer.call('connect', TAS_ADDRESS, port)
    const socket = await tas.accept(listener)
    await peer.call('write', remote, Buffer.from('whose?'))
    expect((await socket.read(6)).toString()).toBe('whose?')
  })

  test('a peer that has to ask for the address first -> reaches TAS and the kernel', async () => {
    const { lab, peer } = hosts()
    for (let round = 0; round < 3; round++) {
      await lab.peer.run('ip', ['neighbour', 'flush', 'dev', lab.peer.interface])
      await echoRandomSizes(hosts(), await openFromLinux(hosts()), testRandom())
      await peer.call('connect', TAS_ADDRESS, await beside().call('listen', 0))
    }
  })

  test('the kernel leaves its device -> TAS answers for the address itself', async () => {
    const { lab } = hosts()
    await lab.tas.run('ip', ['link', 'set', KNI, 'down'])
    await lab.peer.run('ip', ['neighbour', 'flush', 'dev', lab.peer.interface])
    const random = testRandom()
    await echoRandomSizes(hosts(), await openFromLinux(hosts()), random)
    await lab.tas.run('ip', ['link', 'set', KNI, 'up'])
    await echoRandomSizes(hosts(), await openFromTas(hosts()), random)
    expect(await lab.peer.run('ping', ['-c', '3', '-i', '0.2', '-W', '2', TAS_ADDRESS])).toMatch(/ 0% packet loss/)
  })
}

const SHARED = { needsTap: true, prepareDevices, tasArgs: [`--kni-name=${KNI}`] }

describeHosts('interface shared with the kernel', SHARED, exchanges)
describeHosts('interface shared with the kernel, without offload',
  { ...SHARED, tasArgs: [...SHARED.tasArgs, '--fp-no-xsumoffload'] }, exchanges)
