import { expect, test } from 'vitest'
import { exchangeAll } from './exchange.js'
import { describeHosts, type HostOptions, type Hosts } from './harness.js'
import { openFromLinux, openFromTas } from './pairs.js'
import { testRandom } from './random.js'

const BULK_BYTES = 4 << 20

/** Everything that must work whatever the peer can or cannot do. */
function exchanges(hosts: () => Hosts): void {
  const ways = [['Linux', openFromLinux], ['TAS', openFromTas]] as const
  test.for(ways)('opened by %s: messages and bulk -> equal', async ([, open]) => {
    const random = testRandom()
    const pair = await open(hosts())
    await exchangeAll(hosts(), pair, BULK_BYTES, random)
  })
}

function peerSysctl(name: string, value: string | number): HostOptions {
  return { prepare: ({ peer }) => peer.sysctl(name, value) }
}

describeHosts('peer without timestamps', peerSysctl('net.ipv4.tcp_timestamps', 0), exchanges)
describeHosts('peer without window scaling', peerSysctl('net.ipv4.tcp_window_scaling', 0), exchanges)
describeHosts('peer without SACK', peerSysctl('net.ipv4.tcp_sack', 0), exchanges)
describeHosts('peer with Reno', peerSysctl('net.ipv4.tcp_congestion_control', 'reno'), exchanges)
describeHosts('tas without checksum offload', { tasArgs: ['--fp-no-xsumoffload'] }, exchanges)

describeHosts('link with an MTU of 576', { mtu: 576 }, hosts => {
  exchanges(hosts)

  test('MSS: small on both sides -> honoured', async () => {
    const { socket } = await openFromLinux(hosts())
    expect(socket.connection.mss).toBeLessThanOrEqual(536)
  })
})

describeHosts('peer that announces a small MSS', {
  async prepare({ peer }) {
    await peer.run('ip', ['route', 'replace', '10.77.0.0/24', 'dev', peer.interface, 'advmss', '200'])
  },
}, hosts => {
  exchanges(hosts)

  test('MSS: the peer announces 200 -> honoured', async () => {
    const { socket } = await openFromLinux(hosts())
    expect(socket.connection.mss).toBeLessThanOrEqual(200)
  })
})
