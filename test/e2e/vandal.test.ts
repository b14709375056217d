/** A program that destroys its shared memory, beside one that behaves. */
import { expect, test } from 'vitest'
import { compiled, cpuSeconds, pause, statistic, startProcess, TAS_ADDRESS, until } from '../../tools/netlab/index.js'
import { bulkToLinux, bulkToTas, echoRandomSizes } from './exchange.js'
import { describeHosts } from './harness.js'
import { openFromLinux, openFromTas } from './pairs.js'
import { testRandom } from './random.js'
import { VANDAL_PORT } from './vandal.js'
import { workerPid } from './worker.js'

const BULK_BYTES = 16 << 20
const LOOK_MS = 1000
/** Its full rings are looked at again now and then, but nobody may turn in circles for it. */
const CPU_SECONDS_MAX = 0.2

describeHosts('program that writes garbage over its region', {}, hosts => {
  test.for([1, 2, 3])('round %i -> others go on, the same worker serves, everything of it is freed at its end', async () => {
    const { peer, service, cleanup } = hosts()
    const random = testRandom()
    const worker = workerPid(service)
    const good = await openFromLinux(hosts())
    const vandal = startProcess('vandal', {
      command: process.execPath, args: [compiled('test/e2e/vandal.js'), String(random.u32())], env: service.env,
    }, cleanup)
    await vandal.line(/ready/)
    const remotes = await Promise.all(Array.from({ length: 10 }, () => peer.call('connect', TAS_ADDRESS, VANDAL_PORT)))
    await until('all are accepted', () => vandal.lines.filter(line => line === 'accepted').length === remotes.length)
    for (const remote of remotes) void peer.call('write', remote, random.bytes(50_000)).catch(() => undefined)
    const ends = remotes.map(remote => peer.call('closed', remote))
    const beside = Promise.all([bulkToTas(hosts(), good, BULK_BYTES, random), bulkToLinux(hosts(), good, BULK_BYTES, random)])
    vandal.kill('SIGUSR2')
    await beside
    await until('it has done its worst', () => vandal.lines.includes('done') || vandal.exit !== null)
    await echoRandomSizes(hosts(), await openFromTas(hosts()), random)
    const pids = service.pids()
    const cpuBefore = cpuSeconds(pids)
    await pause(LOOK_MS)
    expect(cpuSeconds(pids) - cpuBefore).toBeLessThan(CPU_SECONDS_MAX)
    await vandal.stop('SIGKILL')
    expect(new Set(await Promise.all(ends))).not.toContain('')
    await until('everything of it is gone', async () => {
      const slow = (await service.statistics())['slow']
      return statistic(slow, 'apps') === 1 && statistic(slow, 'contexts') === 1 && statistic(slow, 'listeners') === 0
    })
    await echoRandomSizes(hosts(), good, random)
    expect(workerPid(service)).toBe(worker)
  })

  test('after that -> its port is free, and only flows of others are left', async () => {
    const { tas, service } = hosts()
    const listener = await tas.listen(VANDAL_PORT)
    listener.close()
    const statistics = await service.statistics()
    expect(statistic(statistics['slow'], 'flowsEstablished')).toBe(6)
    expect(statistic(statistics['workers'], 'flows')).toBe(6)
  })
})
