import Table from 'cli-table3'
import {
  KERNEL_ADDRESS, loadFailure, measure, processTree, TAS_ADDRESS, type LoadOptions, type Measurement, type Process,
} from '../../netlab/index.js'
import { check, ECHO_PORT, program, type Demo, type Step } from '../demo.js'

const SECONDS = 2
const WARMUP = 1
const CONNECTIONS = [1, 64] as const

interface Line { readonly server: string; readonly one: Measurement; readonly many: Measurement }

async function measureServer(
  demo: Demo, server: string, address: string, pids: () => number[], say: (news: string) => void,
): Promise<Line> {
  const measured: Measurement[] = []
  for (const connections of CONNECTIONS) {
    say(`${server}, ${connections} connection${connections > 1 ? 's' : ''}`)
    const options: LoadOptions = { mode: 'echo', address, port: ECHO_PORT, connections, seconds: SECONDS, warmup: WARMUP }
    const measurement = await measure(demo.lab.peer, options, pids())
    const failure = loadFailure(measurement.load)
    check(failure === null, `${server}: ${failure ?? ''}`)
    measured.push(measurement)
  }
  return { server, one: measured[0], many: measured[1] }
}

function row({ server, one, many }: Line): string[] {
  const cpuUs = (many.serverCpuSeconds / many.load.requests) * 1e6
  return [
    server, one.load.latencyUs.p50.toFixed(0), one.load.latencyUs.p99.toFixed(0),
    Math.round(many.load.requestsPerSecond).toLocaleString('en'), cpuUs.toFixed(1),
  ]
}

function tableOf(lines: readonly Line[]): string {
  const table = new Table({
    head: ['64-byte echo', '1 conn., p50 us', 'p99 us', '64 conn., requests/s', 'server CPU us/request'],
    colAligns: ['left', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  })
  for (const line of lines) table.push(row(line))
  return table.toString()
}

async function startNodeNet(demo: Demo): Promise<Process> {
  const server = demo.lab.tas.start('node:net server', program('bench/servers/node-net.js', ['--port', String(ECHO_PORT)]))
  await server.line(/ready/)
  return server
}

/** Echo on TAS beside echo on node:net, over the same link, one after the other so that neither disturbs the other. */
export const benchmark: Step = {
  title: 'echo benchmark beside node:net on the same link',
  async run(demo, say) {
    const { service } = demo
    const tasPids = (): number[] => [...(service?.pids() ?? []), ...processTree(demo.echo.pid)]
    const tas = await measureServer(demo, service === null ? 'TAS embedded' : 'TAS', TAS_ADDRESS, tasPids, say)
    say('stopping tas')
    await demo.http.stop()
    await demo.echo.stop()
    const exit = await service?.stop()
    check(exit === undefined || exit.code === 0, `tas ended with ${exit?.code ?? exit?.signal} after SIGTERM`)
    const server = await startNodeNet(demo)
    const nodeNet = await measureServer(demo, 'node:net', KERNEL_ADDRESS, () => processTree(server.pid), say)
    await server.stop()
    const control = await demo.lab.peer.readSysctl('net.ipv4.tcp_congestion_control')
    return `client and node:net with the kernel's ${control}\n${tableOf([tas, nodeNet])}`
  },
}
