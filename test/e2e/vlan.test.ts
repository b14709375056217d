/** --vlan: two TAS in one VLAN of a link that carries others, too. (The kernel's own VLAN devices are not everywhere.) */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { compiled, PREFIX_LENGTH, statistic, TAS_ADDRESS, type Lab } from '../../tools/netlab/index.js'
import { describeHosts, type Hosts } from './harness.js'
import { sha256, testRandom } from './random.js'
import { TasSide, type TasSocket } from './tasside.js'

const OTHER_ADDRESS = '10.77.0.9'
const BULK_BYTES = 16 << 20

/** A second service, at the other end of the link. */
async function startOther({ lab, folder, cleanup }: Hosts, args: readonly string[]): Promise<TasSide> {
  const socket = join(folder, `other${args.join('')}.sock`)
  const tas = lab.peer.start('other tas', {
    command: process.execPath, readyFd: true, logFile: join(folder, 'other.log'),
    args: [
      compiled('service/main.js'), `--ip-addr=${OTHER_ADDRESS}/${PREFIX_LENGTH}`, `--nic=${lab.peer.interface}`, `--socket=${socket}`,
      '--ready-fd=3', '--quiet', ...args,
    ],
  })
  await tas.ready()
  const side = new TasSide(socket)
  cleanup.add('program on the other TAS', () => side.close())
  return side
}

async function bulk(from: TasSocket, to: TasSocket): Promise<void> {
  const bytes = testRandom().bytes(BULK_BYTES)
  const [received] = await Promise.all([to.read(bytes.length), from.write(bytes)])
  expect(sha256(received)).toBe(sha256(bytes))
}

function exchanges(args: readonly string[]): (hosts: () => Hosts) => void {
  return (hosts) => {
    test('both in VLAN 5 -> connections, bulk both ways at once equal', async () => {
      const other = await startOther(hosts(), ['--vlan=5', ...args])
      const listener = await other.listen(7000)
      const here = await hosts().tas.connect(OTHER_ADDRESS, 7000)
      expect(here.closedCode).toBeNull()
      const there = await other.accept(listener)
      await Promise.all([bulk(here, there), bulk(there, here)])
    })

    test('the kernel, without a tag -> not heard and not seen', async () => {
      const { lab, service } = hosts()
      await pingInVain(lab)
      expect(statistic(await service.statistics(), 'dropNotOurs')).toBeGreaterThan(0)
    })
  }
}

async function pingInVain({ peer }: Lab): Promise<void> {
  await expect(peer.run('ping', ['-c', '1', '-W', '1', TAS_ADDRESS])).rejects.toThrow(/100% packet loss/)
}

describeHosts('in a VLAN', { tasArgs: ['--vlan=5'] }, exchanges([]))
describeHosts('in a VLAN, without offload', { tasArgs: ['--vlan=5', '--fp-no-xsumoffload'] }, exchanges(['--fp-no-xsumoffload']))
