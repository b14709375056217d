/** A worker under load keeps the time of its passes, which `tas stat` shows. */
import { expect, test } from 'vitest'
import { compiled, pause, startLoad, startProcess, TAS_ADDRESS, until } from '../../tools/netlab/index.js'
import type { Distribution } from '../../tools/stat/distribution.js'
import { describeHosts } from './harness.js'

const QUIET_MS = 100

/** What `tas stat --json` says, as far as it matters here. */
interface Stat {
  readonly workers: readonly { readonly busyPasses: number; readonly busyUs: number }[]
  readonly times: { readonly workers: readonly { readonly passUs: Distribution }[] }
}

describeHosts('histograms', {}, hosts => {
  test('a worker under load -> every pass with work counted, percentiles in order, sum as the busy time', async () => {
    const { lab, service, cleanup } = hosts()
    const server = startProcess('echo', { command: process.execPath, args: [compiled('bench/servers/tas.js')], env: service.env }, cleanup)
    await server.line(/ready/)
    const load = startLoad(lab.peer, { mode: 'echo', address: TAS_ADDRESS, connections: 4, size: 64, seconds: 1, warmup: 0 })
    const { requests } = await load.result()
    await server.stop()
    const read = async (): Promise<Stat> => await service.statistics() as unknown as Stat
    let before = await read()
    const { workers: [worker], times: { workers: [{ passUs }] } } = await until('the worker is quiet', async () => {
      await pause(QUIET_MS)
      const now = await read()
      const isQuiet = now.workers[0].busyPasses === before.workers[0].busyPasses
      before = now
      return isQuiet ? now : undefined
    })
    expect(requests).toBeGreaterThan(100)
    expect(passUs.count).toBeGreaterThan(100)
    expect(passUs.count).toBe(worker.busyPasses)
    const { p50, p90, p99, p999, p9999, max } = passUs
    const rising = [p50, p90, p99, p999, p9999, max]
    expect(rising).toEqual([...rising].sort((a, b) => a - b))
    expect(max).toBeGreaterThan(0)
    // Half of all passes take p50 or less, so that the sum is bounded on both sides.
    expect(worker.busyUs).toBeLessThanOrEqual(passUs.count * max)
    expect(worker.busyUs).toBeGreaterThanOrEqual((passUs.count / 2 - 1) * Math.floor(p50 * 15 / 16))
  })
})
