/**
 * What tools see of an embedded TAS (`tas stat`, `tas state`, `tas trace`), where the program names a socket for them: the counters object, the
 * trace region, and a control socket that takes no applications.
 *
 *   tool ---> control socket ---> epoll set ---> looked at every 10 ms while the stack runs, at once where it blocks or rests in the event loop
 */
import { resolve } from 'node:path'
import { HistogramWriter, TraceWriter, workerHistogramBase } from '../memif/index.js'
import { Clock, FdWatcher, KERNEL_POLL_ADD, KERNEL_POLL_DELETE, KernelPoll, nowUs } from '../../native/index.js'
import type { Client, Message } from '../../service/control/client.js'
import { ClientError } from '../../service/control/clienterror.js'
import { Inquiries, sourcesOf } from '../../service/control/inquiries.js'
import { ControlServer, type Topic } from '../../service/control/server.js'
import { createCounters } from '../../service/counters.js'
import { GcPauses } from '../../service/gcpauses.js'
import type { Log } from '../../service/log.js'
import { nativeSystem } from '../../service/nativesystem.js'
import type { Options } from '../../service/options.js'
import type { SlowPath } from '../../service/slow/slowpath.js'
import { networksOf } from '../../service/slowconfig.js'
import { claimSocket } from '../../service/socketfile.js'
import type { Closable, ListenSystem } from '../../service/system.js'
import { createTrace, type TraceMemory } from '../../service/trace.js'
import type { UndoStack } from '../../service/undo.js'
import type { Onlooker } from './stack.js'

const WORKERS = 1
const WORKER = 0
/** Mode of the socket: for its user, and for root. */
const SOCKET_MODE = 0o600
const EPOLLIN = 1
/** Most sockets served at one look; others have their turn at the next. */
const READY_MAX = 16

/** Sockets that are looked at when `look` is called. */
class PolledSockets implements ListenSystem {
  readonly acceptUnix = nativeSystem.acceptUnix
  readonly peerCredentials = nativeSystem.peerCredentials
  readonly receiveMessage = nativeSystem.receiveMessage
  readonly sendMessage = nativeSystem.sendMessage
  readonly closeFd = nativeSystem.closeFd
  readonly nowUs = nowUs
  private readonly poll = new KernelPoll()
  private readonly readers = new Map<number, () => void>()
  private readonly ready = new Int32Array(2 * READY_MAX)

  /** Readable while one of the sockets is. */
  get fd(): number {
    return this.poll.fd
  }

  watch(fd: number, onReadable: () => void): Closable {
    this.poll.control(KERNEL_POLL_ADD, fd, EPOLLIN)
    this.readers.set(fd, onReadable)
    return {
      close: () => {
        if (this.readers.delete(fd)) this.poll.control(KERNEL_POLL_DELETE, fd, 0)
      },
    }
  }

  look(): void {
    const count = this.poll.take(this.ready)
    // One that an earlier one has closed is not there any more.
    for (let i = 0; i < count; i++) this.readers.get(this.ready[2 * i])?.()
  }

  close(): void {
    this.poll.close()
  }
}

/** What would need a service. */
const NO_APPLICATIONS: Topic = {
  answer: (_client: Client, message: Message) => {
    if (message['op'] !== 'hello' && message['op'] !== 'context') return false
    throw new ClientError('EOPNOTSUPP', 'this TAS is a program\'s own and takes no others; its socket is for tas stat, tas state and tas trace')
  },
  left: () => undefined,
}

export class Tools implements Onlooker {
  readonly counters: Float64Array
  /** Rings of slow path and worker. */
  readonly slowTrace: TraceWriter
  readonly workerTrace: TraceWriter
  private readonly trace: TraceMemory
  private readonly listenFd: number
  private readonly options: Options
  private readonly sockets = new PolledSockets()
  private readonly passes: HistogramWriter
  private readonly pauses: GcPauses

  /** Takes the socket that `options` name; all is taken back by `undo`. Nobody is answered before `open`. Throws EnvironmentError. */
  constructor(options: Options, undo: UndoStack) {
    const socket = resolve(options.socket)
    this.options = options
    undo.add('the tools\' epoll set', () => this.sockets.close())
    this.listenFd = claimSocket(socket, SOCKET_MODE, undo)
    this.counters = createCounters(socket, WORKERS, undo).counters
    this.trace = createTrace(WORKERS, undo)
    this.slowTrace = new TraceWriter(this.trace.buffer, 0, nowUs)
    this.workerTrace = new TraceWriter(this.trace.buffer, 1 + WORKER, clock32())
    this.passes = new HistogramWriter(this.counters, workerHistogramBase(WORKER, 'passUs'))
    this.pauses = new GcPauses(new HistogramWriter(this.counters, workerHistogramBase(WORKER, 'gcUs')))
  }

  /** Readable when `look` would find something. */
  get fd(): number {
    return this.sockets.fd
  }

  /** Answers from now on what is asked of `slow`, until `undo`. */
  open(slow: SlowPath, changed: () => void, log: Log, undo: UndoStack): void {
    const { options, trace, listenFd, sockets } = this
    const ownUid = process.getuid?.() ?? 0
    const inquiries = new Inquiries({
      system: sockets, ...sourcesOf(slow, nowUs), networks: networksOf(options), trace, workers: WORKERS, log, ownUid, changed,
    })
    const server = new ControlServer({ system: sockets, log, listenFd, socketMode: SOCKET_MODE, ownUid }, [NO_APPLICATIONS, inquiries])
    const watcher = new FdWatcher(sockets.fd, () => this.look())
    watcher.unref()
    undo.add('the tools\' watcher', () => watcher.close())
    undo.add('the tools\' connections', () => server.closeAll())
    server.start()
  }

  look(): void {
    this.sockets.look()
  }

  worked(tookUs: number): void {
    this.passes.record(tookUs)
  }

  secondPassed(): void {
    this.pauses.collect()
  }
}

/** A burst is stamped when it is there, not when its round began. */
function clock32(): () => number {
  const clock = new Clock()
  return () => {
    clock.tick()
    return clock.us32
  }
}
