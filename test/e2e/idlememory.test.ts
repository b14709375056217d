/** Connections that have been used and are idle now give their pages back. */
import { readdirSync, readlinkSync, statSync } from 'node:fs'
import { expect, test } from 'vitest'
import { compiled, TAS_ADDRESS, until } from '../../tools/netlab/index.js'
import { describeHosts, type Hosts } from './harness.js'
import type { TasSocket } from './tasside.js'

const CONNECTIONS = 1000
const BYTES = 96 << 10
const MIB = 1 << 20
const PORT = 7000

/** Bytes of memory that all applications' regions take, rings included. */
function regionBytes({ service }: Hosts): number {
  let bytes = 0
  const fds = `/proc/${service.pids()[0]}/fd`
  for (const fd of readdirSync(fds)) {
    if (readlinkSync(`${fds}/${fd}`).includes('tas-app')) bytes += statSync(`${fds}/${fd}`).blocks * 512
  }
  return bytes
}

describeHosts('idle memory', {}, hosts => {
  test('1,000 connections after a burst both ways -> their buffers hold next to no memory, and they go on', { timeout: 240_000 }, async () => {
    const { lab, tas } = hosts()
    const listener = await tas.listen(PORT)
    const burst = lab.peer.start('burst', {
      command: process.execPath, args: [compiled('test/e2e/burst.js'), TAS_ADDRESS, String(PORT), String(CONNECTIONS), String(BYTES)],
    })
    const sockets: TasSocket[] = []
    for (let i = 0; i < CONNECTIONS; i++) {
      const socket = await tas.accept(listener)
      // Everything gathers in the buffers, as with a program that is busy elsewhere.
      socket.stopReading()
      sockets.push(socket)
    }
    for (const socket of sockets) await socket.wait('the burst', () => socket.available >= BYTES)
    for (const socket of sockets) {
      socket.startReading()
      await socket.write(await socket.read(BYTES))
    }
    await burst.line(/done/, 60_000)
    expect(regionBytes(hosts())).toBeGreaterThan(CONNECTIONS * BYTES)
    await until('their pages are given back', () => regionBytes(hosts()) < 12 * MIB, 120_000)
    for (const socket of sockets.slice(0, 10)) expect(socket.connection.write(Buffer.alloc(1000))).toBe(1000)
    await burst.stop()
    for (const socket of sockets) expect(['', 'ECONNRESET']).toContain(await closing(socket))
    await until('nothing is left', () => regionBytes(hosts()) < 12 * MIB, 60_000)
  })
})

function closing(socket: TasSocket): Promise<string> {
  if (socket.closedCode === null) socket.connection.close()
  return socket.closed()
}
