/** Spreads seeds over child processes, so that all CPUs work and a seed that never ends is noticed. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { SeedResult } from './run.js'

const CHILD = fileURLToPath(new URL('./child.js', import.meta.url))
/** A seed takes some 20 ms, the longest a few seconds. */
const SEED_LIMIT_MS = 120_000

export interface JobsOptions {
  readonly first: number
  readonly seeds: number
  readonly jobs: number
  readonly onResult: (result: SeedResult) => void
}

export class Jobs {
  private readonly options: JobsOptions
  private next: number
  private readonly children = new Set<ChildProcess>()
  private resolve: (() => void) | null = null

  constructor(options: JobsOptions) {
    this.options = options
    this.next = options.first
  }

  /** Runs all seeds; ends early after `stop`. */
  run(): Promise<void> {
    return new Promise((resolve) => {
      this.resolve = resolve
      for (let job = 0; job < Math.min(this.options.jobs, this.options.seeds); job++) this.start()
    })
  }

  /** No further seeds; those under way are given up. */
  stop(): void {
    this.next = Infinity
    for (const child of this.children) child.kill('SIGKILL')
  }

  private get hasMore(): boolean {
    return this.next < this.options.first + this.options.seeds
  }

  private start(): void {
    const child = fork(CHILD)
    this.children.add(child)
    let seed = -1
    let timer: NodeJS.Timeout | undefined
    const give = (): void => {
      clearTimeout(timer)
      seed = -1
      if (!this.hasMore) return child.disconnect()
      seed = this.next++
      timer = setTimeout(() => child.kill('SIGKILL'), SEED_LIMIT_MS)
      child.send(seed)
    }
    child.on('message', (result: SeedResult) => {
      this.options.onResult(result)
      give()
    })
    child.on('exit', (code, signal) => {
      clearTimeout(timer)
      this.children.delete(child)
      this.exited(seed, signal ?? `exit code ${code}`)
    })
    give()
  }

  private exited(seed: number, how: string): void {
    const isStopped = this.next === Infinity
    if (seed >= 0 && !isStopped) {
      const failures = [`the process ended (${how}): it crashed, or took more than ${SEED_LIMIT_MS / 1000} s`]
      this.options.onResult({ seed, failures, frames: 0, bytes: 0, connections: 0, virtualSeconds: 0 })
      if (this.hasMore) return this.start()
    }
    if (this.children.size === 0) this.resolve?.()
  }
}
