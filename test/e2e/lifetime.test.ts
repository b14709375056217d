import { existsSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import {
  compiled, cpuSeconds, pause, startLoad, startProcess, startService, statistic, TAS_ADDRESS, until, type Process,
} from '../../tools/netlab/index.js'
import { countersName } from '../../lib/memif/index.js'
import { openFromLinux } from './exchange.js'
import { describeHosts, type Hosts } from './harness.js'
import { TasSide } from './tasside.js'

const CONNECTIONS = 100
const IDLE_SECONDS = 2
/** A few clock ticks of 10 ms: what a timer or two cost, and what is left of the connections' opening. */
const IDLE_CPU_SECONDS = 0.03

async function startEcho({ service, cleanup }: Hosts): Promise<Process> {
  const server = startProcess('echo on TAS', {
    command: process.execPath, args: [compiled('bench/servers/tas.js')], env: service.env,
  }, cleanup)
  await server.line(/ready/)
  return server
}

describeHosts('idle', {}, hosts => {
  let server: Process | null = null
  afterEach(async () => { await server?.stop() })

  test('100 open connections without traffic -> no CPU is used', async () => {
    const { lab, service } = hosts()
    server = await startEcho(hosts())
    const load = startLoad(lab.peer, { mode: 'idle', address: TAS_ADDRESS, connections: CONNECTIONS, seconds: 60 })
    await load.opened()
    const pids = [...service.pids(), server.pid]
    // The last handshakes' work may still be under way: from the first quiet look on, nothing more may come.
    let before = cpuSeconds(pids)
    await until('quiet', async () => {
      await pause(200)
      const now = cpuSeconds(pids)
      const isQuiet = now === before
      before = now
      return isQuiet
    }, 10_000)
    await pause(IDLE_SECONDS * 1000)
    expect(cpuSeconds(pids) - before).toBeLessThanOrEqual(IDLE_CPU_SECONDS)
    await load.process.stop()
  })
})

describeHosts('application killed', {}, hosts => {
  test('SIGKILL with open connections -> peers get RST, its listeners and flows are gone', async () => {
    const { peer, service } = hosts()
    const server = await startEcho(hosts())
    const remotes = await Promise.all(Array.from({ length: 20 }, () => peer.call('connect', TAS_ADDRESS, 7000)))
    const ends = remotes.map(remote => peer.call('closed', remote))
    await server.stop('SIGKILL')
    expect(new Set(await Promise.all(ends))).toEqual(new Set(['ECONNRESET']))
    await until('listeners and flows are gone', async () => {
      const statistics = await service.statistics()
      return statistic(statistics, 'listeners') === 0 && statistic(statistics, 'flowsEstablished') === 0
    })
    await expect(peer.call('connect', TAS_ADDRESS, 7000)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  test('after that: another program serves the same port', async () => {
    const { tas, peer } = hosts()
    const listener = await tas.listen(7000)
    const remote = await peer.call('connect', TAS_ADDRESS, 7000)
    const socket = await tas.accept(listener)
    await peer.call('write', remote, Buffer.from('new'))
    expect((await socket.read(3)).toString()).toBe('new')
  })
})

describeHosts('service ended', {}, hosts => {
  test('SIGTERM -> peers are told, programs get ENETDOWN, socket gone, exit code 0', async () => {
    const { peer, service } = hosts()
    const { socket, remote } = await openFromLinux(hosts())
    const ended = peer.call('closed', remote)
    const pids = service.pids()
    expect(await service.stop()).toEqual({ code: 0, signal: null })
    expect(await ended).toBe('ECONNRESET')
    expect(await socket.closed()).toBe('ENETDOWN')
    expect(existsSync(service.socket)).toBe(false)
    await until('all processes are gone', () => pids.every(pid => !existsSync(`/proc/${pid}`)))
  })
})

describeHosts('service killed', {}, hosts => {
  test('SIGKILL -> programs get ESERVICEGONE, no process is left', async () => {
    const { service } = hosts()
    const { socket } = await openFromLinux(hosts())
    const pids = service.pids()
    expect(pids.length).toBeGreaterThan(1)
    await service.process.stop('SIGKILL')
    expect(await socket.closed()).toBe('ESERVICEGONE')
    await until('all processes are gone', () => pids.every(pid => !existsSync(`/proc/${pid}`)))
  })

  test('after that: another tas on the same socket -> takes over what is left, and removes it at its end', async () => {
    const { lab, folder, service, peer } = hosts()
    const next = await startService(lab, { folder, socket: service.socket })
    const program = new TasSide(next.socket)
    const listener = await program.listen(7000)
    await peer.call('connect', TAS_ADDRESS, 7000)
    await program.accept(listener)
    program.close()
    expect(await next.stop()).toEqual({ code: 0, signal: null })
    expect(existsSync(next.socket)).toBe(false)
    expect(existsSync(`/dev/shm${countersName(next.socket)}`)).toBe(false)
  })
})
