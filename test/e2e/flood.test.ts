/** tas under floods, with a Linux client that wants to be served all the same. */
import { expect, test } from 'vitest'
import { type FloodKind, PEER_ADDRESS, startFlood, statistic, TAS_ADDRESS } from '../../tools/netlab/index.js'
import { describeHosts, type Hosts } from './harness.js'

const MAC = '02:54:41:53:00:01'
/** Made-up sources are off the link; answers to them go to the peer, which drops them. */
const TAS_ARGS = [`--mac=${MAC}`, `--ip-route=0.0.0.0/0,${PEER_ADDRESS}`]
const SECONDS = 4

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

/** Connects again and again while the flood lasts. Returns how often. */
async function serveDuring(hosts: Hosts, port: number, kind: FloodKind, options: { source?: string } = {}): Promise<number> {
  const listener = await hosts.tas.listen(port)
  const flood = startFlood(hosts.lab.peer, { kind, address: TAS_ADDRESS, port, mac: MAC, seconds: SECONDS, ...options })
  let isOver = false
  const sent = flood.sent().finally(() => { isOver = true })
  await flood.begun()
  let served = 0
  while (!isOver) {
    await serveOne(hosts, listener, port)
    served++
  }
  expect(await sent).toBeGreaterThan(1000)
  await serveOne(hosts, listener, port)
  return served
}

describeHosts('floods', { tasArgs: TAS_ARGS }, hosts => {
  test('SYN flood from made-up addresses -> every connection of a Linux client succeeds, by cookies (RFC 4987)', { timeout: 60_000 }, async () => {
    // A newcomer: its first SYN may be among those that are dropped, the second is not.
    expect(await serveDuring(hosts(), 6001, 'syn')).toBeGreaterThan(1)
    const statistics = await hosts().service.statistics()
    expect(statistic(statistics, 'synCookiesSent')).toBeGreaterThan(100)
    expect(statistic(statistics, 'synCookiesReceived')).toBeGreaterThan(0)
  })

  test.for(['ack', 'rst', 'ping', 'garbage'] as const)('%s flood -> every connection of a Linux client succeeds', { timeout: 60_000 }, async (kind) => {
    const port = { ack: 6002, rst: 6003, ping: 6004, garbage: 6005 }[kind]
    expect(await serveDuring(hosts(), port, kind)).toBeGreaterThan(1)
  })
})
