/** Threads that end without closing anything. */
import { expect, test } from 'vitest'
import { compiled, nativeProgram, PEER_ADDRESS, startProcess, statistic, until } from '../../tools/netlab/index.js'
import { describeHosts } from './harness.js'

const COUNT = 120
/** More than the contexts that an application can have at once. */
const SHARING = 80
const PORT = 7300
/** The harness's own. */
const OTHER_APPS = 1
const THREADS_MS = 120_000
const GAUGES = ['flowsEstablished', 'flowsClosing', 'bufferBytes', 'listeners'] as const

interface Held { readonly descriptors: number; readonly regions: number }

describeHosts('threads that end', {}, hosts => {
  test('each leaves a connection, by any way out -> reset, and neither process nor service grows', async () => {
    const { lab, service, cleanup } = hosts()
    await lab.peer.start('server', { command: nativeProgram('epoll_server'), args: [`--port=${PORT}`] }).line(/ready/)
    const program = startProcess('threads', {
      command: process.execPath, args: [compiled('test/e2e/threads.js'), PEER_ADDRESS, String(PORT), String(COUNT)], env: service.env,
    }, cleanup)
    const { first, last } = JSON.parse(await program.line(/^\{/, THREADS_MS)) as { first: Held; last: Held }
    expect(last.descriptors).toBeLessThanOrEqual(first.descriptors)
    expect(last.regions).toBeLessThanOrEqual(first.regions)
    await until('all applications are gone', async () => {
      const statistics = await service.statistics()
      const left = GAUGES.every((name) => statistic(statistics, name) === 0)
      return left && statistic(statistics, 'apps') === OTHER_APPS
    })
    expect(statistic(await service.statistics(), 'resetsSent')).toBe(COUNT)
    expect(program.exit).toBeNull()
    await program.stop()
  }, THREADS_MS)

  test('threads that share an application, more than it can have contexts -> each gets one, what it leaves is closed, nothing grows', async () => {
    const { service, cleanup } = hosts()
    const before = await service.statistics()
    const program = startProcess('threads', {
      command: process.execPath, args: [compiled('test/e2e/threads.js'), PEER_ADDRESS, String(PORT), String(SHARING), 'shared'], env: service.env,
    }, cleanup)
    const { first, last } = JSON.parse(await program.line(/^\{/, THREADS_MS)) as { first: Held; last: Held }
    expect(last).toEqual(first)
    await until('all contexts are gone', async () => {
      const statistics = await service.statistics()
      return GAUGES.every((name) => statistic(statistics, name) === 0) && statistic(statistics, 'contexts') === statistic(before, 'contexts')
    })
    const after = await service.statistics()
    expect([statistic(after, 'apps'), statistic(after, 'resetsSent') - statistic(before, 'resetsSent')]).toEqual([OTHER_APPS + 1, SHARING])
    expect(program.exit).toBeNull()
    await program.stop()
  }, THREADS_MS)
})
