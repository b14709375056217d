/** The native load client (bench/native/loadgen.c) as a function. */
import type { Namespace } from './namespaces.js'
import { nativeProgram } from './paths.js'
import type { Process } from './processes.js'

export type LoadMode = 'echo' | 'verify' | 'idle' | 'connect' | 'bulk-in' | 'bulk-out'

/** Options of the load client; see `loadgen --help`. */
export interface LoadOptions {
  readonly mode: LoadMode
  readonly address: string
  readonly port?: number
  readonly connections?: number
  readonly size?: number
  readonly depth?: number
  readonly rounds?: number
  readonly opening?: number
  readonly seconds?: number
  readonly warmup?: number
  readonly patience?: number
  readonly seed?: number
  /** How many of the connections exchange; all without. */
  readonly active?: number
  /** Seconds from one request of a connection to its next; as soon as it is answered without. */
  readonly interval?: number
  /** Address of the own end; the kernel chooses without. */
  readonly source?: string
  /** 1: waits for SIGUSR1 when all connections are open. */
  readonly hold?: 0 | 1
  /** 1: keeps its connections open behind the result, until it is stopped. */
  readonly keep?: 0 | 1
  /** 1: all latencies are in the result. */
  readonly histogram?: 0 | 1
  readonly cpu?: number
  /** Congestion control of the connections; the namespace's default without. */
  readonly congestion?: string
}

/** What the load client measured. */
export interface LoadResult {
  readonly mode: LoadMode
  readonly opened: number
  readonly requests: number
  readonly bytes: number
  readonly seconds: number
  readonly requestsPerSecond: number
  readonly gbitPerSecond: number
  /** CPU time of the client in the measured time. */
  readonly cpuSeconds: number
  /** Of each connection, in bulk modes; otherwise empty. */
  readonly connectionBytes: readonly number[]
  readonly latencyUs: { readonly p50: number; readonly p90: number; readonly p99: number; readonly p999: number
    readonly max: number; readonly mean: number }
  /** Latencies in microseconds, rising, and how many there were of each; empty unless asked for. */
  readonly histogram: readonly (readonly [us: number, count: number])[]
  readonly errors: { readonly total: number; readonly connectFailed: number; readonly connectTimeout: number
    readonly reset: number; readonly earlyEnd: number; readonly mismatch: number; readonly unfinished: number
    readonly first: string }
}

/** A load client at work. */
export class Load {
  readonly process: Process

  constructor(process: Process) {
    this.process = process
  }

  /** Resolves when all connections are open. */
  async opened(timeoutMs?: number): Promise<void> {
    await this.process.line(/"event":"open"/, timeoutMs)
  }

  /** Resolves when warm-up is over and measuring begins. */
  async measuring(timeoutMs?: number): Promise<void> {
    await this.process.line(/"event":"measure"/, timeoutMs)
  }

  /** Resolves at the end with the figures, errors included. Throws Error if the client itself failed. */
  async result(timeoutMs = 120_000): Promise<LoadResult> {
    return JSON.parse(await this.process.line(/"event":"result"/, timeoutMs)) as LoadResult
  }
}

/** Starts the load client in a namespace. */
export function startLoad(namespace: Namespace, options: LoadOptions): Load {
  const args = Object.entries(options).map(([name, value]) => `--${name}=${String(value)}`)
  return new Load(namespace.start(`loadgen ${options.mode}`, { command: nativeProgram('loadgen'), args }))
}

/** One line on what went wrong, or null if nothing did. */
export function loadFailure(result: LoadResult): string | null {
  if (result.errors.total === 0) return null
  const kinds = Object.entries(result.errors).filter(([kind, n]) => kind !== 'total' && typeof n === 'number' && n > 0)
  const first = result.errors.first === '' ? '' : `, first: ${result.errors.first}`
  return `${kinds.map(([kind, n]) => `${kind} ${n}`).join(', ')}${first}`
}
