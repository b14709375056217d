import { expect, test } from 'vitest'
import { statistic, until } from '../../tools/netlab/index.js'
import { describeHosts, type Hosts } from './harness.js'
import { openFromLinux } from './pairs.js'
import { sha256, testRandom } from './random.js'

const BYTES = 4 << 20
/** Looks in a row, 10 ms apart, that must see the same. */
const STEADY_LOOKS = 30

/** Waits until `value` has stopped changing. */
async function settled(what: string, value: () => number): Promise<number> {
  let last = Number.NaN
  let same = 0
  await until(what, () => {
    const now = value()
    same = now === last ? same + 1 : 0
    last = now
    return same >= STEADY_LOOKS
  }, 20_000)
  return last
}

async function probes({ service }: Hosts): Promise<number> {
  const statistics = await service.statistics()
  return statistic(statistics, 'persistProbes') + statistic(statistics, 'windowProbes')
}

describeHosts('windows', {
  async prepare({ peer }) {
    // A small receive buffer that the kernel does not enlarge: its window closes soon.
    await peer.sysctl('net.ipv4.tcp_rmem', '4096 65536 131072')
  },
}, hosts => {
  test('ESTABLISHED: TAS stops reading -> Linux must wait; reads on -> everything arrives', async () => {
    const { peer } = hosts()
    const { socket, remote } = await openFromLinux(hosts())
    socket.stopReading()
    const sent = peer.call('sendRandom', remote, BYTES, testRandom().u32())
    const held = await settled('the window closes', () => socket.available)
    expect(held).toBeGreaterThan(0)
    expect(held).toBeLessThan(BYTES)
    socket.startReading()
    expect(sha256(await socket.read(BYTES))).toBe(await sent)
  })

  test('ESTABLISHED: Linux stops reading -> TAS probes the window; reads on -> everything arrives', async () => {
    const { peer } = hosts()
    const { socket, remote } = await openFromLinux(hosts())
    const bytes = testRandom().bytes(BYTES)
    const before = await probes(hosts())
    const written = socket.write(bytes)
    await until('a window probe', async () => await probes(hosts()) > before, 20_000)
    expect(await peer.call('readHash', remote, BYTES)).toBe(sha256(bytes))
    await written
  })
})
