import { existsSync, rmSync } from 'node:fs'
import { expect, test } from 'vitest'
import {
  compiled, startProcess, startService, statistic, TAS_ADDRESS, until, within, type Process,
} from '../../tools/netlab/index.js'
import { countersName } from '../../lib/memif/index.js'
import { describeHosts, type Hosts } from './harness.js'
import { openFromLinux } from './pairs.js'
import { TasSide } from './tasside.js'

async function startEcho({ service, cleanup }: Hosts): Promise<Process> {
  const server = startProcess('echo on TAS', {
    command: process.execPath, args: [compiled('bench/servers/tas.js')], env: service.env,
  }, cleanup)
  await server.line(/ready/)
  return server
}

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

  test.for(['echo.js', 'echo-poll.js'])('SIGKILL while %s carries data -> it notices and ends with 1, so do the workers', async (program) => {
    const { lab, folder, cleanup, peer } = hosts()
    const next = await startService(lab, { folder })
    cleanup.add('counters', () => rmSync(`/dev/shm${countersName(next.socket)}`, { force: true }))
    const server = startProcess(program, {
      command: process.execPath, args: [compiled(`examples/${program}`), '--port=7000'], env: next.env,
    }, cleanup)
    await until('it listens', async () => statistic(await next.statistics(), 'listeners') === 1)
    const remote = await peer.call('connect', TAS_ADDRESS, 7000)
    void peer.call('sendRandom', remote, 64 << 20, 1).catch(() => undefined)
    await peer.call('read', remote, 1 << 20)
    const pids = next.pids()
    await next.process.stop('SIGKILL')
    const { code, signal } = await within(`${program} ends`, server.exited)
    expect([code, signal]).toEqual([1, null])
    expect(server.errorLines.join('\n')).toMatch(/ESERVICEGONE|service/)
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
