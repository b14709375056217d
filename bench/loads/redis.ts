/** A client of Redis as the program that is measured: Redis itself runs on the Linux side, the client on TAS or plain Node. */
import { PEER_ADDRESS, type Process } from '../../tools/netlab/index.js'
import type { Contender } from '../contenders.js'
import { toolProgram } from '../needs.js'
import { withServerCpu, type Sample } from '../sample.js'
import { boundToClientCpu, type LoadContext } from './context.js'

export interface RedisLoad {
  readonly kind: 'redis'
}

const REDIS_PORT = 6399
const REST_MS = 20_000

/** Starts Redis on the Linux side and waits until it listens. Throws Error if it does not. */
export async function startRedis(context: LoadContext): Promise<Process> {
  const args = [
    '--port', String(REDIS_PORT), '--bind', PEER_ADDRESS, '--protected-mode', 'no', '--save', '', '--dir', context.folder, '--daemonize', 'no',
  ]
  const redis = context.lab.peer.start('redis', boundToClientCpu(context, toolProgram('redis-server'), args))
  await redis.line(/Ready to accept connections/)
  return redis
}

/** Arguments of servers/redis-client.ts. */
export function redisClientArgs({ warmup, seconds }: Pick<LoadContext, 'warmup' | 'seconds'>): string[] {
  return [`--address=${PEER_ADDRESS}`, `--port=${REDIS_PORT}`, `--warmup=${warmup}`, `--seconds=${seconds}`]
}

interface RedisResult {
  readonly requests: number
  readonly seconds: number
  /** Answers that were not what had been stored. */
  readonly wrong: number
}

/** Takes the figures of the client, which measures by itself. Throws Error if it fails. */
export async function runRedis(contender: Contender, { warmup, seconds }: LoadContext): Promise<Sample> {
  const timeoutMs = (warmup + seconds) * 1000 + REST_MS
  await contender.process.line(/"event":"measure"/, timeoutMs)
  const [line, serverCpuSeconds] = await withServerCpu(contender.pids, () => contender.process.line(/"event":"result"/, timeoutMs))
  const result = JSON.parse(line) as RedisResult
  return {
    requests: result.requests, seconds: result.seconds, requestsPerSecond: result.requests / result.seconds, serverCpuSeconds,
    clientCpuSeconds: null, gbitPerSecond: 0, bytesPerConnection: null, histogram: [], latencyUs: { p50: 0, p99: 0, p999: 0 },
    failure: result.wrong > 0 ? `${result.wrong} wrong answers` : result.requests === 0 ? 'no request was answered' : null,
  }
}
