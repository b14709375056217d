import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Cleanup } from '../../tools/netlab/cleanup.js'
import { loadFailure, startLoad } from '../../tools/netlab/load.js'
import { createLab, KERNEL_ADDRESS, namespacesRefused, uniqueName, type Lab } from '../../tools/netlab/namespaces.js'
import { nativeProgram } from '../../tools/netlab/paths.js'

const refused = await namespacesRefused()
const unbuilt = existsSync(nativeProgram('loadgen')) ? null : 'native programs are not built: npm run build'

describe.skipIf(refused !== null)(`lab${refused === null ? '' : ` (skipped: ${refused})`}`, () => {
  const cleanup = new Cleanup()
  let lab: Lab

  beforeAll(async () => { lab = await createLab({ name: uniqueName('tb-lab'), mtu: 1400 }, cleanup) })
  afterAll(async () => { expect(await cleanup.run()).toEqual([]) })

  test('lab: created -> both ends up with their MTU', async () => {
    for (const side of [lab.tas, lab.peer]) {
      expect(await side.run('ip', ['link', 'show', side.interface])).toMatch(/mtu 1400 .*state UP/)
    }
  })

  test('lab: sysctl set in one namespace -> the other keeps its own', async () => {
    await lab.peer.sysctl('net.ipv4.tcp_timestamps', 0)
    expect(await lab.peer.readSysctl('net.ipv4.tcp_timestamps')).toBe('0')
    expect(await lab.tas.readSysctl('net.ipv4.tcp_timestamps')).toBe('1')
    await lab.peer.sysctl('net.ipv4.tcp_timestamps', 1)
  })

  describe.skipIf(unbuilt !== null)(`load client${unbuilt === null ? '' : ` (skipped: ${unbuilt})`}`, () => {
    beforeAll(async () => {
      const server = lab.tas.start('epoll_server', { command: nativeProgram('epoll_server') })
      await server.line(/ready/)
    })

    test('verify: 200 connections -> every byte compared, no error', async () => {
      const result = await startLoad(lab.peer, {
        mode: 'verify', address: KERNEL_ADDRESS, connections: 200, size: 10_000, rounds: 3,
      }).result()
      expect(loadFailure(result)).toBeNull()
      expect(result.requests).toBe(600)
    })

    test.for(['bulk-in', 'bulk-out', 'echo', 'connect'] as const)('%s: a short run -> bytes, no error', async mode => {
      const result = await startLoad(lab.peer, { mode, address: KERNEL_ADDRESS, size: 1000, seconds: 0.1 }).result()
      expect(loadFailure(result)).toBeNull()
      expect(result.bytes).toBeGreaterThan(0)
    })

    test('echo: closed port -> errors that say so', async () => {
      const result = await startLoad(lab.peer, { mode: 'echo', address: KERNEL_ADDRESS, port: 9 }).result()
      expect(loadFailure(result)).toBe('connectFailed 1, first: Connection refused')
    })
  })
})
