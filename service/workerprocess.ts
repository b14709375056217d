/** One run of one fast-path worker: the child process, its control socket, its ready message. */
import { spawn, type ChildProcess } from 'node:child_process'
import { decodeControl } from '../lib/memif/index.js'
import type { PacketSockets } from '../native/index.js'
import { Outbox } from './outbox.js'
import type { Closable, WorkerSystem } from './system.js'
import {
  encodeWorkerStart,
  WORKER_FD_CONTROL,
  WORKER_FD_COUNTERS,
  WORKER_FD_DOORBELL,
  WORKER_FD_PORT,
  WORKER_FD_PORT_SEND,
  WORKER_FD_SLOW_WAKE,
  WORKER_FD_STATE,
  WORKER_FD_TRACE,
  WORKER_FD_WAKE,
  WORKER_MESSAGE_MAX,
  type WorkerStart,
  WORKER_V8_OPTIONS,
} from './workerstart.js'

/** Descriptors that a worker inherits, apart from its control socket. They stay ours. */
export interface WorkerFds {
  readonly state: number
  readonly counters: number
  readonly doorbell: number
  readonly wake: number
  readonly slowWake: number
  readonly port: PacketSockets
  readonly trace: number
}

/** What its supervisor hears of a worker. */
export interface WorkerEvents {
  ready(): void
  /** The process has ended; `how` is for people, `clean` says that it left with 0. */
  exited(how: string, clean: boolean): void
  drained(): void
}

function stdio(fds: WorkerFds, control: number): ('ignore' | 'inherit' | number)[] {
  const list: ('ignore' | 'inherit' | number)[] = ['ignore', 'inherit', 'inherit']
  list[WORKER_FD_STATE] = fds.state
  list[WORKER_FD_COUNTERS] = fds.counters
  list[WORKER_FD_DOORBELL] = fds.doorbell
  list[WORKER_FD_WAKE] = fds.wake
  list[WORKER_FD_SLOW_WAKE] = fds.slowWake
  list[WORKER_FD_CONTROL] = control
  list[WORKER_FD_PORT] = fds.port.fd
  list[WORKER_FD_TRACE] = fds.trace
  if (fds.port.sendFd >= 0) list[WORKER_FD_PORT_SEND] = fds.port.sendFd
  return list
}

/** A started worker process. */
export class WorkerProcess {
  readonly outbox: Outbox
  private readonly system: WorkerSystem
  private readonly events: WorkerEvents
  private readonly controlFd: number
  private readonly child: ChildProcess
  private readonly inbox = new Uint8Array(WORKER_MESSAGE_MAX)
  private watcher: Closable | null
  private ended = false

  /** Starts `script` with `start` as argument. Throws Error if no process can be made. */
  constructor(system: WorkerSystem, script: string, start: WorkerStart, fds: WorkerFds, events: WorkerEvents) {
    this.system = system
    this.events = events
    const [ours, theirs] = system.socketPair()
    this.controlFd = ours
    this.outbox = new Outbox(system, ours, () => events.drained())
    try {
      this.child = spawn(process.execPath, [...WORKER_V8_OPTIONS, script, encodeWorkerStart(start)], { stdio: stdio(fds, theirs) })
    } finally {
      system.closeFd(theirs)
    }
    this.child.once('error', (error) => this.end(`could not be started: ${error.message}`, false))
    this.child.once('exit', (code, signal) => this.end(signal === null ? `exit code ${code}` : `signal ${signal}`, code === 0))
    this.watcher = system.watch(ours, () => this.readable())
  }

  /** Process id, or -1 if none was made. */
  get pid(): number {
    return this.child.pid ?? -1
  }

  /** Sends a signal, if the process still is. */
  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (!this.ended) this.child.kill(signal)
  }

  private readable(): void {
    for (;;) {
      const received = this.receive()
      if (received === null) return
      for (const fd of received.fds) this.system.closeFd(fd)
      if (received.lenBytes === 0) {
        this.stopWatching()
        return
      }
      if (decodeControl(this.inbox.subarray(0, received.lenBytes))?.['op'] === 'ready') this.events.ready()
    }
  }

  /** A connection reset is an end like any other: the exit event says why. */
  private receive(): ReturnType<WorkerSystem['receiveMessage']> {
    try {
      return this.system.receiveMessage(this.controlFd, this.inbox)
    } catch {
      return { lenBytes: 0, fds: [] }
    }
  }

  private stopWatching(): void {
    this.watcher?.close()
    this.watcher = null
  }

  private end(how: string, clean: boolean): void {
    if (this.ended) return
    this.ended = true
    this.stopWatching()
    this.outbox.close()
    this.system.closeFd(this.controlFd)
    this.events.exited(how, clean)
  }
}
