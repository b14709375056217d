/** What makes a failing seed worth printing: the same seed gives the same run. */
import { expect, test } from 'vitest'
import type { SimHost } from './host.js'
import type { LinkFaults } from './network.js'
import { exchange, listen, start, twoHosts } from './scene.js'

const PORT = 80

/** A bottleneck with every fault that there is. */
const BAD_LINK: LinkFaults = {
  loss: 0.02, duplicate: 0.03, reorder: 0.1, reorderUs: 3000, corrupt: 0.01, delayUs: 2000, jitterUs: 500, rateKbps: 20_000,
  queue: { packets: 20, bytes: Infinity }, ecn: { packets: 5, bytes: Infinity }, burstLoss: { p: 0.01, r: 0.4, lossBad: 1, lossGood: 0 },
}

/** Every frame that arrives in an exchange over a bad link, with its time. */
function record(seed: number): string[] {
  const hosts = twoHosts(seed)
  const log: string[] = []
  const listenTo = (host: SimHost): void => {
    const receive = host.receive.bind(host)
    host.receive = (frame) => {
      log.push(`${hosts.net.nowUs} ${Buffer.from(frame).toString('hex')}`)
      receive(frame)
    }
  }
  listenTo(hosts.server)
  listenTo(hosts.client)
  const serving = start(hosts.server, 'server')
  const calling = start(hosts.client, 'client')
  const response = hosts.net.random.bytes(30_000)
  listen(hosts, serving, PORT, () => response)
  hosts.net.faults = BAD_LINK
  exchange(hosts, calling, serving, PORT, response)
  return log
}

test('two hosts on a bad bottleneck: the same seed -> every frame the same, at the same time', () => {
  const first = record(77)
  expect(first.length).toBeGreaterThan(50)
  expect(record(77)).toEqual(first)
  expect(record(78)).not.toEqual(first)
})
