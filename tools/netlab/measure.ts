/** A load and the CPU time that its server needed for it. */
import { cpuSeconds, softirqSeconds } from './cpu.js'
import { startLoad, type LoadOptions, type LoadResult } from './load.js'
import type { Namespace } from './namespaces.js'

/** What was measured on both sides. */
export interface Measurement {
  readonly load: LoadResult
  /** CPU seconds, user and system, of the server's processes during the measured time. */
  readonly serverCpuSeconds: number
  /** CPU seconds that the kernel spent in softirqs on all CPUs, for both ends of the link together. */
  readonly softirqSeconds: number
}

/** Puts load on a server whose processes are `pids` and measures both. Load errors are in the result. */
export async function measure(client: Namespace, options: LoadOptions, pids: readonly number[]): Promise<Measurement> {
  const load = startLoad(client, options)
  await load.measuring()
  const cpuBefore = cpuSeconds(pids)
  const softirqBefore = softirqSeconds()
  const result = await load.result()
  return {
    load: result,
    serverCpuSeconds: cpuSeconds(pids) - cpuBefore,
    softirqSeconds: softirqSeconds() - softirqBefore,
  }
}
