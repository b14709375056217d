/** A whole TAS host in one thread: slow path, one or more workers, applications on the flextcp library. */
import {
  APPS_MAX, COUNTERS_BYTES, Doorbell, DOORBELL_PAGE_BYTES, DOORBELL_SLOW, doorbellWord, placeState, slowCounter,
  STATE_LOCAL_ADDRESSES, STATE_LOCAL_COUNT, STATE_MAC, StateView, workerCounter, workerCounterBase, workerOfFrame,
  writeAppRegionHeader, writeStateHeader, type AppRegionShape, type SlowCounter, type StateRegionShape, type Wakeable, type WorkerCounter,
} from '../../lib/memif/index.js'
import { Tas } from '../../lib/tas/index.js'
import { LocalLink } from '../../lib/tas/locallink.js'
import { sameMac, isGroupMac } from '../../lib/wire/index.js'
import { LoopPort, MemoryPort, Regions } from '../../native/index.js'
import { DEFAULT_ARP, DEFAULT_CONGESTION, DEFAULT_TCP, type SlowConfig } from '../../service/slow/config.js'
import { SlowPath } from '../../service/slow/slowpath.js'
import type { SteerPort } from '../../service/slow/steering.js'
import { Worker } from '../../service/fast/worker.js'
import type { SeededRandom } from '../../tools/linkem/index.js'

/** What a host needs of the network that it is on: SimNetwork, or a topology of switches (experiments/engine). */
export interface HostNetwork {
  readonly nowUs: number
  readonly random: SeededRandom
  /** Frames that hosts have sent. */
  readonly framesSent: number
  join(host: SimHost): void
  /** A host puts a frame on its link, which it gives away. */
  send(from: SimHost, frame: Uint8Array): void
}

const NOTHING: Wakeable = { wake: () => undefined }
const silent = (): void => undefined

export interface HostOptions {
  readonly ip: number
  readonly bufLen?: number
  readonly mtu?: number
  readonly flows?: number
  /** Workers; 1. */
  readonly workers?: number
  readonly regionBytes?: number
  /** Entries of the rings between an application and the worker; 64. */
  readonly fastEntries?: number
  readonly config?: Partial<SlowConfig>
  /** Shape of the state region where it is not the usual one. */
  readonly state?: Partial<StateRegionShape>
  /** Bytes of the rings between an application and the slow path, each; 4096. */
  readonly controlBytes?: number
  /** How far its clock is ahead of the network's, microseconds. */
  readonly clockUs?: number
  /** When frames are steered anew; at once. The table that counts stands in the state region. */
  readonly steer?: SteerPort
  /** Its MAC address; 02:00:00:00:00 and the last byte of `ip`, which is enough for one subnet. */
  readonly mac?: Uint8Array
}

/** The worker process was killed at a call of its port. */
class WorkerKilled extends Error {}

/** A port at whose calls a worker can die. */
class MortalPort extends MemoryPort {
  /** Calls that a worker still makes; it dies before or after the one that is too many. */
  private callsLeft = Infinity
  private isAfter = false

  dieAfter(calls: number, isAfter: boolean): void {
    this.callsLeft = calls
    this.isAfter = isAfter
  }

  private mortal<T>(call: () => T): T {
    if (this.callsLeft === Infinity) return call()
    const isLast = --this.callsLeft < 0
    if (isLast) this.callsLeft = Infinity
    if (isLast && !this.isAfter) throw new WorkerKilled()
    const result = call()
    if (isLast) throw new WorkerKilled()
    return result
  }

  override receive(): number {
    return this.mortal(() => super.receive())
  }

  override deliver(count: number): void {
    this.mortal(() => super.deliver(count))
  }

  override transmit(first: number, count: number): number {
    return this.mortal(() => super.transmit(first, count))
  }
}

export class SimHost {
  readonly slow: SlowPath
  readonly workers: Worker[]
  readonly counters = new Float64Array(COUNTERS_BYTES / 8)
  readonly state: StateView
  readonly mac: Uint8Array
  private readonly net: HostNetwork
  /** One for each worker. */
  private readonly ports: readonly MortalPort[]
  private readonly doorbells = new Int32Array(new SharedArrayBuffer(DOORBELL_PAGE_BYTES))
  private readonly regions = new Map<number, Uint8Array>()
  /** The same for the loop port, whose copies are native. */
  private readonly nativeRegions: Regions[]
  private readonly buffers = new Map<number, ArrayBufferLike>()
  private readonly wakes = new Map<number, Wakeable>()
  /** Workers that still have the region of an application. */
  private readonly users = new Map<number, Set<number>>()
  /** Of every application's region. */
  readonly shape: AppRegionShape
  private nowUs: number
  private clockUs: number
  /** Times that a worker took over from one that was killed. */
  takeovers = 0
  /** Frames that it received, and those that its port had no room for. */
  framesIn = 0
  framesRefused = 0

  constructor(net: HostNetwork, options: HostOptions) {
    this.net = net
    this.clockUs = options.clockUs ?? 0
    this.nowUs = net.nowUs + this.clockUs
    this.mac = options.mac ?? Uint8Array.of(2, 0, 0, 0, 0, options.ip & 0xff)
    const { regionBytes = 1 << 22, workers = 1, controlBytes = 4096, fastEntries = 64 } = options
    this.shape = { regionBytes, workers, kinBytes: controlBytes, koutBytes: controlBytes, fastEntries }
    this.state = this.makeState(options)
    const indexes = Array.from({ length: this.shape.workers }, (_, worker) => worker)
    this.nativeRegions = indexes.map(() => this.freshRegions())
    this.ports = indexes.map(() => new MortalPort({
      burst: 16, mtu: options.mtu ?? 1500, offload: false, memory: (region) => this.regions.get(region) ?? new Uint8Array(0),
      onTransmit: (frame) => net.send(this, frame),
    }))
    this.slow = new SlowPath({
      state: this.state, counters: this.counters, config: this.config(options), port: this.ports[0], mac: this.mac, nowUs: this.nowUs,
      log: { debug: silent, info: silent, warn: silent, error: silent },
      // Not zeros, as the machine's would be: whoever still uses what was given back finds out.
      discard: ({ buffer }, fromByte, lenBytes) => void new Uint8Array(buffer, fromByte, lenBytes).fill(0xdd),
      random: { u32: () => net.random.u32() }, secret: net.random.bytes(16),
      workers: indexes.map((worker) => ({
        doorbell: new Doorbell(this.doorbells, doorbellWord(worker), NOTHING),
        appAdded: (app, region) => {
          this.buffers.set(app, region.buffer)
          this.users.set(app, new Set(indexes))
        },
        contextAdded: (app, context, wake) => void this.wakes.set(app * APPS_MAX + context, wake),
      })),
      ...options.steer === undefined ? {} : { steer: options.steer },
      contextFreed: (app, context) => void this.wakes.delete(app * APPS_MAX + context),
    })
    this.workers = indexes.map((worker) => this.makeWorker(worker))
    net.join(this)
  }

  private makeState(options: HostOptions): StateView {
    const { workers } = this.shape
    const shape = { workers, flows: options.flows ?? 64, toSlowEntries: 256, toFastEntries: 256, packetAreaBytes: 1 << 18, ...options.state }
    const memory = new SharedArrayBuffer(placeState(shape).totalBytes)
    writeStateHeader(new Int32Array(memory), shape)
    const state = new StateView(memory)
    state.words[STATE_LOCAL_COUNT] = 1
    new DataView(memory).setInt32(STATE_LOCAL_ADDRESSES * 4, options.ip, false)
    state.bytes.set(this.mac, STATE_MAC * 4)
    this.regions.set(0, state.bytes)
    return state
  }

  private config(options: HostOptions): SlowConfig {
    const bufLen = options.bufLen ?? 1 << 15
    return {
      addresses: [{ ip: options.ip, prefix: 24 }], routes: [], kni: false,
      tcp: { ...DEFAULT_TCP, rxBufLen: bufLen, txBufLen: bufLen }, arp: DEFAULT_ARP, cc: DEFAULT_CONGESTION,
      appRegionBytes: this.shape.regionBytes, kinBytes: this.shape.kinBytes, koutBytes: this.shape.koutBytes, fastEntries: this.shape.fastEntries,
      appPollIntervalUs: 50,
      ...options.config,
    }
  }

  private freshRegions(): Regions {
    const regions = new Regions()
    regions.add(0, this.state.buffer)
    return regions
  }

  /** The first worker. */
  get worker(): Worker {
    return this.workers[0]
  }

  private makeWorker(worker: number): Worker {
    const port = this.ports[worker]
    const native = this.nativeRegions[worker]
    return new Worker({
      state: this.state, worker, port, counters: this.counters,
      loop: new LoopPort({ beside: port, regions: native }),
      regions: {
        add: (index, memory) => {
          this.regions.set(index, new Uint8Array(memory))
          native.add(index, memory)
        },
        remove: (index) => native.remove(index),
      },
      slowDoorbell: new Doorbell(this.doorbells, DOORBELL_SLOW, NOTHING),
      apps: {
        region: (app) => ({ memory: this.buffers.get(app) ?? new ArrayBuffer(0), shape: this.shape }),
        contextWake: (app, context) => this.wakes.get(app * APPS_MAX + context) ?? NOTHING,
        release: (app) => this.releaseRegion(app, worker),
      },
    })
  }

  /**
   * Starts an application; `memory` is its region. Where it blocks, `run` lets the network go on until `isWoken` or for so many microseconds
   * (-1: no limit). That wants `config.appPollIntervalUs` of 0: no virtual time passes while a program spins.
   */
  connectApp(name: string, run?: (isWoken: () => boolean, timeoutUs: number) => void): { tas: Tas; app: number; memory: SharedArrayBuffer } {
    const { tases, ...app } = this.connectThreads(name, 1, run)
    return { ...app, tas: tases[0] }
  }

  /** An application that `count` threads share, each with a Tas of its own; one alone does not share it. */
  connectThreads(
    name: string, count: number, run?: (isWoken: () => boolean, timeoutUs: number) => void,
  ): { tases: readonly Tas[]; app: number; memory: SharedArrayBuffer } {
    const memory = new SharedArrayBuffer(this.shape.regionBytes)
    writeAppRegionHeader(new Int32Array(memory), this.shape)
    const app = this.slow.apps.addApp({ buffer: memory, fd: -1 }, { name, pid: 1, uid: 0 })
    let wakes = 0
    const tases = Array.from({ length: count }, () => Tas.attach(new LocalLink({
      ...count > 1 ? { application: `${name} ${app}` } : {},
      region: memory, doorbells: this.doorbells, slow: NOTHING, workers: this.workers.map(() => NOTHING), nowUs: () => this.nowUs,
      createContext: (wake) => this.slow.apps.addContext(app, { wake: () => { wakes++; wake.wake() } }),
      removeContext: (context) => this.slow.apps.removeContext(app, context),
      ...run === undefined ? {} : { run: (timeoutUs: number) => { const before = wakes; run(() => wakes > before, timeoutUs) } },
    })))
    return { tases, app, memory }
  }

  /** The worker process is killed between two passes, with all that it had in memory of its own; another takes over on the same state. */
  replaceWorker(worker = 0): void {
    this.takeovers++
    this.slow.workerDied(worker, this.nowUs)
    // As the service does, which does not tell a new worker of an application that is gone.
    for (const app of [...this.buffers.keys()]) if (this.slow.apps['byId'][app]?.isGone !== false) this.buffers.delete(app)
    const known = [...this.buffers.keys()].map((app) => ({
      app, contexts: [...this.wakes.keys()].filter((key) => Math.floor(key / APPS_MAX) === app).map((key) => key % APPS_MAX),
    }))
    this.nativeRegions[worker] = this.freshRegions()
    this.workers[worker] = this.makeWorker(worker)
    this.workers[worker].takeOver(known)
  }

  /** The worker process is to be killed in the middle of a pass: at the call of its port after the next `calls`, before or after it is done. */
  killWorkerAfter(calls: number, isAfter: boolean, worker = 0): void {
    this.ports[worker].dieAfter(calls, isAfter)
  }

  /** Its clock goes forward. */
  jumpClock(byUs: number): void {
    this.clockUs += byUs
  }

  /** A frame arrives; network cards drop what is for others. */
  receive(frame: Uint8Array): void {
    if (isGroupMac(frame) || sameMac(frame, this.mac)) this.receiveAnything(frame, 0)
  }

  /** A frame arrives that names anybody, and may say of itself what it likes (RX_* bits). */
  receiveAnything(frame: Uint8Array, rxFlags: number): void {
    const worker = this.missteer(frame) ?? workerOfFrame(this.state.bytes, frame, 0, frame.length)
    if (this.ports[worker].inject(frame, rxFlags)) this.framesIn++
    else this.framesRefused++
  }

  /** May be set: the worker that gets a frame in place of the one whose group it is of, as with a TAP device. */
  missteer: (frame: Uint8Array) => number | null = () => null

  /** Whether an application has the id `app`, or one had it that is not forgotten everywhere. */
  isIdTaken(app: number): boolean {
    return this.slow.apps['byId'][app] !== null
  }

  /** A worker has let the region go; with the last one it is forgotten. */
  private releaseRegion(app: number, worker: number): void {
    const left = this.users.get(app)
    left?.delete(worker)
    if (left !== undefined && left.size > 0) return
    this.users.delete(app)
    this.buffers.delete(app)
    this.regions.delete(app)
  }

  /** Whether the worker still has the region of application `app`. */
  workerKnows(app: number): boolean {
    return this.buffers.has(app)
  }

  step(nowUs: number): number {
    const ownUs = nowUs + this.clockUs
    this.nowUs = ownUs
    let work = this.slow.poll(ownUs)
    for (let worker = 0; worker < this.workers.length; worker++) work += this.pass(worker, ownUs)
    return work
  }

  private pass(worker: number, ownUs: number): number {
    try {
      return this.workers[worker].pass(ownUs | 0, (ownUs / 1000) | 0)
    } catch (error) {
      if (!(error instanceof WorkerKilled)) throw error
      this.replaceWorker(worker)
      return 1
    }
  }

  /** What the worker process does before it blocks. Returns whether there is work after it. */
  beforeSleep(nowUs: number): number {
    const before = this.net.framesSent
    this.nowUs = nowUs + this.clockUs
    for (let worker = 0; worker < this.workers.length; worker++) {
      try {
        this.workers[worker].flushDelayedAcks()
      } catch (error) {
        if (!(error instanceof WorkerKilled)) throw error
        this.replaceWorker(worker)
        return 1
      }
    }
    return this.net.framesSent - before + (this.workers.some((worker) => worker.hasWork()) || this.slow.hasWork() ? 1 : 0)
  }

  nextDeadlineUs(): number {
    let nextUs = this.slow.nextDeadlineUs()
    for (const worker of this.workers) {
      const dueUs = worker.dueWaitUs(this.nowUs | 0)
      if (dueUs >= 0) nextUs = Math.min(nextUs, this.nowUs + dueUs)
    }
    return nextUs - this.clockUs
  }

  /** Timers of the slow path that are set: the earliest, Infinity if there is none. */
  get hasTimers(): boolean {
    return this.slow.nextDeadlineUs() !== Infinity
  }

  slowCount(name: SlowCounter): number {
    return this.counters[slowCounter(name)]
  }

  fastCount(name: WorkerCounter): number {
    return this.workers.reduce((sum, _, worker) => sum + this.counters[workerCounterBase(worker) + workerCounter(name)], 0)
  }
}
