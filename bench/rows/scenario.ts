/** What a scenario is: one load on one kind of server, and the rows of the table that are read from it. */
import type { ServerName } from '../contenders.js'
import type { NativeLoad } from '../loads/native.js'
import type { RedisLoad } from '../loads/redis.js'
import type { WrkLoad } from '../loads/wrk.js'
import type { Tool } from '../needs.js'
import type { Sample } from '../sample.js'

/** A figure that is read from a measurement. */
export interface Row {
  /** How targets name it (targets.ts). */
  readonly id: string
  readonly name: string
  readonly unit: string
  readonly lowerIsBetter: boolean
  /** `reference`: what the scenario's reference load has shown on the same server; without one the sample itself. */
  value(sample: Sample, reference: Sample): number
  /** What it could be at most with this client, whose CPU would then be full; without, nothing is known of that. */
  limit?(sample: Sample): number
}

/** Node programs that know nothing of TAS (servers). */
export type ProgramName = 'http' | 'net' | 'tls' | 'redis-client'

export interface Scenario {
  readonly name: string
  readonly servers: readonly ServerName[]
  /** Runs in place of the benchmark's own servers, on TAS by interposition. */
  readonly program?: ProgramName
  readonly load: NativeLoad | WrkLoad | RedisLoad
  /** A load on the same server before, to compare with. */
  readonly reference?: NativeLoad
  /** All processes of the server share the first CPU. */
  readonly hasOneCpu?: boolean
  /** A process that uses a CPU without end runs beside it. */
  readonly hasHog?: boolean
  readonly needs?: readonly Tool[]
  /** Shortest measured time in seconds, where a shorter one says nothing. */
  readonly minSeconds?: number
  /** Least time before, in seconds, where a server needs it to come to rest. */
  readonly minWarmup?: number
  /** Bytes of a write of the source. */
  readonly callBytes?: number
  /** Initial length of each buffer of a connection on TAS; the default without. */
  readonly bufferBytes?: number
  readonly rows: readonly Row[]
}

const HIGHER = { unit: 'requests/s', lowerIsBetter: false }
const LATENCY = { unit: 'us', lowerIsBetter: true }

/** A row that says what the client allows. It is to have a CPU for itself. */
export function limitedByClient(row: Row): Row {
  return { ...row, limit: (sample) => row.value(sample, sample) / ((sample.clientCpuSeconds ?? NaN) / sample.seconds) }
}

/** Rows that many scenarios have; `name` says of what. */
export const figures = {
  rate: (id: string, name: string, unit = HIGHER.unit): Row => ({ ...HIGHER, id, name, unit, value: (sample) => sample.requestsPerSecond }),
  p50: (id: string, name: string): Row => ({ ...LATENCY, id, name: `${name}: latency p50`, value: ({ latencyUs }) => latencyUs.p50 }),
  p99: (id: string, name: string): Row => ({ ...LATENCY, id, name: `${name}: latency p99`, value: ({ latencyUs }) => latencyUs.p99 }),
  p999: (id: string, name: string): Row => ({ ...LATENCY, id, name: `${name}: latency p99.9`, value: ({ latencyUs }) => latencyUs.p999 }),
  gbit: (id: string, name: string): Row => ({ id, name, unit: 'Gbit/s', lowerIsBetter: false, value: (sample) => sample.gbitPerSecond }),
  cpu: (id: string, name: string, unit = 'us/request'): Row => ({
    id, name: `${name}: server CPU`, unit, lowerIsBetter: true, value: ({ serverCpuSeconds, requests }) => (serverCpuSeconds / requests) * 1e6,
  }),
  /** Whether the client had anything left to give: at 100 % it is what limits the figure. */
  client: (id: string, name: string): Row => ({
    id, name: `${name}: client CPU`, unit: '% of a CPU', lowerIsBetter: true,
    value: ({ clientCpuSeconds, seconds }) => ((clientCpuSeconds ?? NaN) / seconds) * 100,
  }),
  cpuShare: (id: string, name: string): Row => ({
    id, name, unit: '% of a CPU', lowerIsBetter: true, value: ({ serverCpuSeconds, seconds }) => (serverCpuSeconds / seconds) * 100,
  }),
} as const
