/** Load by the C client (bench/native/loadgen.c). */
import { startLoad, type LoadOptions } from '../../tools/netlab/index.js'
import type { Contender } from '../contenders.js'
import { connectionMemory, readMemory } from '../memory.js'
import { failureOf, withServerCpu, type Sample } from '../sample.js'
import type { LoadContext } from './context.js'

export interface NativeLoad {
  readonly kind: 'native'
  readonly options: Pick<LoadOptions, 'mode' | 'connections' | 'size' | 'depth' | 'active' | 'interval' | 'source' | 'sources' | 'patience'>
  /** Looks at the server's memory before and after connections are opened. */
  readonly hasMemory?: boolean
}

/** Time for opening and the end, beyond what is measured. */
const REST_MS = 120_000

function optionsOf(load: NativeLoad, contender: Contender, context: LoadContext): LoadOptions {
  const { warmup, seconds, clientCpu } = context
  return { ...load.options, address: contender.address, warmup, seconds, ...(clientCpu === null ? {} : { cpu: clientCpu }) }
}

/** Throws Error if the client itself fails; connections that fail are in the sample. */
export async function runNative(load: NativeLoad, contender: Contender, context: LoadContext): Promise<Sample> {
  const { connections = 1, mode } = load.options
  const timeoutMs = (context.warmup + context.seconds) * 1000 + REST_MS
  const before = load.hasMemory === true ? readMemory(contender.pids) : null
  const client = startLoad(context.lab.peer, optionsOf(load, contender, context))
  try {
    await client.measuring(timeoutMs)
    const [result, serverCpuSeconds] = await withServerCpu(contender.pids, async () => {
      // While connections are open: the client closes them when it ends.
      const after = before === null ? null : readMemory(contender.pids)
      const bytesPerConnection = before === null || after === null ? null : connectionMemory(before, after, contender.isOnKernel) / connections
      return { ...await client.result(timeoutMs), bytesPerConnection }
    })
    const { requests, seconds, requestsPerSecond, gbitPerSecond, latencyUs, bytesPerConnection } = result
    return {
      requests, seconds, requestsPerSecond, gbitPerSecond, latencyUs, serverCpuSeconds, bytesPerConnection,
      failure: failureOf(result, mode === 'idle'),
    }
  } finally {
    await client.process.stop()
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
