/** What a program on TAS sees when TAS is killed, and when its network falls silent. */
import { expect, it } from 'vitest'
import { KERNEL_ADDRESS, PEER_ADDRESS, startService, TAS_ADDRESS } from '../../tools/netlab/index.js'
import { describeHosts, type Hosts } from '../e2e/harness.js'
import { scenario, startProgram } from './programs.js'

/** In the link's network, and nobody's. */
const NOBODY = '10.77.0.99'
/** Retries of a SYN by TAS, after which it fails within a second. */
const RETRIES = 5
/** Ten probes a second apart, after a second without anything. */
const KEEPALIVE_MS = 40_000

/** Starts the servers on the other host. Returns their ports, as JSON. */
function startPeers({ lab, cleanup }: Hosts): Promise<string> {
  return startProgram(lab.peer, cleanup, scenario('service')).line(/^\[/)
}

/** Nothing that comes from the addresses of TAS's side is answered any more; with `isSilent` false it is again. */
async function silence({ lab }: Hosts, isSilent: boolean): Promise<void> {
  for (const address of [TAS_ADDRESS, KERNEL_ADDRESS]) {
    await lab.peer.run('ip', ['route', isSilent ? 'add' : 'delete', 'blackhole', `${address}/32`])
  }
}

describeHosts('TAS is killed', {}, (hosts) => {
  it('open, writing, connecting, listening -> what a dead network gives, no exception; back -> all works again', async () => {
    const { lab, cleanup, folder, service } = hosts()
    const env = { HOST: PEER_ADDRESS, OWN: TAS_ADDRESS, NOBODY, PORTS: await startPeers(hosts()) }
    const program = startProgram(lab.tas, cleanup, scenario('bereaved'), { env }, service)
    await program.line(/^ready$/)
    await service.process.stop('SIGKILL')
    const seen = JSON.parse(await program.line(/^\{/)) as unknown
    const reset = ['read ECONNRESET', 'close true']
    const refused = ['connect ECONNREFUSED ADDRESS', 'close true']
    expect(seen).toEqual({
      server: [], inside: reset, accepted: reset, idle: reset, writer: ['read ECONNRESET', 'callback', 'close true'],
      request: ['ECONNRESET'], connecting: refused, 'connect afterwards': refused, 'listen afterwards': ['listening'],
    })
    const second = await startService(lab, { folder, socket: service.socket })
    await program.line(/^back/)
    await program.success()
    await second.stop()
  })
})

describeHosts('the network falls silent', { tasArgs: [`--tcp-handshake-retries=${RETRIES}`] }, (hosts) => {
  /** What the program sees, on TAS or on plain Node. */
  const seen = async (isOnTas: boolean): Promise<unknown> => {
    const { lab, cleanup, service } = hosts()
    const env = { HOST: PEER_ADDRESS, PORTS: await startPeers(hosts()) }
    const program = startProgram(lab.tas, cleanup, scenario('silence'), { env }, isOnTas ? service : null)
    await program.line(/^ready$/)
    await silence(hosts(), true)
    try {
      program.kill('SIGUSR2')
      return JSON.parse(await program.line(/^\[/, KEEPALIVE_MS))
    } finally {
      await silence(hosts(), false)
    }
  }

  it('connect, http and keepalive -> ETIMEDOUT as on plain Node', async () => {
    const { lab } = hosts()
    const mac = (await lab.peer.run('cat', [`/sys/class/net/${lab.peer.interface}/address`])).trim()
    // Without it Linux says EHOSTUNREACH, since ARP is not answered either.
    await lab.tas.run('ip', ['neigh', 'replace', PEER_ADDRESS, 'lladdr', mac, 'nud', 'permanent', 'dev', lab.tas.interface])
    await lab.tas.sysctl('net.ipv4.tcp_syn_retries', 1)
    await lab.tas.sysctl('net.ipv4.tcp_syn_linear_timeouts', 0)
    const plain = await seen(false)
    expect(plain).toMatchObject([{ code: 'ETIMEDOUT', syscall: 'connect' }, { code: 'ETIMEDOUT' }, true, { code: 'ETIMEDOUT', syscall: 'read' },
      ['close true']])
    expect(await seen(true)).toEqual(plain)
  }, 3 * KEEPALIVE_MS)
})
