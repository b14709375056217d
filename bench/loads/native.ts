/** Load by the C client (bench/native/loadgen.c); thousands of connections by several of them. */
import { startLoad, type Load, type LoadOptions, type LoadResult } from '../../tools/netlab/index.js'
import type { Contender } from '../contenders.js'
import { mergeHistograms, percentileUs } from '../histogram.js'
import { CLIENT_ADDRESSES } from '../lab.js'
import { connectionMemory, readMemory, type Memory } from '../memory.js'
import { failureOf, withServerCpu, type Latency, type Sample } from '../sample.js'
import type { LoadContext } from './context.js'
import { allClosed } from './ending.js'

export interface NativeLoad {
  readonly kind: 'native'
  readonly options: Pick<LoadOptions, 'mode' | 'connections' | 'size' | 'depth' | 'active' | 'interval' | 'patience' | 'histogram'>
  /** Looks at the server's memory before and after connections are opened. */
  readonly hasMemory?: boolean
}

/** Time for opening and the end, beyond what is measured. */
const REST_MS = 120_000
/** Of one client: files that a process may open, and ports of its address, are few. */
const CONNECTIONS_OF_ONE = 12_500

/** The options of each client: one, or as many as the connections need, each with an address and a part of them. */
export function splitOptions(options: NativeLoad['options']): Pick<LoadOptions, 'mode' | 'connections' | 'source'>[] {
  const { connections = 1 } = options
  const clients = Math.ceil(connections / CONNECTIONS_OF_ONE)
  if (clients === 1) return [options]
  if (clients > CLIENT_ADDRESSES.length) throw new Error(`${connections} connections: at most ${CLIENT_ADDRESSES.length * CONNECTIONS_OF_ONE}`)
  return CLIENT_ADDRESSES.slice(0, clients).map((source, nth) => ({
    ...options, source, hold: 1, histogram: 1,
    connections: Math.floor((connections * (nth + 1)) / clients) - Math.floor((connections * nth) / clients),
    ...(options.active === undefined ? {} : { active: Math.round(options.active / clients) }),
  }))
}

function startClients(load: NativeLoad, { address }: Contender, { lab, warmup, seconds, clientCpu }: LoadContext): Load[] {
  const shared = { address, warmup, seconds, keep: 1 as const, ...(clientCpu === null ? {} : { cpu: clientCpu }) }
  return splitOptions(load.options).map((options) => startLoad(lab.peer, { ...options, ...shared }))
}

/** Lets clients that wait for each other begin at the same time. Resolves when all measure. */
async function begin(clients: readonly Load[], timeoutMs: number): Promise<void> {
  if (clients.length > 1) {
    for (const client of clients) await client.opened(timeoutMs)
    for (const { process } of clients) process.kill('SIGUSR1')
  }
  for (const client of clients) await client.measuring(timeoutMs)
}

function latencyOf(results: readonly LoadResult[]): Latency {
  if (results.length === 1) return results[0].latencyUs
  const all = mergeHistograms(results.map(({ histogram }) => histogram))
  return { p50: percentileUs(all, 0.5), p99: percentileUs(all, 0.99), p999: percentileUs(all, 0.999) }
}

function sum(results: readonly LoadResult[], field: 'requests' | 'requestsPerSecond' | 'gbitPerSecond' | 'cpuSeconds'): number {
  return results.reduce((total, result) => total + result[field], 0)
}

/** What several clients have measured at the same time. */
function sampleOf(results: readonly LoadResult[], serverCpuSeconds: number, bytesPerConnection: number | null): Sample {
  return {
    requests: sum(results, 'requests'), seconds: results[0].seconds, requestsPerSecond: sum(results, 'requestsPerSecond'),
    gbitPerSecond: sum(results, 'gbitPerSecond'), latencyUs: latencyOf(results), histogram: mergeHistograms(results.map((each) => each.histogram)),
    serverCpuSeconds, clientCpuSeconds: sum(results, 'cpuSeconds'), bytesPerConnection,
    failure: results.map((each) => failureOf(each, each.mode === 'idle')).find((failure) => failure !== null) ?? null,
  }
}

function memoryOfEach(before: Memory | null, { pids, isOnKernel }: Contender, { options }: NativeLoad): number | null {
  if (before === null) return null
  return connectionMemory(before, readMemory(pids), isOnKernel) / (options.connections ?? 1)
}

/** Throws Error if a client itself fails; connections that fail are in the sample. */
export async function runNative(load: NativeLoad, contender: Contender, context: LoadContext): Promise<Sample> {
  const timeoutMs = (context.warmup + context.seconds) * 1000 + REST_MS
  const before = load.hasMemory === true ? readMemory(contender.pids) : null
  const clients = startClients(load, contender, context)
  try {
    await begin(clients, timeoutMs)
    // Now, while connections are open: the clients close them when they end.
    const bytesPerConnection = memoryOfEach(before, contender, load)
    const [results, cpu] = await withServerCpu(contender.pids, () => Promise.all(clients.map((client) => client.result(timeoutMs))))
    return sampleOf(results, cpu, bytesPerConnection)
  } finally {
    for (const { process } of clients) await process.stop()
    if (clients.length > 1) await allClosed(context.lab.peer)
  }
}

const VERIFIED = { mode: 'verify', connections: 32, rounds: 20, size: 8192, warmup: 0, seconds: 0 } as const

/** What a server answers wrong, every byte compared, or null. */
export async function verifyEcho(contender: Contender, context: LoadContext): Promise<string | null> {
  const client = startLoad(context.lab.peer, { ...VERIFIED, address: contender.address })
  try {
    const failure = failureOf(await client.result())
    return failure === null ? null : `random messages are not echoed: ${failure}`
  } finally {
    await client.process.stop()
  }
}
