/** The service as a whole: makes every part in order, and takes everything back at the end or when one fails. */
import { fileURLToPath } from 'node:url'
import {
  CONTROL_FDS_MAX,
  COUNTERS_BYTES,
  DOORBELL_SLOW,
  Doorbell,
  doorbellWord,
  HistogramWriter,
  slowCounter,
  slowHistogramBase,
  TracedSleepMark,
  TraceWriter,
  type Wakeable,
} from '../lib/memif/index.js'
import { EventFd, FdWatcher, getAffinity, nowUs, punchHole, setName, SpinPolicy, TimerFd, yieldCpu } from '../native/index.js'
import { loadModule } from './congestionmodule.js'
import { Applications } from './control/applications.js'
import { Inquiries, sourcesOf } from './control/inquiries.js'
import { ControlServer } from './control/server.js'
import { createCounters, type CountersObject } from './counters.js'
import { EnvironmentError } from './errors.js'
import { observeGcPauses } from './gcpauses.js'
import { openHostKernel, sharedAddressProblem } from './hostkernel.js'
import { hugePagesText, readShmemEnabled } from './hugepages.js'
import type { Log } from './log.js'
import { createMemory, type ServiceMemory } from './memory.js'
import { nativeSystem } from './nativesystem.js'
import type { Options } from './options.js'
import { openPorts, type ServicePorts } from './ports.js'
import { randomMac, slowRandomness } from './randomness.js'
import { appRegionShape } from './sizes.js'
import { networksOf, slowConfig } from './slowconfig.js'
import type { Algorithm } from './slow/congestion/algorithm.js'
import { SlowPath } from './slow/slowpath.js'
import { SlowProcess } from './slowprocess.js'
import { claimSocket } from './socketfile.js'
import { createTrace, type TraceMemory } from './trace.js'
import { UndoStack } from './undo.js'
import { Workers } from './workers.js'

/** Program of a worker process, beside this file. */
const WORKER_SCRIPT = fileURLToPath(new URL('./fastprocess.js', import.meta.url))

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

/** Descriptor of what wakes a context; in the service it is always an eventfd. */
function fdOf(wake: Wakeable): number {
  if ('fd' in wake && typeof wake.fd === 'number') return wake.fd
  throw new TypeError('a context of the service is woken by an eventfd')
}

/** Whether the number of workers that are used follows the load. */
function isAutoscaled({ fpCoresMax, fpNoAutoscale }: Options): boolean {
  return fpCoresMax > 1 && !fpNoAutoscale
}

/** Throws EnvironmentError if one of --fp-cpus may not be used: a worker would fail at its start. */
function checkCpus(cpus: Options['fpCpus']): void {
  const allowed = getAffinity()
  const missing = cpus?.find((cpu) => !allowed.includes(cpu))
  if (missing !== undefined) {
    throw new EnvironmentError(`--fp-cpus: "${missing}": this process may not run there; want some of ${allowed.join(', ')}`)
  }
}

/** Everything that start-up has made. */
interface Parts {
  readonly memory: ServiceMemory
  readonly counters: CountersObject
  readonly trace: TraceMemory
  readonly ports: ServicePorts
  readonly slowWake: EventFd
  readonly workerWakes: readonly EventFd[]
}

/** The running service. */
export class Service {
  private readonly options: Options
  private readonly log: Log
  private readonly failed: (error: unknown) => void
  private readonly undo = new UndoStack()
  private readonly mac: Uint8Array
  private workers: Workers | null = null
  private slow: SlowPath | null = null
  private loop: SlowProcess | null = null
  private control: ControlServer | null = null
  private applications: Applications | null = null
  private congestionModule: Algorithm | null = null
  private stopping = false

  /** Makes nothing yet. `failed` is told when the service cannot go on; the caller then stops it. */
  constructor(options: Options, log: Log, failed: (error: unknown) => void) {
    this.options = options
    this.log = log
    this.failed = failed
    this.mac = options.mac ?? randomMac()
  }

  /**
   * Makes everything and waits for the workers. Returns whether the service is ready; false if `stop` was called
   * meanwhile. On failure nothing is left behind, and it throws, EnvironmentError for what the machine refuses.
   */
  async start(): Promise<boolean> {
    try {
      this.congestionModule = await loadModule(this.options.cc)
      const listenFd = claimSocket(this.options.socket, this.options.socketMode, this.undo)
      const parts = this.makeParts()
      const workers = this.makeWorkers(parts)
      this.makeSlowPath(parts, workers)
      await workers.start()
      if (this.stopping) return false
      this.serve(listenFd, parts, workers)
      this.describe(parts)
      return true
    } catch (error) {
      // A stop that is under way takes everything back itself.
      if (!this.stopping) {
        this.stopping = true
        await this.takeBack()
      }
      throw error
    }
  }

  /** Resets connections, tells applications, stops workers, removes socket and memory. Does nothing the second time. */
  async stop(): Promise<void> {
    if (this.stopping) return
    this.stopping = true
    this.control?.stopAccepting()
    this.workers?.expectEnd()
    try {
      this.slow?.shutdown(nowUs())
    } finally {
      this.control?.closeAll()
      await this.takeBack()
    }
  }

  /** Ends workers and removes what would outlast this process, without waiting for anybody. */
  abandon(): void {
    this.stopping = true
    this.workers?.kill()
    this.undo.run(this.log)
  }

  private describe({ ports, counters }: Parts): void {
    const mac = hex(this.mac).replaceAll(/..(?=.)/g, '$&:')
    const hugePages = hugePagesText(this.options.fpNoHugepages, readShmemEnabled())
    this.log.info({ interface: this.options.nic.name, mac, mtu: ports.mtu, counters: counters.name, hugePages }, 'serving')
  }

  private async takeBack(): Promise<void> {
    await this.workers?.stop()
    this.loop?.stop()
    this.undo.run(this.log)
  }

  private makeParts(): Parts {
    const { options, undo, mac } = this
    const workers = options.fpCoresMax
    setName('tas-slow')
    checkCpus(options.fpCpus)
    const ports = openPorts(options, mac, workers, undo)
    const memory = createMemory(options, workers, undo)
    const counters = createCounters(options.socket, workers, undo)
    const trace = createTrace(workers, undo)
    const workerWakes = Array.from({ length: workers }, () => this.eventFd())
    return { ports, memory, counters, trace, slowWake: this.eventFd(), workerWakes }
  }

  private eventFd(): EventFd {
    const eventFd = new EventFd()
    this.undo.add('an eventfd', () => eventFd.close())
    return eventFd
  }

  private makeWorkers({ memory, counters, trace, ports, slowWake, workerWakes }: Parts): Workers {
    const { options } = this
    const shape = appRegionShape(options, options.fpCoresMax)
    const shared = { state: memory.stateFd, counters: counters.fd, doorbell: memory.doorbellFd, slowWake: slowWake.fd, trace: trace.fd }
    const argument = {
      workers: options.fpCoresMax, stateBytes: memory.state.buffer.byteLength, noHugePages: options.fpNoHugepages,
      countersBytes: COUNTERS_BYTES, port: ports.port,
      localMac: hex(this.mac), mtu: ports.mtu, kinBytes: shape.kinBytes, koutBytes: shape.koutBytes,
      fastEntries: shape.fastEntries,
      pollIntervalUs: options.fpPollIntervalTas, block: !options.fpNoInts, autoscale: isAutoscaled(options), vlanStrip: options.fpVlanStrip,
    }
    this.workers = new Workers({
      system: nativeSystem,
      log: this.log,
      script: WORKER_SCRIPT,
      workers: workerWakes.map((wake, worker) => ({
        start: { ...argument, worker, cpu: options.fpCpus?.[worker] ?? -1 },
        fds: { ...shared, wake: wake.fd, port: ports.workers[worker] },
      })),
      nowMs: () => nowUs() / 1000,
      died: (worker) => {
        this.slow?.workerDied(worker, nowUs())
        this.loop?.wake()
      },
      failed: this.failed,
    })
    return this.workers
  }

  private makeSlowPath({ memory, counters, trace, ports, slowWake, workerWakes }: Parts, workers: Workers): void {
    const { options, log, undo, mac } = this
    const problem = options.kniName === null || options.nic.kind === 'tap' ? null
      : sharedAddressProblem(options.nic.name, options.kniName)
    if (problem !== null) log.warn({}, problem)
    let deliver: (frame: Uint8Array, len: number) => void = () => undefined
    const hostKernel = options.kniName === null ? null
      : openHostKernel(options.kniName, mac, undo, (frame, len) => deliver(frame, len))
    const links = workerWakes.map((wake, worker) => ({
      doorbell: new Doorbell(memory.doorbells, doorbellWord(worker), wake),
      appAdded: (app: number, region: { buffer: ArrayBufferLike; fd: number }) => workers.appAdded(worker, app, region),
      contextAdded: (app: number, context: number, target: Wakeable) =>
        workers.contextAdded(worker, app, context, fdOf(target)),
    }))
    const traceWriter = new TraceWriter(trace.buffer, 0, nowUs)
    const slow = new SlowPath({
      state: memory.state, counters: counters.counters, config: slowConfig(options, options.fpCoresMax), port: ports.slow, log,
      workers: links, trace: traceWriter, steer: ports.steer, autoscale: isAutoscaled(options), changed: () => this.loop?.wake(),
      ...slowRandomness(), mac, nowUs: nowUs(),
      discard: ({ fd }, fromByte, lenBytes) => punchHole(fd, fromByte, lenBytes),
      contextFreed: (app, context) => {
        workers.contextFreed(app, context)
        this.applications?.contextFreed(app, context)
      },
      // Not from within its poll: hanging up takes the memory that it is looking at.
      appEnded: (app, reason) => void setImmediate(() => this.applications?.hangUp(app, reason)),
      ...(hostKernel === null ? {} : { hostKernel }),
      ...(this.congestionModule === null ? {} : { congestionModule: this.congestionModule }),
    })
    const loop = this.makeLoop(slow, new TracedSleepMark(memory.doorbells, DOORBELL_SLOW, traceWriter), counters, slowWake)
    deliver = (frame, len) => {
      slow.fromHostKernel(frame, len)
      loop.wake()
    }
    this.slow = slow
    this.loop = loop
    loop.start()
  }

  private makeLoop(slow: SlowPath, mark: TracedSleepMark, counters: CountersObject, slowWake: EventFd): SlowProcess {
    const timer = new TimerFd()
    const busy = slowCounter('busyUs')
    const loop = new SlowProcess({
      slow, nowUs, timer, mark,
      spin: new SpinPolicy(this.options.fpPollIntervalTas), yieldCpu,
      busy: (us) => void (counters.counters[busy] += us), soon: (turn) => void setImmediate(turn), failed: this.failed,
    })
    const watch = (source: { readonly fd: number; drain(): void }, then: () => void): void => {
      const watcher = new FdWatcher(source.fd, () => {
        source.drain()
        then()
      })
      this.undo.add('a watcher', () => watcher.close())
    }
    this.undo.add('the timer', () => timer.close())
    const pauses = observeGcPauses(new HistogramWriter(counters.counters, slowHistogramBase('gcUs')))
    this.undo.add('the observer of garbage collection', () => pauses.disconnect())
    watch(timer, () => loop.expire())
    watch(slowWake, () => loop.ring())
    return loop
  }

  private serve(listenFd: number, { memory, trace, slowWake, workerWakes }: Parts, workers: Workers): void {
    const { slow, loop, options } = this
    if (slow === null || loop === null) throw new Error('no slow path')
    const welcomeFds = [memory.doorbellReadOnlyFd, slowWake.fd, ...workerWakes.map(({ fd }) => fd)]
    if (welcomeFds.length >= CONTROL_FDS_MAX) throw new Error('too many workers for a control message')
    const apps = {
      addApp: slow.apps.addApp.bind(slow.apps),
      addContext: slow.apps.addContext.bind(slow.apps),
      removeContext: slow.apps.removeContext.bind(slow.apps),
      removeApp: (app: number) => {
        slow.apps.removeApp(app)
        workers.appGone(app)
      },
    }
    const { log } = this
    const ownUid = process.getuid?.() ?? 0
    const common = { system: nativeSystem, log, workers: options.fpCoresMax, changed: () => loop.wake() }
    this.applications = new Applications({
      ...common, apps, welcomeFds, regionBytes: appRegionShape(options, options.fpCoresMax).regionBytes, retire: (close) => workers.retire(close),
    })
    const inquiries = new Inquiries({ ...common, ...sourcesOf(slow, nowUs), networks: networksOf(options), trace, ownUid })
    this.control = new ControlServer(
      { system: nativeSystem, log, listenFd, socketMode: options.socketMode, ownUid }, [this.applications, inquiries])
    this.control.start()
  }
}
