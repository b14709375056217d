/** TAS behind a TAP device: the kernel of the same namespace is the peer. */
import { expect, test } from 'vitest'
import { PEER_ADDRESS, PREFIX_LENGTH, TAS_ADDRESS, TAS_INTERFACE, type Lab } from '../../tools/netlab/index.js'
import { bulkToLinux, bulkToTas, exchangeAll } from './exchange.js'
import { describeHosts, type Hosts } from './harness.js'
import { openFromLinux, openFromTas } from './pairs.js'
import { testRandom } from './random.js'

const TAP = 'tas-tap0'
const BULK_BYTES = 16 << 20

/** The kernel leaves the veth link and takes the peer's address on the TAP device. */
async function prepareDevices({ tas }: Lab): Promise<void> {
  await tas.run('ip', ['address', 'flush', 'dev', TAS_INTERFACE])
  await tas.run('ip', ['address', 'add', `${PEER_ADDRESS}/${PREFIX_LENGTH}`, 'dev', TAP])
}

function exchanges(hosts: () => Hosts): void {
  test('ping -> answered', async () => {
    const { lab } = hosts()
    expect(await lab.tas.run('ping', ['-c', '3', '-i', '0.2', '-W', '2', TAS_ADDRESS])).toMatch(/ 0% packet loss/)
  })

  test.for([['the kernel', openFromLinux], ['TAS', openFromTas]] as const)(
    'opened by %s: messages, bulk each way and both at once -> equal, closes in order',
    async ([, open]) => {
      const random = testRandom()
      const pair = await open(hosts())
      await exchangeAll(hosts(), pair, BULK_BYTES, random)
      await Promise.all([bulkToTas(hosts(), pair, BULK_BYTES, random), bulkToLinux(hosts(), pair, BULK_BYTES, random)])
      pair.socket.connection.close()
      await hosts().peer.call('end', pair.remote)
      expect(await pair.socket.closed()).toBe('')
    },
  )

  test('closed port -> ECONNREFUSED', async () => {
    await expect(hosts().peer.call('connect', TAS_ADDRESS, 9)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })
}

const ON_TAP = { nic: `tap:${TAP}`, needsTap: true, peerIn: 'tas', prepareDevices } as const

describeHosts('TAS on a TAP device', ON_TAP, exchanges)
describeHosts('TAS on a TAP device without offload', { ...ON_TAP, tasArgs: ['--fp-no-xsumoffload'] }, exchanges)
