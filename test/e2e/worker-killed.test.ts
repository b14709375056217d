/** A worker that is killed is replaced on the same state region, and nobody notices but by the clock. */
import { expect, test } from 'vitest'
import { pause, statistic, TAS_ADDRESS, until } from '../../tools/netlab/index.js'
import { bulkToLinux, bulkToTas, echoRandomSizes } from './exchange.js'
import { describeHosts, type Hosts } from './harness.js'
import { openFromLinux, openFromTas, type Pair } from './pairs.js'
import { testRandom } from './random.js'
import { TasSide } from './tasside.js'
import { killWorker, workerBack } from './worker.js'

const PAIRS = 6
const BULK_BYTES = 24 << 20
/** Four deaths within ten seconds are allowed (service/restartpolicy.ts). */
const KILLS = 4

async function openPairs(hosts: Hosts): Promise<Pair[]> {
  const pairs: Pair[] = []
  for (let i = 0; i < PAIRS; i++) pairs.push(await (i % 2 === 0 ? openFromLinux(hosts) : openFromTas(hosts)))
  return pairs
}

async function flows({ service }: Hosts): Promise<number> {
  return statistic((await service.statistics())['slow'], 'flowsEstablished')
}

async function closeAll(hosts: Hosts, pairs: readonly Pair[]): Promise<void> {
  await Promise.all(pairs.map(async ({ socket, remote }) => {
    socket.connection.close()
    await hosts.peer.call('end', remote)
    expect(await socket.closed()).toBe('')
  }))
  await until('no flow is left', async () => await flows(hosts) === 0)
  expect(statistic((await hosts.service.statistics())['slow'], 'bufferBytes')).toBe(0)
}

describeHosts('worker killed under load', {}, hosts => {
  test('bulk both ways on several connections, killed again and again -> every byte right, all close, nothing left', async () => {
    const random = testRandom()
    const pairs = await openPairs(hosts())
    let done = false
    const exchanges = Promise.all(pairs.flatMap(pair => [
      bulkToTas(hosts(), pair, BULK_BYTES, random), bulkToLinux(hosts(), pair, BULK_BYTES, random),
    ])).finally(() => { done = true })
    let kills = 0
    for (; kills < KILLS && !done; kills++) {
      await pause(random.between(20, 300))
      await workerBack(hosts().service, await killWorker(hosts().service))
    }
    await exchanges
    expect(kills).toBeGreaterThanOrEqual(2)
    await closeAll(hosts(), pairs)
  })
})

describeHosts('worker killed while idle', {}, hosts => {
  test('open connections without traffic -> they go on, and new ones open both ways', async () => {
    const random = testRandom()
    const old = await openPairs(hosts())
    for (const pair of old) await echoRandomSizes(hosts(), pair, random)
    await workerBack(hosts().service, await killWorker(hosts().service))
    for (const pair of old) await echoRandomSizes(hosts(), pair, random)
    const pairs = [...old, ...await openPairs(hosts())]
    for (const pair of pairs.slice(old.length)) await echoRandomSizes(hosts(), pair, random)
    await closeAll(hosts(), pairs)
  })

  test('a listener with connections nobody has accepted yet -> accepted after it, their bytes are there', async () => {
    const { service, tas, peer } = hosts()
    const listener = await tas.listen(7100)
    const remote = await peer.call('connect', TAS_ADDRESS, 7100)
    await peer.call('write', remote, Buffer.from('before'))
    await workerBack(service, await killWorker(service))
    await peer.call('write', remote, Buffer.from(' and after'))
    const socket = await tas.accept(listener)
    expect((await socket.read(16)).toString()).toBe('before and after')
    listener.close()
    await closeAll(hosts(), [{ socket, remote }])
  })
})

describeHosts('worker killed while applications come and go', {}, hosts => {
  test('no worker: a program connects, listens and is connected to -> served by the next worker', async () => {
    const { service, peer, cleanup } = hosts()
    const random = testRandom()
    const killed = await killWorker(service)
    const program = new TasSide(service.socket)
    cleanup.add('late program', () => program.close())
    const late = { ...hosts(), tas: program }
    const pairs = [await openFromLinux(late), await openFromTas(late)]
    for (const pair of pairs) {
      await echoRandomSizes(late, pair, random)
      await bulkToLinux(late, pair, 4 << 20, random)
    }
    await workerBack(service, killed)
    await closeAll(late, pairs)
    expect(await peer.call('listen', 0)).toBeGreaterThan(0)
  })

  test('no worker: a program with open connections ends -> its peers get RST, others go on, nothing of it is left', async () => {
    const { service, peer } = hosts()
    const random = testRandom()
    const staying = await openFromLinux(hosts())
    const program = new TasSide(service.socket)
    const leaving = { ...hosts(), tas: program }
    const gone = [await openFromLinux(leaving), await openFromTas(leaving)]
    const sending = bulkToTas(hosts(), staying, BULK_BYTES, random)
    const ends = gone.map(({ remote }) => peer.call('closed', remote))
    const killed = await killWorker(service)
    program.close()
    expect(await Promise.all(ends)).toEqual(['ECONNRESET', 'ECONNRESET'])
    await sending
    await workerBack(service, killed)
    await echoRandomSizes(hosts(), staying, random)
    await closeAll(hosts(), [staying])
    // Hosts' own program, and the late one of the test before.
    await until('its region is given back', async () => statistic((await service.statistics())['slow'], 'apps') <= 2)
  })
})

describeHosts('worker killed too often', {}, hosts => {
  test('five times in a row -> tas ends with 1, programs are told, no process is left', async () => {
    const { service } = hosts()
    const { socket } = await openFromLinux(hosts())
    for (let kills = 0, last = -1; kills < 5; kills++) {
      if (kills > 0) await workerBack(service, last)
      last = await killWorker(service)
    }
    expect(await service.process.exited).toEqual({ code: 1, signal: null })
    expect(['ENETDOWN', 'ESERVICEGONE']).toContain(await socket.closed())
  })
})
