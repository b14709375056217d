/**
 * A slow path with everything around it played by the test: the worker and the application at the other ends of
 * the rings, the network in arrays, time as an argument.
 */
import {
  COUNTERS_BYTES, Doorbell, log2Ceil, placeContext, placeState, SF_APP, SF_CONTEXT, SF_FLOW, SF_GEN, SF_WHAT, slowCounter,
  StateView, TCB_WORDS, TO_FAST_APP_REMOVE, TO_FAST_CONTEXT_REMOVE, TO_FAST_FLOW_REMOVE, TO_SLOW_APP_REMOVED, TO_SLOW_CONTEXT_REMOVED, TO_SLOW_FLOW,
  TO_SLOW_FLOW_REMOVED, writeStateHeader, type AppRegionShape, type SlowCounter, type TraceWriter,
} from '../../lib/memif/index.js'
import * as wire from '../../lib/wire/index.js'
import {
  type Algorithm, DEFAULT_ARP, DEFAULT_CONGESTION, DEFAULT_TCP, type HostKernel, type SlowConfig, SlowPath,
} from '../../service/slow/index.js'
import type { SteerPort } from '../../service/slow/steering.js'
import { type Command, FakeContext, FakeWorker } from './ends.js'
import { arpFrame, OUR_IP, OUR_MAC, parseSent, segmentFrame, type SegmentOptions } from './frames.js'

export * from './frames.js'
export type { FakeContext } from './ends.js'

const IP_AT = wire.ETHERNET_HEADER_BYTES

export interface HostOptions {
  readonly config?: Partial<SlowConfig>
  readonly workers?: number
  readonly flows?: number
  readonly mtu?: number
  readonly toFastEntries?: number
  readonly hostKernel?: HostKernel
  readonly congestionModule?: Algorithm
  readonly trace?: TraceWriter
  readonly steer?: SteerPort
  /** Pages are given back: `Host.discarded` says which. */
  readonly discards?: boolean
  /** The peer's address is not known yet. */
  readonly coldArp?: boolean
}

export const RX_BUF = 4096
export const TX_BUF = 8192

export class Host {
  nowUs = 1_000_000
  readonly slow: SlowPath
  readonly state: StateView
  readonly workers: FakeWorker[] = []
  readonly counters = new Float64Array(COUNTERS_BYTES / 8)
  readonly logged: string[] = []
  readonly ended: number[] = []
  /** 'application.context' of contexts whose id became free. */
  readonly freed: string[] = []
  /** [first byte, bytes] of pages given back. */
  readonly discarded: [number, number][] = []
  readonly config: SlowConfig
  frames: Uint8Array[] = []

  constructor(options: HostOptions = {}) {
    const workers = options.workers ?? 1
    const shape = {
      workers, flows: options.flows ?? 8, toSlowEntries: 64, toFastEntries: options.toFastEntries ?? 64,
        packetAreaBytes: 1 << 14,
    }
    const buffer = new SharedArrayBuffer(placeState(shape).totalBytes)
    writeStateHeader(new Int32Array(buffer), shape)
    this.state = new StateView(buffer)
    for (let i = 0; i < workers; i++) this.workers.push(new FakeWorker(this.state, i))
    this.config = {
      addresses: [{ ip: OUR_IP, prefix: 24 }], routes: [], kni: options.hostKernel !== undefined,
      tcp: { ...DEFAULT_TCP, rxBufLen: RX_BUF, txBufLen: TX_BUF, rxBufMax: RX_BUF, txBufMax: TX_BUF }, arp: DEFAULT_ARP, cc: DEFAULT_CONGESTION,
      appRegionBytes: 1 << 22, kinBytes: 1024, koutBytes: 1024, fastEntries: 8, appPollIntervalUs: 50,
      ...options.config,
    }
    this.slow = this.makeSlowPath(options)
    this.poll()
    if (options.coldArp !== true) this.receiveFrame(arpFrame({}))
    this.frames = []
  }

  private makeSlowPath(options: HostOptions): SlowPath {
    const log = (_fields: unknown, message: string): void => {
      this.logged.push(message)
    }
    let random = 12345
    return new SlowPath({
      state: this.state, counters: this.counters, config: this.config, mac: OUR_MAC, nowUs: this.nowUs,
      port: {
        mtu: options.mtu ?? 1500,
        sendFrame: (frame, len) => {
          this.frames.push(frame.slice(0, len))
          return true
        },
      },
      log: { debug: log, info: log, warn: log, error: log },
      workers: this.workers.map((worker) => ({
        doorbell: new Doorbell(worker.doorbellWords, 0, { wake: () => worker.rings++ }),
        appAdded: (app) => worker.apps.push(`app ${app}`),
        contextAdded: (app, context) => worker.apps.push(`context ${app}.${context}`),
      })),
      random: { u32: () => (random = (Math.imul(random, 1103515245) + 12345) >>> 0) },
      secret: Uint8Array.from({ length: 16 }, (_, i) => i),
      ...(options.trace ? { trace: options.trace } : {}),
      ...(options.hostKernel ? { hostKernel: options.hostKernel } : {}),
      ...(options.congestionModule ? { congestionModule: options.congestionModule } : {}),
      ...(options.steer ? { steer: options.steer } : {}),
      appEnded: (app) => this.ended.push(app),
      contextFreed: (app, context) => this.freed.push(`${app}.${context}`),
      ...(options.discards === true ? { discard: (_region, from, len) => void this.discarded.push([from, len]) } : {}),
    })
  }

  get worker(): FakeWorker {
    return this.workers[0]
  }

  poll(): number {
    return this.slow.poll(this.nowUs)
  }

  /** Moves time on in steps of whatever the slow path waits for, as a service does. */
  advance(us: number): void {
    const end = this.nowUs + us
    for (let next = this.slow.nextDeadlineUs(); next <= end; next = this.slow.nextDeadlineUs()) {
      this.nowUs = Math.max(next, this.nowUs)
      this.poll()
    }
    this.nowUs = end
    this.poll()
  }

  receiveFrame(frame: Uint8Array, flow = -1, gen = 0, rxFlags = 0, worker = 0): void {
    this.workers[worker].packet(frame, flow, gen, rxFlags)
    this.poll()
  }

  /** A segment comes in, through worker 0. */
  send(segment: SegmentOptions, flow = -1, gen = 0): void {
    this.receiveFrame(segmentFrame(segment), flow, gen)
  }

  /** What went out since the last call. */
  sent(): ReturnType<typeof parseSent>[] {
    return this.frames.splice(0).filter((frame) => frame[12] === 8 && frame[13] === 0 && frame[23] === 6).map(parseSent)
  }

  arpsSent(): wire.ArpPacket[] {
    return this.frames.splice(0).map((frame) => wire.parseArp(frame, IP_AT)).filter((packet) => packet !== null)
  }

  count(name: SlowCounter): number {
    return this.counters[slowCounter(name)]
  }

  tcb(flow: number, word: number): number {
    return this.state.words[this.state.tcbWord + flow * TCB_WORDS + word]
  }

  setTcb(flow: number, word: number, value: number): void {
    this.state.words[this.state.tcbWord + flow * TCB_WORDS + word] = value
  }

  /** The worker reports WHAT_* bits. */
  report(flow: number, gen: number, what: number): void {
    this.worker.message(TO_SLOW_FLOW, { [SF_FLOW]: flow, [SF_GEN]: gen, [SF_WHAT]: what })
    this.poll()
  }

  /** Reads commands, answering those that want an answer. */
  work(worker = 0): Command[] {
    const commands = this.workers[worker].read()
    for (const { type, flow, gen, app, context } of commands) {
      if (type === TO_FAST_FLOW_REMOVE) this.workers[worker].message(TO_SLOW_FLOW_REMOVED, { [SF_FLOW]: flow,
        [SF_GEN]: gen })
      if (type === TO_FAST_APP_REMOVE) this.workers[worker].message(TO_SLOW_APP_REMOVED, { [SF_APP]: app })
      if (type === TO_FAST_CONTEXT_REMOVE) this.workers[worker].message(TO_SLOW_CONTEXT_REMOVED, { [SF_APP]: app, [SF_CONTEXT]: context })
    }
    this.poll()
    return commands
  }

  addApp(buffers = 8, uid = 0): { id: number; context: FakeContext; addContext: () => FakeContext; shape: AppRegionShape } {
    const { kinBytes, koutBytes, fastEntries } = this.config
    const base = { workers: this.workers.length, kinBytes, koutBytes, fastEntries, regionBytes: 0 }
    const start = regionStart(base)
    const { rxBufLen, txBufLen } = this.config.tcp
    const shape = { ...base, regionBytes: start + buffers * 2 ** log2Ceil(rxBufLen + txBufLen) }
    const buffer = new ArrayBuffer(shape.regionBytes)
    const id = this.slow.apps.addApp({ buffer, fd: -1 }, { name: 'test', pid: 1, uid })
    const addContext = (): FakeContext => new FakeContext(this, id, buffer, shape)
    return { id, context: addContext(), addContext, shape }
  }
}

function regionStart(shape: AppRegionShape): number {
  const first = placeContext(shape, 0).sleepingWord
  const second = placeContext(shape, 1).sleepingWord
  return 4096 + 64 * (second - first) * 4
}
