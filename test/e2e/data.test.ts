import { expect, test } from 'vitest'
import { compiled, loadFailure, startLoad, startProcess, TAS_ADDRESS } from '../../tools/netlab/index.js'
import { bulkToLinux, bulkToTas, echoRandomSizes } from './exchange.js'
import { describeHosts } from './harness.js'
import { openFromLinux, openFromTas } from './pairs.js'
import { testRandom } from './random.js'

const BULK_BYTES = 32 << 20

describeHosts('data', {}, hosts => {
  test('ESTABLISHED, opened by Linux: messages of random sizes -> the same on the other side', async () => {
    await echoRandomSizes(hosts(), await openFromLinux(hosts()), testRandom())
  })

  test('ESTABLISHED, opened by TAS: messages of random sizes -> the same on the other side', async () => {
    await echoRandomSizes(hosts(), await openFromTas(hosts()), testRandom())
  })

  test('ESTABLISHED: 32 MiB from Linux to TAS -> checksum equal', async () => {
    await bulkToTas(hosts(), await openFromLinux(hosts()), BULK_BYTES, testRandom())
  })

  test('ESTABLISHED: 32 MiB from TAS to Linux -> checksum equal', async () => {
    await bulkToLinux(hosts(), await openFromTas(hosts()), BULK_BYTES, testRandom())
  })

  test('ESTABLISHED: both directions at once -> checksums equal', async () => {
    const pair = await openFromLinux(hosts())
    const random = testRandom()
    await Promise.all([
      bulkToTas(hosts(), pair, BULK_BYTES / 4, random), bulkToLinux(hosts(), pair, BULK_BYTES / 4, random),
    ])
  })

  test('1,000 connections at once: random messages -> every byte equal', async () => {
    const { lab, service, cleanup } = hosts()
    const server = startProcess('echo on TAS', {
      command: process.execPath, args: [compiled('bench/servers/tas.js')], env: service.env,
    }, cleanup)
    await server.line(/ready/)
    const { seed } = testRandom()
    const load = startLoad(lab.peer, { mode: 'verify', address: TAS_ADDRESS, connections: 1000, size: 8192, rounds: 4, seed })
    const result = await load.result()
    expect(loadFailure(result)).toBeNull()
    expect(result.opened).toBe(1000)
    expect(result.requests).toBe(4000)
    await server.stop()
  })
})
