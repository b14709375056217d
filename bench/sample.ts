/** What one load on one server has shown. */
import { cpuSeconds, loadFailure, type LoadResult } from '../tools/netlab/index.js'
import type { Histogram } from './histogram.js'

/** 0 where there is none to measure. */
export interface Latency { readonly p50: number; readonly p99: number; readonly p999: number }

export interface Sample {
  readonly requests: number
  /** Measured time. */
  readonly seconds: number
  readonly requestsPerSecond: number
  readonly gbitPerSecond: number
  readonly latencyUs: Latency
  /** All latencies; empty unless they were asked for. */
  readonly histogram: Histogram
  /** CPU seconds, user and system, of the server's processes during the measured time. */
  readonly serverCpuSeconds: number
  /** The same of the client; null where it does not tell. */
  readonly clientCpuSeconds: number | null
  /** Memory that the server took for each connection; null unless it was looked at. */
  readonly bytesPerConnection: number | null
  /** Why the figures count for nothing; null if they count. */
  readonly failure: string | null
}

/** CPU time of the server's processes while `work` goes on. */
export async function withServerCpu<Result>(pids: readonly number[], work: () => Promise<Result>): Promise<[Result, number]> {
  const before = cpuSeconds(pids)
  const result = await work()
  return [result, cpuSeconds(pids) - before]
}

/** What is wrong with a result of the load client, or null. `isSilent`: nothing was to be sent. */
export function failureOf(result: LoadResult, isSilent = false): string | null {
  const failure = loadFailure(result)
  if (failure !== null) return failure
  if (result.opened === 0) return 'no connection was opened'
  return !isSilent && result.requests === 0 ? 'no request was answered' : null
}
