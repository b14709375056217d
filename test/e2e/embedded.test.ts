/** Programs with a TAS of their own, beside the Linux kernel. */
import { tmpdir } from 'node:os'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import {
  Cleanup, compiled, cpuSeconds, createLab, loadFailure, missing, namespacesRefused, nativeProgram, pause, PEER_ADDRESS, PREFIX_LENGTH, startLoad,
  TAS_ADDRESS, TAS_INTERFACE, tapRefused, TICKS_PER_SECOND, uniqueName, until, type Lab, type Process,
} from '../../tools/netlab/index.js'
import { Peer, PeerError } from './peer.js'
import { testRandom } from './random.js'

const TAP = 'tas-tap1'
const PORT = 7000
const BULK_BYTES = 8 << 20
const CONNECTIONS = 1000
const IDLE_SECONDS = 3
const IDLE_WINDOWS = 6
/** Clock ticks of 10 ms. */
const TICKS_MAX = 2
const PROGRAMS = [['in the event loop', 'echo.js'], ['that polls and blocks', 'echo-poll.js']] as const

async function findReason(): Promise<string | null> {
  const unbuilt = missing([compiled('examples/echo.js'), compiled('test/e2e/peeragent.js'), nativeProgram('loadgen')])
  return unbuilt.length > 0 ? 'not built: npm run build' : namespacesRefused()
}

const reason = await findReason()
const noTap = reason ?? await tapRefused()

interface Hosts {
  readonly cleanup: Cleanup
  readonly lab: Lab
  readonly peer: Peer
}

interface Kind {
  readonly nic: string
  /** Which kernel is the peer. */
  readonly peerIn: 'tas' | 'peer'
}

async function start({ peerIn }: Kind, cleanup: Cleanup): Promise<Hosts> {
  const lab = await createLab({ name: uniqueName('tas-emb') }, cleanup)
  return { cleanup, lab, peer: Peer.start(lab[peerIn]) }
}

/** What a test that failed has left behind must not have the address in the next one. */
const running: Process[] = []
afterEach(async () => { for (const process of running.splice(0)) await process.stop('SIGKILL') })

function startProgram({ lab }: Hosts, { nic }: Kind, program: string, ...args: string[]): Process {
  const address = `${TAS_ADDRESS}/${PREFIX_LENGTH}`
  const programArgs = [compiled(`examples/${program}`), '--nic', nic, '--ip-addr', address, ...args]
  const started = lab.tas.start(program, { command: process.execPath, args: programArgs })
  running.push(started)
  return started
}

/** Starts an echo server and waits until it listens. On a TAP device the kernel then takes the peer's address there. */
async function startEcho(hosts: Hosts, kind: Kind, program: string): Promise<Process> {
  const server = startProgram(hosts, kind, program, '--port', String(PORT))
  await server.line(/listening/)
  if (kind.peerIn === 'tas') {
    await hosts.lab.tas.run('ip', ['address', 'flush', 'dev', TAS_INTERFACE])
    await hosts.lab.tas.run('ip', ['address', 'add', `${PEER_ADDRESS}/${PREFIX_LENGTH}`, 'dev', TAP])
  }
  return server
}

function describeEmbedded(name: string, why: string | null, kind: Kind, body: (hosts: () => Hosts) => void): void {
  describe.skipIf(why !== null)(why === null ? name : `${name} (skipped: ${why})`, () => {
    const cleanup = new Cleanup()
    let hosts: Hosts | null = null
    beforeAll(async () => { hosts = await start(kind, cleanup) })
    afterAll(async () => { expect(await cleanup.run()).toEqual([]) })
    body(() => {
      if (hosts === null) throw new Error('hosts are used before the first test')
      return hosts
    })
  })
}

function serves(kind: Kind): (hosts: () => Hosts) => void {
  return (hosts) => {
    test.for(PROGRAMS)('echo server %s: ping, bulk both ways at once, FIN -> equal; SIGTERM -> ends with 0', async ([, program]) => {
      const { lab, peer } = hosts()
      const server = await startEcho(hosts(), kind, program)
      expect(await lab[kind.peerIn].run('ping', ['-c', '3', '-i', '0.2', '-W', '2', TAS_ADDRESS])).toMatch(/ 0% packet loss/)
      const socket = await peer.call('connect', TAS_ADDRESS, PORT)
      const seed = testRandom().u32()
      const [sent, received] = await Promise.all([peer.call('sendRandom', socket, BULK_BYTES, seed), peer.call('readHash', socket, BULK_BYTES)])
      expect(received).toBe(sent)
      await peer.call('end', socket)
      expect(await peer.call('closed', socket)).toBe('')
      expect(await server.stop()).toEqual({ code: 0, signal: null })
      expect(server.errorLines).toEqual([])
    })

    test.for(PROGRAMS)('echo server %s: 1,000 connections at once -> every byte equal', async ([, program]) => {
      const { lab } = hosts()
      const server = await startEcho(hosts(), kind, program)
      const { seed } = testRandom()
      const options = { mode: 'verify', address: TAS_ADDRESS, port: PORT, connections: CONNECTIONS, size: 8192, rounds: 2, seed } as const
      const result = await startLoad(lab[kind.peerIn], options).result()
      expect(loadFailure(result)).toBeNull()
      expect(result.requests).toBe(2 * CONNECTIONS)
      await server.stop()
    })
  }
}

const ON_LINK: Kind = { nic: TAS_INTERFACE, peerIn: 'peer' }
const ON_TAP: Kind = { nic: `tap:${TAP}`, peerIn: 'tas' }

describeEmbedded('embedded TAS on an interface', reason, ON_LINK, serves(ON_LINK))
describeEmbedded('embedded TAS on a TAP device', noTap, ON_TAP, (hosts) => {
  serves(ON_TAP)(hosts)

  test('another program wants the device, with another address -> refused in one line', async () => {
    const { lab } = hosts()
    const server = await startEcho(hosts(), ON_TAP, 'echo.js')
    const args = [compiled('examples/echo.js'), '--nic', ON_TAP.nic, '--ip-addr', '10.77.0.9/24']
    const second = lab.tas.start('echo.js', { command: process.execPath, args })
    expect((await second.exited).code).toBe(1)
    expect(second.errorLines).toEqual([expect.stringMatching(/^EBUSY: --nic: "tas-tap1": an interface of that name is there and in use/)])
    await server.stop()
  })
})

describeEmbedded('embedded TAS', reason, ON_LINK, (hosts) => {
  test('opens a connection to Linux: bytes, end -> all of them, exit code 0', async () => {
    const { peer } = hosts()
    const port = await peer.call('listen', 0)
    const client = startProgram(hosts(), ON_LINK, 'http-get.js', `http://${PEER_ADDRESS}:${port}/`)
    const socket = await peer.call('accept', port)
    await peer.call('read', socket, 'GET / HTTP/1.0\r\n'.length)
    await peer.call('write', socket, Buffer.from(`HTTP/1.0 200 OK\r\nContent-Length: ${BULK_BYTES}\r\n\r\n`))
    const sha256 = await peer.call('sendRandom', socket, BULK_BYTES, testRandom().u32())
    await peer.call('end', socket)
    await client.success()
    expect(client.lines.join('\n')).toContain(sha256)
  })

  test('nobody listens -> ECONNREFUSED', async () => {
    const client = startProgram(hosts(), ON_LINK, 'http-get.js', `http://${PEER_ADDRESS}:9/`)
    expect((await client.exited).code).toBe(1)
    expect(client.errorLines.join('\n')).toContain('ECONNREFUSED')
  })

  test('another has the address on the interface -> refused in one line, so is a service; the first one goes on', async () => {
    const { lab, peer } = hosts()
    const server = await startEcho(hosts(), ON_LINK, 'echo.js')
    const second = startProgram(hosts(), ON_LINK, 'echo.js')
    expect((await second.exited).code).toBe(1)
    expect(second.errorLines).toHaveLength(1)
    expect(second.errorLines[0]).toMatch(/^EADDRINUSE: --ip-addr: 10\.77\.0\.1: another TAS/)
    const args = [compiled('service/main.js'), `--nic=${TAS_INTERFACE}`, `--ip-addr=${TAS_ADDRESS}/24`, `--socket=${tmpdir()}/${lab.name}.sock`]
    const service = lab.tas.start('tas', { command: process.execPath, args })
    expect((await service.exited).code).toBe(1)
    expect(service.errorLines.join('\n')).toMatch(/^tas: --ip-addr: 10\.77\.0\.1: another TAS has this address on "tas0"/m)
    const socket = await peer.call('connect', TAS_ADDRESS, PORT)
    await peer.call('reset', socket)
    await server.stop()
  })

  test.for([
    [['--nic', 'nosuch0', '--ip-addr', '10.77.0.1/24'], /^ENODEV: --nic: "nosuch0": there is no such interface/],
    [['--nic', TAS_INTERFACE, '--ip-addr', '10.77.0.256'], /^EINVAL: --ip-addr: "10\.77\.0\.256"/],
    [['--nic', 'lo', '--ip-addr', '10.77.0.1/24'], /^EINVAL: --nic: "lo": has no Ethernet address/],
  ] as const)('%j -> one line, exit code 1', async ([args, line]) => {
    const { lab } = hosts()
    const program = lab.tas.start('echo.js', { command: process.execPath, args: [compiled('examples/echo.js'), ...args] })
    expect((await program.exited).code).toBe(1)
    expect(program.errorLines).toHaveLength(1)
    expect(program.errorLines[0]).toMatch(line)
  })

  test.for(PROGRAMS)('idle connections, server %s -> no CPU', async ([, program]) => {
    const { lab } = hosts()
    // The peer does not ask from time to time whether we are still there.
    await lab.peer.sysctl(`net.ipv4.neigh.${lab.peer.interface}.base_reachable_time_ms`, 3_600_000)
    const server = await startEcho(hosts(), ON_LINK, program)
    const load = startLoad(lab.peer, { mode: 'idle', address: TAS_ADDRESS, port: PORT, connections: CONNECTIONS, seconds: 120 })
    await load.opened()
    // What follows the opening (memory of idle buffers given back, ...) is over after some seconds; then there must be silence.
    const ticks: number[] = []
    while (ticks.length < IDLE_WINDOWS && (ticks.at(-1) ?? Infinity) > TICKS_MAX) {
      const before = cpuSeconds([server.pid])
      await pause(IDLE_SECONDS * 1000)
      ticks.push(Math.round((cpuSeconds([server.pid]) - before) * TICKS_PER_SECOND))
    }
    expect(ticks.at(-1), `ticks of each ${IDLE_SECONDS} s: ${ticks.join(', ')}`).toBeLessThanOrEqual(TICKS_MAX)
    await load.process.stop()
    await server.stop('SIGKILL')
  })

  test('exits without close, a connection open (second SIGTERM) -> the peer hears a reset', async () => {
    const { peer } = hosts()
    const server = await startEcho(hosts(), ON_LINK, 'echo.js')
    const socket = await peer.call('connect', TAS_ADDRESS, PORT)
    // It has been accepted, too.
    await peer.call('write', socket, Buffer.from('x'))
    await peer.call('read', socket, 1)
    server.kill('SIGTERM')
    const isRefused = (error: PeerError): boolean => error.code === 'ECONNREFUSED'
    await until('its listener is closed', () => peer.call('connect', TAS_ADDRESS, PORT).then(() => false, isRefused))
    expect(await server.stop()).toEqual({ code: 130, signal: null })
    expect(await peer.call('closed', socket)).toBe('ECONNRESET')
  })

  test('SIGKILL with a connection open -> nobody answers; started again -> the connection is reset', async () => {
    const { lab, peer } = hosts()
    const server = await startEcho(hosts(), ON_LINK, 'echo.js')
    const socket = await peer.call('connect', TAS_ADDRESS, PORT)
    await server.stop('SIGKILL')
    await expect(lab.peer.run('ping', ['-c', '2', '-i', '0.2', '-W', '1', TAS_ADDRESS])).rejects.toThrow()
    const claims = await lab.tas.run('cat', ['/proc/net/unix'])
    expect(claims).not.toContain('tasjs/')
    const again = await startEcho(hosts(), ON_LINK, 'echo.js')
    await peer.call('write', socket, Buffer.from('anybody there?'))
    expect(await peer.call('closed', socket)).toBe('ECONNRESET')
    await again.stop()
  })
})
