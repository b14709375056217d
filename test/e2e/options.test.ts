/** Options and information of connections to the Linux kernel. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import type { ConnectionRow } from '../../tools/control/connections.js'
import { compiled, statistic, until } from '../../tools/netlab/index.js'
import { describeHosts } from './harness.js'
import { openFromLinux, openFromTas } from './pairs.js'

const runFile = promisify(execFile)

describeHosts('options', {}, hosts => {
  test('info: -> what Linux and TAS agreed on, and the bytes of both directions', async () => {
    const { peer } = hosts()
    const { socket, remote } = await openFromLinux(hosts())
    await socket.write(Buffer.alloc(50_000))
    await peer.call('read', remote, 50_000)
    await peer.call('write', remote, Buffer.alloc(700))
    await socket.read(700)
    const info = await socket.connection.info()
    expect(info).toMatchObject({
      state: 'ESTABLISHED', timestamps: true, windowScaling: true, mssBytes: 1448, sentBytes: 50_000, receivedBytes: 700, softError: '',
    })
    expect(info.rttUs).toBeGreaterThan(0)
    expect(info.heardMs).toBeLessThan(60_000)
    socket.connection.abort()
  })

  // Linux answers such segments at most every half second (tcp_invalid_ratelimit): with the shortest times none may be missed.
  test('keepalive: shortest times, Linux answers each probe -> the connection stays', async () => {
    const { service } = hosts()
    const { socket } = await openFromTas(hosts())
    socket.connection.setOption('keepAlive', { idleMs: 1000, intervalMs: 1000, count: 1 })
    await until('many probes', async () => statistic(await service.statistics(), 'keepaliveProbes') >= 4, 30_000)
    expect(socket.closedCode).toBe(null)
    const info = await socket.connection.info()
    expect([info.state, info.keepAlive, info.heardMs < 5000]).toEqual(['ESTABLISHED', true, true])
    socket.connection.abort()
  })

  test('tas stat --connections -> this connection, as a table and as JSON', async () => {
    const { service } = hosts()
    const { socket } = await openFromTas(hosts())
    const { localAddress, localPort, remoteAddress, remotePort } = socket.connection
    const stat = async (...args: string[]): Promise<string> => (await runFile(process.execPath,
      [compiled('service/main.js'), 'stat', '--connections', `--socket=${service.socket}`, ...args])).stdout
    const { connections } = JSON.parse(await stat('--json')) as { connections: ConnectionRow[] }
    const local = `${localAddress}:${localPort}`
    expect(connections.find((row) => row.local === local)).toMatchObject({
      state: 'ESTABLISHED', remote: `${remoteAddress}:${remotePort}`, pid: process.pid, name: 'test',
    })
    expect(await stat()).toMatch(new RegExp(`^ESTABLISHED +${local} +${remoteAddress}:${remotePort} +test \\(${process.pid}\\)`, 'm'))
    socket.connection.abort()
  })
})
