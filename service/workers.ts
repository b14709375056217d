/**
 * Supervision of the fast-path workers: starts them, hands them applications and contexts, starts one that died
 * again on the same state region, stops them all.
 */
import { encodeControl, type TasToWorker } from '../lib/memif/index.js'
import { EnvironmentError } from './errors.js'
import type { Log } from './log.js'
import { RestartPolicy } from './restartpolicy.js'
import type { Region, WorkerSystem } from './system.js'
import { WorkerProcess, type WorkerFds } from './workerprocess.js'
import type { WorkerStart } from './workerstart.js'

/** What the workers are made of. */
export interface WorkersEnv {
  readonly system: WorkerSystem
  readonly log: Log
  /** Path of the worker's program. */
  readonly script: string
  /** For each worker: its argument, and the descriptors it inherits. */
  readonly workers: readonly { readonly start: Omit<WorkerStart, 'restart' | 'known'>; readonly fds: WorkerFds }[]
  readonly nowMs: () => number
  /** The process of a worker has died; the next one is started after this. */
  readonly died: (worker: number) => void
  /** A worker died too often. */
  readonly failed: (error: Error) => void
}

/** How long all workers together may take until they are ready, in milliseconds. */
const READY_MS = 20_000
/** How long a worker may take to leave before it is killed, in milliseconds. */
const STOP_MS = 2_000

interface KnownApp {
  readonly regionFd: number
  readonly regionBytes: number
  /** Eventfd of each context. */
  readonly contexts: Map<number, number>
}

/** One worker, through all its runs. */
class Supervised {
  run: WorkerProcess | null = null
  ready = false
  restarts = 0
  timer: NodeJS.Timeout | null = null
  readonly policy = new RestartPolicy()
}

/** All workers of the service. */
export class Workers {
  private readonly env: WorkersEnv
  private readonly supervised: readonly Supervised[]
  private readonly apps = new Map<number, KnownApp>()
  private retired: (() => void)[] = []
  private stopping = false
  private starting: { resolve(): void; reject(error: Error): void } | null = null
  private allGone: (() => void) | null = null

  constructor(env: WorkersEnv) {
    this.env = env
    this.supervised = env.workers.map(() => new Supervised())
  }

  /** Starts all. Resolves when every worker is ready. Rejects with EnvironmentError if one dies before or takes too long. */
  async start(): Promise<void> {
    const late = new EnvironmentError(`fast path: not ready after ${READY_MS / 1000} s`)
    const timer = setTimeout(() => this.starting?.reject(late), READY_MS)
    try {
      await new Promise<void>((resolve, reject) => {
        this.starting = { resolve, reject }
        this.supervised.forEach((_, worker) => this.launch(worker))
      })
    } finally {
      clearTimeout(timer)
      this.starting = null
    }
  }

  /** Process ids of the workers that run. */
  get pids(): readonly number[] {
    return this.supervised.flatMap(({ run }) => (run === null ? [] : [run.pid]))
  }

  /** Tells worker `worker` of an application. Its ring message follows. */
  appAdded(worker: number, app: number, region: Region): void {
    const known = { regionFd: region.fd, regionBytes: region.buffer.byteLength, contexts: new Map<number, number>() }
    if (!this.apps.has(app)) this.apps.set(app, known)
    this.send(worker, { op: 'app', app, regionBytes: known.regionBytes }, region.fd)
  }

  /** Tells worker `worker` of a context and its eventfd. */
  contextAdded(worker: number, app: number, context: number, wakeFd: number): void {
    this.apps.get(app)?.contexts.set(context, wakeFd)
    this.send(worker, { op: 'context', app, context }, wakeFd)
  }

  /** No worker has the context any more: one that is started from now on need not know it, and another may get its id. */
  contextFreed(app: number, context: number): void {
    this.apps.get(app)?.contexts.delete(context)
  }

  /** The application is gone: a worker that is started from now on need not know it. */
  appGone(app: number): void {
    this.apps.delete(app)
  }

  /** Runs `close` once no descriptor is on its way to a worker any more. */
  retire(close: () => void): void {
    this.retired.push(close)
    this.closeRetired()
  }

  /** From now on a worker that ends has not died. */
  expectEnd(): void {
    this.stopping = true
  }

  /** Stops all workers; those that do not leave are killed. */
  async stop(): Promise<void> {
    this.stopping = true
    this.supervised.forEach(({ timer }) => {
      if (timer !== null) clearTimeout(timer)
    })
    this.signal('SIGTERM')
    const force = setTimeout(() => this.signal('SIGKILL'), STOP_MS)
    await new Promise<void>((resolve) => {
      this.allGone = resolve
      if (this.pids.length === 0) resolve()
    })
    clearTimeout(force)
  }

  /** Ends all workers without ceremony. */
  kill(): void {
    this.stopping = true
    this.signal('SIGKILL')
  }

  private signal(signal: 'SIGTERM' | 'SIGKILL'): void {
    for (const { run } of this.supervised) run?.kill(signal)
  }

  private launch(worker: number): void {
    const own = this.supervised[worker]
    const { start, fds } = this.env.workers[worker]
    const messages = own.restarts > 0 ? this.knownMessages() : []
    const argument = { ...start, restart: own.restarts > 0, known: messages.length }
    const run = new WorkerProcess(this.env.system, this.env.script, argument, fds, {
      ready: () => this.becameReady(worker),
      exited: (how, clean) => this.exited(worker, how, clean),
      drained: () => this.closeRetired(),
    })
    own.run = run
    for (const { message, fd } of messages) run.outbox.send(encodeControl(message), [fd])
    this.env.log.debug({ worker, pid: run.pid }, 'worker started')
  }

  private knownMessages(): { message: TasToWorker; fd: number }[] {
    return [...this.apps].flatMap(([app, { regionFd, regionBytes, contexts }]) => [
      { message: { op: 'app' as const, app, regionBytes }, fd: regionFd },
      ...[...contexts].map(([context, fd]) => ({ message: { op: 'context' as const, app, context }, fd })),
    ])
  }

  private send(worker: number, message: TasToWorker, fd: number): void {
    this.supervised[worker].run?.outbox.send(encodeControl(message), [fd])
  }

  private becameReady(worker: number): void {
    const own = this.supervised[worker]
    own.ready = true
    if (own.restarts > 0) this.env.log.info({ worker, pid: own.run?.pid }, 'worker is back')
    if (this.supervised.every(({ ready }) => ready)) this.starting?.resolve()
  }

  private exited(worker: number, how: string, clean: boolean): void {
    const own = this.supervised[worker]
    own.run = null
    own.ready = false
    this.closeRetired()
    if (this.stopping) {
      if (this.pids.length === 0) this.allGone?.()
      if (!clean) this.env.log.debug({ worker, how }, 'worker ended')
    } else if (this.starting !== null) {
      this.starting.reject(new EnvironmentError(`fast path: worker ${worker} ended before it was ready (${how})`))
    } else {
      this.restart(worker, own, how)
    }
  }

  private restart(worker: number, own: Supervised, how: string): void {
    const delayMs = own.policy.died(this.env.nowMs())
    if (delayMs < 0) {
      this.env.failed(new EnvironmentError(`fast path: worker ${worker} died too often, last with ${how}`))
      return
    }
    this.env.log.error({ worker, how, delayMs }, 'worker died; starting it again')
    this.env.died(worker)
    own.restarts++
    own.timer = setTimeout(() => {
      own.timer = null
      this.launch(worker)
    }, delayMs)
  }

  private closeRetired(): void {
    if (this.supervised.some(({ run }) => run?.outbox.busy === true)) return
    const closes = this.retired
    this.retired = []
    for (const close of closes) close()
  }
}
