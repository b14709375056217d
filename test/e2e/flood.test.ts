/** tas under floods, with a Linux client that wants to be served all the same. */
import { expect, test } from 'vitest'
import { type FloodKind, PEER_ADDRESS, startFlood, statistic, type Statistics, TAS_ADDRESS } from '../../tools/netlab/index.js'
import { describeHosts, type Hosts } from './harness.js'

const MAC = '02:54:41:53:00:01'
/** Made-up sources are off the link; answers to them go to the peer, which drops them. */
const TAS_ARGS = [`--mac=${MAC}`, `--ip-route=0.0.0.0/0,${PEER_ADDRESS}`]
/** Frames a second: as many as a busy machine with two CPUs still makes. */
const RATE = 30_000
/** Connections during a flood, which ends with the last of them. */
const TIMES = 5
const LONGEST_SECONDS = 120

/** One connection: a message there and back. */
async function serveOne({ tas, peer }: Hosts, listener: Awaited<ReturnType<Hosts['tas']['listen']>>, port: number): Promise<void> {
  const remote = await peer.call('connect', TAS_ADDRESS, port)
  await peer.call('write', remote, Buffer.from('ping'))
  const socket = await tas.accept(listener)
  expect((await socket.read(4)).toString()).toBe('ping')
  await socket.write(Buffer.from('pong'))
  expect(Buffer.from(await peer.call('read', remote, 4)).toString()).toBe('pong')
  socket.connection.close()
  await peer.call('ended', remote)
  await peer.call('end', remote)
}

/** Floods until `isFelt`, then connects again and again before the flood ends. */
async function serveDuring(hosts: Hosts, port: number, kind: FloodKind, isFelt: (statistics: Statistics) => boolean): Promise<void> {
  const listener = await hosts.tas.listen(port)
  const flood = startFlood(hosts.lab.peer, { kind, address: TAS_ADDRESS, port, mac: MAC, seconds: LONGEST_SECONDS, rate: RATE })
  await flood.begun()
  await expect.poll(async () => isFelt(await hosts.service.statistics()), { timeout: 20_000 }).toBe(true)
  for (let i = 0; i < TIMES; i++) await serveOne(hosts, listener, port)
  await flood.process.stop()
}

describeHosts('floods', { tasArgs: TAS_ARGS }, hosts => {
  test('SYN flood from made-up addresses -> every connection of a Linux client succeeds, by cookies (RFC 4987)', { timeout: 90_000 }, async () => {
    await serveDuring(hosts(), 6001, 'syn', (statistics) => statistic(statistics, 'synCookiesSent') > 100)
    expect(statistic(await hosts().service.statistics(), 'synCookiesReceived')).toBeGreaterThan(0)
  })

  test.for(['ack', 'rst', 'ping', 'garbage'] as const)('%s flood -> every connection of a Linux client succeeds', { timeout: 90_000 }, async (kind) => {
    const port = { ack: 6002, rst: 6003, ping: 6004, garbage: 6005 }[kind]
    const before = statistic(await hosts().service.statistics(), 'rxPackets')
    await serveDuring(hosts(), port, kind, (statistics) => statistic(statistics, 'rxPackets') > before + 5000)
  })
})
