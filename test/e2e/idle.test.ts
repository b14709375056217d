/** A thousand open connections that nobody uses must cost nothing, whoever waits for them. */
import { afterEach, expect, test } from 'vitest'
import {
  compiled, cpuSeconds, pause, startLoad, startProcess, TAS_ADDRESS, TICKS_PER_SECOND, until, type Process,
} from '../../tools/netlab/index.js'
import { describeHosts, type Hosts } from './harness.js'

const CONNECTIONS = 1000
const IDLE_SECONDS = 4
const QUIET_MS = 500
/** Clock ticks of 10 ms of all processes together. */
const TICKS_MAX = 2

/** Everything that moves when a process of TAS wakes up or turns round. */
async function activity({ service }: Hosts): Promise<Record<string, unknown>> {
  const { slow, workers } = await service.statistics() as { slow: Record<string, number>; workers: Record<string, number>[] }
  const [{ passes, sleeps, wakeups, spins, appWakeups, slowWakeups, rxPackets, txPackets }] = workers
  const worker = { passes, sleeps, wakeups, spins, appWakeups, slowWakeups, rxPackets, txPackets }
  return { slow: [slow['wakeups'], slow['packets'], slow['appEvents'], slow['busyUs']], worker }
}

const PROGRAMS = [['in the event loop', 'echo.js'], ['that blocks', 'echo-poll.js']] as const

describeHosts('idle', {
  async prepare({ peer }) {
    // The peer does not ask from time to time whether we are still there.
    await peer.sysctl(`net.ipv4.neigh.${peer.interface}.base_reachable_time_ms`, 3_600_000)
  },
}, hosts => {
  let running: Process[] = []
  afterEach(async () => { for (const process of running.splice(0)) await process.stop() })

  test.for(PROGRAMS)('1,000 open connections, a program %s -> no CPU, no wake-up, no turn of a loop', async ([, program]) => {
    const { lab, service, cleanup } = hosts()
    const server = startProcess(program, {
      command: process.execPath, args: [compiled(`examples/${program}`), '--port=7000'], env: service.env,
    }, cleanup)
    running = [server]
    await until('it listens', async () => Number(((await service.statistics())['slow'] as Record<string, number>)['listeners']) === 1)
    const load = startLoad(lab.peer, { mode: 'idle', address: TAS_ADDRESS, port: 7000, connections: CONNECTIONS, seconds: 120 })
    running.push(load.process)
    await load.opened(60_000)
    const pids = [...service.pids(), server.pid]
    let before = await activity(hosts())
    await until('quiet', async () => {
      await pause(QUIET_MS)
      const now = await activity(hosts())
      const isQuiet = JSON.stringify(now) === JSON.stringify(before)
      before = now
      return isQuiet
    }, 30_000)
    const cpuBefore = cpuSeconds(pids)
    await pause(IDLE_SECONDS * 1000)
    const ticks = Math.round((cpuSeconds(pids) - cpuBefore) * TICKS_PER_SECOND)
    expect(ticks).toBeLessThanOrEqual(TICKS_MAX)
    expect(await activity(hosts())).toEqual(before)
  })
})
