/** Under which conditions was measured: without them figures mean nothing. */
import { availableParallelism, cpus, release } from 'node:os'
import { nativeProgram, type Lab, type Namespace } from '../tools/netlab/index.js'
import { bunVersion } from './bun.js'
import type { BenchOptions } from './options.js'

export interface Settings {
  readonly date: string
  readonly node: string
  /** Null: there is none that runs here. */
  readonly bun: string | null
  readonly kernel: string
  readonly cpuModel: string
  readonly cpus: number
  /** Congestion control of the Linux kernel on the client's side, and of the servers on kernel TCP. */
  readonly clientCongestionControl: string
  readonly kernelServerCongestionControl: string
  /** Offloads of both ends of the link that are on; the rest is off. */
  readonly offloads: { readonly server: readonly string[]; readonly client: readonly string[] }
  readonly link: string
  readonly tasOptions: string
  readonly runs: number
  readonly seconds: number
  readonly warmup: number
  readonly pin: string
  readonly cpuNote: string
}

async function offloadsOf(namespace: Namespace): Promise<string[]> {
  const offloads: unknown = JSON.parse(await namespace.run(nativeProgram('offloads'), [namespace.interface]))
  return Object.entries(offloads as Record<string, boolean>).filter(([, on]) => on).map(([name]) => name)
}

const CPU_NOTE = 'server CPU is user and system time of all server processes (tas: slow path, worker and application; '
  + 'embedded: the one that there is); '
  + 'the kernel charges softirq work of either end to whoever runs at the time'

/** Finds out the conditions in `lab`. */
export async function readSettings(lab: Lab, options: Pick<BenchOptions, 'runs' | 'seconds' | 'warmup' | 'pin'>): Promise<Settings> {
  const control = 'net.ipv4.tcp_congestion_control'
  return {
    date: new Date().toISOString(),
    node: process.versions.node,
    bun: bunVersion(),
    kernel: release(),
    cpuModel: cpus()[0]?.model ?? 'unknown',
    cpus: availableParallelism(),
    clientCongestionControl: await lab.peer.readSysctl(control),
    kernelServerCongestionControl: await lab.tas.readSysctl(control),
    offloads: { server: await offloadsOf(lab.tas), client: await offloadsOf(lab.peer) },
    link: 'veth, MTU 1500',
    tasOptions: 'defaults, but buffers of 32 KiB where 50,000 connections are open',
    runs: options.runs,
    seconds: options.seconds,
    warmup: options.warmup,
    pin: options.pin,
    cpuNote: CPU_NOTE,
  }
}

/** The conditions in a few lines. */
export function settingsText(settings: Settings): string {
  const { offloads } = settings
  return [
    `Node ${settings.node}${settings.bun === null ? '' : `, Bun ${settings.bun}`}, Linux ${settings.kernel}, `
      + `${settings.cpus} CPUs (${settings.cpuModel}), ${settings.link}`,
    `Congestion control: client ${settings.clientCongestionControl}, `
      + `servers on the kernel ${settings.kernelServerCongestionControl}`,
    `Offloads on: server ${offloads.server.join(' ')}; client ${offloads.client.join(' ')}`,
    `TAS options: ${settings.tasOptions}; `
      + `medians of ${settings.runs} runs of ${settings.seconds} s after ${settings.warmup} s, ratios those of each run; pinned: ${settings.pin}`,
    `${settings.cpuNote}.`,
  ].join('\n')
}
