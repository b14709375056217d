/** Several workers on one interface, and connections that change their worker under load. */
import { expect, test } from 'vitest'
import { compiled, loadFailure, startLoad, startProcess, statistic, TAS_ADDRESS } from '../../tools/netlab/index.js'
import { bulkToLinux, bulkToTas, echoRandomSizes } from './exchange.js'
import { describeHosts, type Hosts } from './harness.js'
import { openFromLinux, openFromTas, type Pair } from './pairs.js'
import { testRandom } from './random.js'

const BULK_BYTES = 16 << 20
const PAIRS = 8

async function openPairs(hosts: Hosts): Promise<Pair[]> {
  const pairs: Pair[] = []
  for (let i = 0; i < PAIRS; i++) pairs.push(await (i % 2 === 0 ? openFromLinux(hosts) : openFromTas(hosts)))
  return pairs
}

/** Packets that each worker has received. */
async function received({ service }: Hosts): Promise<number[]> {
  const workers = (await service.statistics())['workers']
  if (!Array.isArray(workers)) throw new Error('tas stat tells of no workers')
  return workers.map((worker: unknown) => statistic(worker, 'rxPackets'))
}

function exchanges(hosts: () => Hosts): void {
  test('bulk both ways on several connections -> every byte right, both workers have had frames', async () => {
    const random = testRandom()
    const pairs = await openPairs(hosts())
    for (const pair of pairs) await echoRandomSizes(hosts(), pair, random)
    await Promise.all(pairs.flatMap((pair) => [bulkToTas(hosts(), pair, BULK_BYTES / 4, random), bulkToLinux(hosts(), pair, BULK_BYTES / 4, random)]))
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
    const client = lab.peer
    const load = startLoad(client, { mode: 'verify', address: TAS_ADDRESS, connections: 1000, size: 8192, rounds: 4, seed: testRandom().seed })
    const result = await load.result()
    expect(loadFailure(result)).toBeNull()
    expect([result.opened, result.requests]).toEqual([1000, 4000])
    await server.stop()
  })
}

describeHosts('two workers', { tasArgs: ['--fp-cores-max=2', '--fp-no-autoscale'] }, exchanges)
