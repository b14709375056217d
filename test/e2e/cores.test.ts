/** Several workers on one interface, and connections that change their worker under load. */
import { expect, test } from 'vitest'
import {
  compiled, type Lab, loadFailure, PEER_ADDRESS, PREFIX_LENGTH, startLoad, startProcess, statistic, TAS_ADDRESS, TAS_INTERFACE, until,
} from '../../tools/netlab/index.js'
import { bulkToLinux, bulkToTas, echoRandomSizes } from './exchange.js'
import { describeHosts, type Hosts } from './harness.js'
import { openFromLinux, openFromTas, type Pair } from './pairs.js'
import { testRandom } from './random.js'
import { scale } from './scale.js'
import { killWorker, workerBack } from './worker.js'

const BULK_BYTES = 8 << 20
const PAIRS = 8
/** Of the number of workers, under traffic: four times round. */
const CHANGES = 12
const TAP = 'tas-tap2'

/** The kernel leaves the veth link and takes the peer's address on the TAP device. */
async function prepareDevices({ tas }: Lab): Promise<void> {
  await tas.run('ip', ['address', 'flush', 'dev', TAS_INTERFACE])
  await tas.run('ip', ['address', 'add', `${PEER_ADDRESS}/${PREFIX_LENGTH}`, 'dev', TAP])
}

const ON_TAP = { nic: `tap:${TAP}`, needsTap: true, peerIn: 'tas', prepareDevices } as const

async function openPairs(hosts: Hosts): Promise<Pair[]> {
  const pairs: Pair[] = []
  for (let i = 0; i < PAIRS; i++) pairs.push(await (i % 2 === 0 ? openFromLinux(hosts) : openFromTas(hosts)))
  return pairs
}

/** Sends `bytes` both ways on every connection; all are compared. */
async function bulk(hosts: Hosts, pairs: readonly Pair[], bytes: number, random: ReturnType<typeof testRandom>): Promise<void> {
  await Promise.all(pairs.flatMap((pair) => [bulkToTas(hosts, pair, bytes, random), bulkToLinux(hosts, pair, bytes, random)]))
}

/** Packets that each worker has received. */
async function received({ service }: Hosts): Promise<number[]> {
  const workers = (await service.statistics())['workers']
  if (!Array.isArray(workers)) throw new Error('tas stat tells of no workers')
  return workers.map((worker: unknown) => statistic(worker, 'rxPackets'))
}

function exchanges(hosts: () => Hosts, isOnTap = false): void {
  test('bulk both ways on several connections -> every byte right, both workers have had frames', async () => {
    const random = testRandom()
    const pairs = await openPairs(hosts())
    for (const pair of pairs) await echoRandomSizes(hosts(), pair, random)
    await bulk(hosts(), pairs, BULK_BYTES / 2, random)
    for (const packets of await received(hosts())) expect(packets).toBeGreaterThan(100)
    for (const { socket, remote } of pairs) {
      socket.connection.close()
      await hosts().peer.call('end', remote)
      expect(await socket.closed()).toBe('')
    }
  })

  test('1,000 connections at once: random messages -> every byte equal', async () => {
    const { lab, service, cleanup } = hosts()
    const server = startProcess('echo on TAS', { command: process.execPath, args: [compiled('bench/servers/tas.js')], env: service.env }, cleanup)
    await server.line(/ready/)
    const { seed } = testRandom()
    const load = startLoad(isOnTap ? lab.tas : lab.peer, { mode: 'verify', address: TAS_ADDRESS, connections: 1000, size: 8192, rounds: 4, seed })
    const result = await load.result()
    expect(loadFailure(result)).toBeNull()
    expect([result.opened, result.requests]).toEqual([1000, 4000])
    await server.stop()
  })
}

describeHosts('two workers', { tasArgs: ['--fp-cores-max=2', '--fp-no-autoscale'] }, (hosts) => exchanges(hosts))
describeHosts('two workers behind a TAP device', { ...ON_TAP, tasArgs: ['--fp-cores-max=2', '--fp-no-autoscale'] }, (hosts) => exchanges(hosts, true))

describeHosts('workers scaled by hand under load', { tasArgs: ['--fp-cores-max=3'] }, hosts => {
  test('bulk both ways, the number changes all the time -> every byte right, flows have moved, nothing left', async () => {
    const random = testRandom()
    const pairs = await openPairs(hosts())
    let changesLeft = CHANGES
    const traffic = (async () => {
      do await bulk(hosts(), pairs, BULK_BYTES, random)
      while (changesLeft > 0)
    })()
    try {
      for (let count = 1; changesLeft > 0; count = count % 3 + 1, changesLeft--) {
        const scaled = await scale(hosts(), String(count))
        expect([scaled.auto, scaled.active, scaled.workers.map(({ groups }) => groups > 0)]).toEqual([false, count, [true, count > 1, count > 2]])
      }
    } finally {
      changesLeft = 0
    }
    await traffic
    for (const pair of pairs) await echoRandomSizes(hosts(), pair, random)
    const { slow } = await hosts().service.statistics()
    expect(statistic(slow, 'flowsMoved')).toBeGreaterThan(PAIRS)
    for (const { socket, remote } of pairs) {
      socket.connection.close()
      await hosts().peer.call('end', remote)
      expect(await socket.closed()).toBe('')
    }
    await until('no flow is left', async () => statistic((await hosts().service.statistics())['slow'], 'flowsEstablished') === 0)
  })

  test('a worker is killed while its flows move -> every byte right', async () => {
    const random = testRandom()
    const pairs = await openPairs(hosts())
    const traffic = bulk(hosts(), pairs, BULK_BYTES, random)
    for (const count of ['3', '1', '2']) {
      await Promise.all([scale(hosts(), count), killWorker(hosts().service).then((killed) => workerBack(hosts().service, killed))])
    }
    await traffic
    for (const pair of pairs) await echoRandomSizes(hosts(), pair, random)
  })

  test('auto and no load -> back to one worker', async () => {
    expect((await scale(hosts(), '3')).active).toBe(3)
    expect((await scale(hosts(), 'auto')).auto).toBe(true)
    await until('one worker is left', async () => (await scale(hosts())).active === 1)
  })

  test('more than there are, nonsense -> an error, exit code 1 or 2, nothing changes', async () => {
    await expect(scale(hosts(), '4')).rejects.toThrow(/4 workers: there are 3/)
    await expect(scale(hosts(), 'many')).rejects.toThrow(/want a number of workers/)
    expect((await scale(hosts())).active).toBe(1)
  })
})
