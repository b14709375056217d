/** Load by wrk, the usual client for HTTP, in C; with a script it also sends what an echo server has to give back. */
import { join } from 'node:path'
import { packageRoot } from '../../tools/netlab/index.js'
import type { Contender } from '../contenders.js'
import { toolProgram } from '../needs.js'
import { withServerCpu, type Sample } from '../sample.js'
import { DEFAULT_PORT } from '../servers/ports.js'
import { boundToClientCpu, type LoadContext } from './context.js'
import { parseWrk, type WrkResult } from './wrkoutput.js'

export interface WrkLoad {
  readonly kind: 'wrk'
  readonly scheme: 'http' | 'https'
  readonly connections: number
  /** Sends 64 bytes that are an answer already: for echo servers. */
  readonly isEcho?: boolean
}

/** Wrk ends within this of its time, also where nobody answers. */
const REST_MS = 30_000

/** One run of wrk, without a warm-up. Throws Error if wrk fails. */
export async function wrk(load: WrkLoad, { address }: Contender, context: LoadContext, seconds: number): Promise<WrkResult> {
  const script = load.isEcho === true ? ['-s', join(packageRoot, 'bench', 'loads', 'echo.lua')] : []
  // It knows whole seconds only.
  const duration = Math.max(1, Math.round(seconds))
  const args = ['-t1', `-c${load.connections}`, `-d${duration}s`, '--latency', ...script, `${load.scheme}://${address}:${DEFAULT_PORT}/`]
  const { command, args: bound } = boundToClientCpu(context, toolProgram('wrk'), args)
  return parseWrk(await context.lab.peer.run(command, bound, duration * 1000 + REST_MS))
}

/** Wrk has no warm-up of its own: the first of two runs is not counted. Throws Error if wrk fails. */
export async function runWrk(load: WrkLoad, contender: Contender, context: LoadContext): Promise<Sample> {
  if (context.warmup > 0) await wrk(load, contender, context, context.warmup)
  const [result, serverCpuSeconds] = await withServerCpu(contender.pids, () => wrk(load, contender, context, context.seconds))
  const { requests, seconds, requestsPerSecond, latencyUs, failure } = result
  return {
    requests, seconds, requestsPerSecond, serverCpuSeconds, clientCpuSeconds: null, failure, gbitPerSecond: 0, bytesPerConnection: null, histogram: [],
    latencyUs: { ...latencyUs, p999: 0 },
  }
}
