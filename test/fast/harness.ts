/** One worker with a fake slow path, a fake application and a fake peer; time is an argument. */
import { expect } from 'vitest'
import {
  BUMP_FIN, BUMP_FLAGS, BUMP_FLOW, BUMP_GEN, BUMP_RCV_READ, BUMP_SND_END, BUMP_TX_BASE, BUMP_TX_BUFFER, BUMP_WANTED,
  COUNTERS_BYTES, DOORBELL_PAGE_BYTES, DOORBELL_SLOW, Doorbell, EVENT_FLAGS, EVENT_FLOW, EVENT_GEN, EVENT_RCV_END,
  EVENT_RX_BASE, EVENT_RX_BUFFER, EVENT_RX_LOG2_SHIFT, EVENT_SND_UNA, FLAG_LOOPBACK, FLAG_TIMESTAMPS, FLOW_HANDED,
  NEIGHBOR_WORDS, PacketRingConsumer, PacketRingProducer, RingConsumer, RingProducer, SF_ACK_BLOCKS,
  SF_ACK_DUPLICATES, SF_ACK_EDGES, SF_ACK_SEQ, SF_ACK_TSECR, SF_APP, SF_CLEAR, SF_CONTEXT, SF_FLOW, SF_GEN,
  SF_LEN, SF_PACKET_LEN, SF_PACKET_POS, SF_ROUTE, SF_SEQ, SF_TYPE, SF_VALUE, SF_WHAT, placeContext, placeState,
  STATE_LOCAL_ADDRESSES, STATE_LOCAL_COUNT, STATE_MAC, StateView, TCB_APP_U16, TCB_BUFFER, TCB_BYTES, TCB_CONTEXT_U16,
  TCB_CWND, TCB_FLAGS, TCB_GEN_U16, TCB_MSS_U16, TCB_NEIGHBOR_U16, TCB_PORTS, TCB_RATE_KBPS, TCB_RCV_ADV, TCB_RCV_NXT, TCB_RCV_READ, TCB_RCV_WSCALE_U8,
  TCB_REMOTE_IP, TCB_RX_BASE, TCB_RX_LOG2_U8, TCB_SND_END, TCB_SND_MAX, TCB_SND_NXT, TCB_SND_UNA, TCB_SND_WND,
  SF_TURN, TCB_SND_WSCALE_U8, TCB_STATE_U8, TCB_TS_RECENT, TCB_TX_BASE, TCB_TX_BUFFER, TCB_TX_LOG2_U8, TO_FAST_APP_ADD, TO_FAST_CONTEXT_ADD,
  TO_SLOW_FLOW_LEFT,
  TO_FAST_FLOW_ADD, TO_FAST_PACKET, TO_SLOW_ACK, TO_SLOW_MTU_PROBE, TO_SLOW_PACKET, workerCounter, workerCounterBase, writeAppRegionHeader,
  writeStateHeader, type AppRegionShape, type WorkerCounter, TraceWriter,
} from '../../lib/memif/index.js'
import { ETHERNET_HEADER_BYTES, parseIpv4, parseTcp, readSourceRoute, tcpChecksumGood, type TcpParsed } from '../../lib/wire/index.js'
import { LoopPort } from '../../native/loopport.js'
import { Regions } from '../../native/memory.js'
import { MemoryPort } from '../../native/memoryport.js'
import { RX_CHECKSUM_GOOD } from '../../native/port.js'
import { Worker } from '../../service/fast/worker.js'
import { IRS1, ISS1, LOCAL_IP, LOCAL_MAC, LOCAL_PORT, PEER_IP, PEER_MAC, PEER_PORT, peerFrame, type SegmentOptions } from './frames.js'

const APP = 1
const CONTEXT = 0
const GEN = 7
const LOCAL_NEIGHBOR = 1

/** A raw network-order word of a plain one. */
function raw(word: number): number {
  return new DataView(Uint32Array.of(word >>> 0).buffer).getInt32(0, false)
}

export interface FlowOptions {
  readonly rxLog2?: number
  readonly txLog2?: number
  readonly sndWnd?: number
  readonly sndWscale?: number
  readonly cwnd?: number
  readonly mss?: number
  readonly timestamps?: boolean
  /** FLAG_* bits and TOS byte besides. */
  readonly flags?: number
  readonly irs1?: number
  readonly iss1?: number
  readonly context?: number
  /** The other end is a flow of ours: its ports. */
  readonly loopback?: { readonly localPort: number; readonly remotePort: number }
  /** Pacing rate; none. */
  readonly rateKbps?: number
  /** Bytes that the application has written before: whatever stands in the buffer, over and over. */
  readonly toSend?: number
  /** Flow index; the next that was never used. */
  readonly flow?: number
}

/** A segment that the worker sent. */
export interface Sent extends TcpParsed {
  readonly data: Uint8Array
  readonly gso: number
  readonly tos: number
  /** Addresses of its source route, the destination field first; empty without. */
  readonly route: readonly number[]
}

/** An event that the application saw. */
export interface SeenEvent {
  readonly flow: number
  readonly gen: number
  readonly flags: number
  readonly rcvEnd: number
  readonly sndUna: number
  readonly rxBase: number
  readonly rxBuffer: number
  readonly rxLog2: number
}

export class FastHarness {
  readonly state: StateView
  readonly counters = new Float64Array(COUNTERS_BYTES / 8)
  readonly doorbells = new Int32Array(DOORBELL_PAGE_BYTES / 4)
  readonly port: MemoryPort
  worker: Worker
  readonly toFast: PacketRingProducer
  readonly toSlow: PacketRingConsumer
  readonly appMemory: SharedArrayBuffer
  readonly appBytes: Uint8Array
  readonly appWords: Int32Array
  events: RingConsumer
  bumps: RingProducer
  readonly sleepingWord: number
  private readonly appShape: AppRegionShape = { regionBytes: 1 << 22, workers: 1, kinBytes: 1024, koutBytes: 1024, fastEntries: 8 }
  nowUs = 1_000_000
  slowWakes = 0
  appWakes = 0
  released: number[] = []
  /** 'application.context' of contexts that were given back. */
  releasedContexts: string[] = []
  private readonly frames: { frame: Uint8Array; gso: number }[] = []
  private readonly regionAt = new Map<number, ArrayBufferLike>()
  private flowMade = 0
  private readonly makeWorker: () => Worker

  constructor(options: { offload?: boolean; burst?: number; toSlowEntries?: number; queueMax?: number; vlanStrip?: boolean; flows?: number; trace?: TraceWriter } = {}) {
    const stateShape = { workers: 1, flows: options.flows ?? 16, toSlowEntries: options.toSlowEntries ?? 64, toFastEntries: 64, packetAreaBytes: 65536 }
    const memory = new SharedArrayBuffer(placeState(stateShape).totalBytes)
    writeStateHeader(new Int32Array(memory), stateShape)
    this.state = new StateView(memory)
    this.state.words[STATE_LOCAL_COUNT] = 1
    this.state.words[STATE_LOCAL_ADDRESSES] = raw(LOCAL_IP)
    this.state.bytes.set(LOCAL_MAC, STATE_MAC * 4)
    this.state.bytes.set(PEER_MAC, this.state.places.neighborsWord * 4)
    this.state.bytes.set(LOCAL_MAC, (this.state.places.neighborsWord + NEIGHBOR_WORDS * LOCAL_NEIGHBOR) * 4)
    this.regionAt.set(0, memory)
    const { appShape } = this
    this.appMemory = new SharedArrayBuffer(appShape.regionBytes)
    this.appBytes = new Uint8Array(this.appMemory)
    this.appWords = new Int32Array(this.appMemory)
    writeAppRegionHeader(this.appWords, appShape)
    const places = placeContext(appShape, CONTEXT)
    this.sleepingWord = places.sleepingWord
    this.events = new RingConsumer(this.appWords, places.events[0])
    this.bumps = new RingProducer(this.appWords, places.bumps[0])
    this.port = new MemoryPort({
      mtu: 1500,
      offload: options.offload ?? false,
      ...(options.burst === undefined ? {} : { burst: options.burst }),
      ...(options.queueMax === undefined ? {} : { queueMax: options.queueMax }),
      memory: (region) => new Uint8Array(this.regionAt.get(region) ?? new ArrayBuffer(0)),
      onTransmit: (frame, gso) => void this.frames.push({ frame, gso }),
    })
    this.makeWorker = () => this.newWorker(appShape, options.vlanStrip ?? false, options.trace ?? TraceWriter.off())
    this.worker = this.makeWorker()
    this.toFast = new PacketRingProducer(this.state.words, this.state.places.workers[0].toFast)
    this.toSlow = new PacketRingConsumer(this.state.words, this.state.places.workers[0].toSlow)
    this.command(TO_FAST_APP_ADD, { app: APP })
    this.command(TO_FAST_CONTEXT_ADD, { app: APP, context: CONTEXT })
    this.pass()
  }

  private newWorker(shape: AppRegionShape, vlanStrip: boolean, trace: TraceWriter): Worker {
    const regions = new Regions()
    regions.add(0, this.state.buffer)
    return new Worker({
      state: this.state, worker: 0, port: this.port, loop: new LoopPort({ beside: this.port, regions }), counters: this.counters, vlanStrip, trace,
      regions: {
        add: (index, memory) => {
          this.regionAt.set(index, memory)
          regions.add(index, memory)
        },
        remove: (index) => {
          this.regionAt.delete(index)
          regions.remove(index)
        },
      },
      slowDoorbell: new Doorbell(this.doorbells, DOORBELL_SLOW, { wake: () => void this.slowWakes++ }),
      apps: {
        region: () => ({ memory: this.appMemory, shape }),
        contextWake: () => ({ wake: () => void this.appWakes++ }),
        release: (app) => void this.released.push(app),
        releaseContext: (app, context) => void this.releasedContexts.push(`${app}.${context}`),
      },
    })
  }

  /** The application has another context in place of the one that has ended, whose rings are as new. */
  renewContext(): void {
    const places = placeContext(this.appShape, CONTEXT)
    this.events = new RingConsumer(this.appWords, places.events[0])
    this.bumps = new RingProducer(this.appWords, places.bumps[0])
  }

  /** A pass in which the worker is killed before payload is copied; another takes over. */
  killBeforeCopy(...segments: SegmentOptions[]): void {
    const { deliver } = this.port
    this.port.deliver = () => {
      throw new Error('killed')
    }
    expect(() => this.receive(...segments)).toThrow('killed')
    this.port.deliver = deliver
    this.port.release()
    this.worker = this.makeWorker()
    this.worker.takeOver([{ app: APP, contexts: [CONTEXT] }])
  }

  /** The worker is killed between two passes, and another takes over. */
  replaceWorker(): void {
    this.worker = this.makeWorker()
    this.worker.takeOver([{ app: APP, contexts: [CONTEXT] }])
  }

  /** Orders `type` of the worker, as the slow path does. */
  command(type: number, fields: { flow?: number; gen?: number; app?: number; context?: number; first?: number; second?: number; route?: Int32Array } = {}): void {
    const entry = this.toFast.reserve()
    const { words } = this.toFast
    words[entry + SF_TYPE] = type
    words[entry + SF_FLOW] = fields.flow ?? 0
    words[entry + SF_GEN] = fields.gen ?? GEN
    words[entry + SF_VALUE] = fields.first ?? 0
    words[entry + SF_CLEAR] = fields.second ?? 0
    words[entry + SF_APP] = fields.app ?? 0
    words[entry + SF_CONTEXT] = fields.context ?? 0
    if (fields.route !== undefined) words.set(fields.route, entry + SF_ROUTE)
    this.toFast.pushMessage(entry)
    this.toFast.publish()
  }

  /** Hands a packet back to the worker, as the slow path does. */
  handBack(frame: Uint8Array): void {
    const entry = this.toFast.reserve()
    const pos = this.toFast.reservePacket(frame.length)
    this.state.bytes.set(frame, this.toFast.areaOffset + pos)
    this.toFast.words[entry + SF_TYPE] = TO_FAST_PACKET
    this.toFast.words[entry + SF_PACKET_POS] = pos
    this.toFast.words[entry + SF_PACKET_LEN] = frame.length
    this.toFast.pushPacket(entry, frame.length)
    this.toFast.publish()
  }

  /** Fills a TCB and hands it over. Returns the flow index. */
  addFlow(options: FlowOptions = {}): number {
    const flow = options.flow ?? this.flowMade++
    const tcb = this.tcb(flow)
    const { words, halves, bytes } = this.state
    const irs1 = options.irs1 ?? IRS1
    const iss1 = options.iss1 ?? ISS1
    const rxLog2 = options.rxLog2 ?? 14
    const txLog2 = options.txLog2 ?? 14
    bytes.fill(0, tcb * 4, tcb * 4 + TCB_BYTES)
    words[tcb + TCB_REMOTE_IP] = raw(PEER_IP)
    words[tcb + TCB_PORTS] = raw(((PEER_PORT + flow) << 16) | LOCAL_PORT)
    halves[tcb * 2 + TCB_GEN_U16] = GEN
    words[tcb + TCB_FLAGS] = (options.timestamps === true ? FLAG_TIMESTAMPS : 0) | (options.flags ?? 0)
    if (options.loopback) {
      words[tcb + TCB_REMOTE_IP] = raw(LOCAL_IP)
      words[tcb + TCB_PORTS] = raw((options.loopback.remotePort << 16) | options.loopback.localPort)
      words[tcb + TCB_FLAGS] |= FLAG_LOOPBACK
      halves[tcb * 2 + TCB_NEIGHBOR_U16] = LOCAL_NEIGHBOR
    }
    for (const field of [TCB_RCV_NXT, TCB_RCV_READ, TCB_RX_BASE]) words[tcb + field] = irs1
    for (const field of [TCB_SND_UNA, TCB_SND_NXT, TCB_SND_MAX, TCB_SND_END, TCB_TX_BASE]) words[tcb + field] = iss1
    words[tcb + TCB_RCV_ADV] = irs1 + (1 << rxLog2)
    words[tcb + TCB_SND_WND] = options.sndWnd ?? 65535
    words[tcb + TCB_CWND] = options.cwnd ?? 1 << 20
    words[tcb + TCB_TS_RECENT] = 100
    words[tcb + TCB_SND_END] += options.toSend ?? 0
    words[tcb + TCB_RATE_KBPS] = options.rateKbps ?? 0
    // Many flows share what is there.
    words[tcb + TCB_BUFFER] = (1 << 21) / 64 + (flow % 32) * 1024
    words[tcb + TCB_TX_BUFFER] = words[tcb + TCB_BUFFER] + (1 << (rxLog2 - 6))
    bytes[tcb * 4 + TCB_RX_LOG2_U8] = rxLog2
    bytes[tcb * 4 + TCB_TX_LOG2_U8] = txLog2
    bytes[tcb * 4 + TCB_SND_WSCALE_U8] = options.sndWscale ?? 0
    bytes[tcb * 4 + TCB_RCV_WSCALE_U8] = 0
    halves[tcb * 2 + TCB_APP_U16] = APP
    halves[tcb * 2 + TCB_CONTEXT_U16] = options.context ?? CONTEXT
    halves[tcb * 2 + TCB_MSS_U16] = options.mss ?? 1448
    bytes[tcb * 4 + TCB_STATE_U8] = FLOW_HANDED
    this.command(TO_FAST_FLOW_ADD, { flow })
    this.pass()
    return flow
  }

  tcb(flow: number): number {
    return this.state.tcbWord + flow * 32
  }

  /** A TCB word by its name in lib/memif. */
  word(flow: number, field: number): number {
    return this.state.words[this.tcb(flow) + field]
  }

  /** A frame from the peer. */
  frame(options: SegmentOptions): Uint8Array {
    return peerFrame(options)
  }

  /** The peer sends segments; all of them arrive in one burst, and the worker does one pass. */
  receive(...segments: SegmentOptions[]): void {
    for (const segment of segments) this.port.inject(this.frame(segment), RX_CHECKSUM_GOOD)
    this.pass()
  }

  /** The peer sends segments, each of which arrives in a burst of its own. */
  receiveEach(...segments: SegmentOptions[]): void {
    for (const segment of segments) this.receive(segment)
  }

  pass(afterUs = 10): number {
    this.nowUs += afterUs
    return this.worker.pass(this.nowUs | 0, (this.nowUs / 1000) | 0)
  }

  /** Whether something of the flow waits behind a gap, or came twice and is not reported. */
  hasGap(flow: number): boolean {
    return this.worker['fast'].reassembly.isWaiting(flow)
  }

  /** What the worker has sent since the last call; checksums are checked on the way. */
  sent(): Sent[] {
    return this.frames.splice(0).map(({ frame, gso }) => {
      const ip = parseIpv4(frame, ETHERNET_HEADER_BYTES)
      if (ip === null || !ip.checksumGood) throw new Error('bad IP header sent')
      const at = ETHERNET_HEADER_BYTES + ip.headerLen
      const sourceRoute = readSourceRoute(frame, ETHERNET_HEADER_BYTES)
      if (sourceRoute === 'malformed') throw new Error('bad source route sent')
      const route = sourceRoute === null ? [] : [ip.targetIp, ...sourceRoute.ahead]
      const targetIp = route.at(-1) ?? ip.targetIp
      if (gso === 0 && !this.port.offload && !tcpChecksumGood(frame, at, ip.payloadLen, ip.sourceIp, targetIp)) throw new Error('bad TCP checksum sent')
      const tcp = parseTcp(frame, at, ip.payloadLen)
      if (tcp === null) throw new Error('bad TCP header sent')
      return { ...tcp, data: frame.slice(tcp.payloadAt, tcp.payloadAt + tcp.payloadLen), gso, route, tos: frame[ETHERNET_HEADER_BYTES + 1] }
    })
  }

  /** Lengths of the IP packets sent since the last call, without a look inside; `gso` is the segment size of a super-segment. */
  sentLengths(): { len: number; gso: number }[] {
    return this.frames.splice(0).map(({ frame, gso }) => ({ len: frame.length - ETHERNET_HEADER_BYTES, gso }))
  }

  /** Passes at one moment until there is nothing to do. */
  settle(): void {
    for (let passes = 0; this.pass(0) > 0; passes++) expect(passes).toBeLessThan(100_000)
  }

  /** Time goes on to the next departure, if there is one within `limitUs`, and the worker does what is to be done. Returns whether there was. */
  departNext(limitUs = Infinity): boolean {
    const waitUs = this.worker.departureWaitUs(this.nowUs | 0)
    if (waitUs < 0 || waitUs > limitUs) return false
    this.nowUs += waitUs
    this.settle()
    return true
  }

  /** Events that the application finds now. */
  seen(): SeenEvent[] {
    const events: SeenEvent[] = []
    for (let entry = this.events.peek(); entry >= 0; entry = this.events.peek()) {
      const w = this.appWords
      events.push({
        flow: w[entry + EVENT_FLOW], gen: w[entry + EVENT_GEN], flags: w[entry + EVENT_FLAGS] & 0xff,
        rcvEnd: w[entry + EVENT_RCV_END], sndUna: w[entry + EVENT_SND_UNA],
        rxBase: w[entry + EVENT_RX_BASE], rxBuffer: w[entry + EVENT_RX_BUFFER], rxLog2: w[entry + EVENT_FLAGS] >>> EVENT_RX_LOG2_SHIFT,
      })
      this.events.next()
    }
    this.events.release()
    return events
  }

  /** Messages that the slow path finds now. */
  told(): { type: number; flow: number; what: number; len: number; turn: number }[] {
    return this.readMessages((w, entry) => {
      const type = w[entry + SF_TYPE]
      return {
        type, flow: w[entry + SF_FLOW], what: w[entry + SF_WHAT], len: type === TO_SLOW_PACKET ? w[entry + SF_PACKET_LEN] : 0,
        turn: type === TO_SLOW_FLOW_LEFT ? w[entry + SF_TURN] : 0,
      }
    })
  }

  /** Acknowledgments that the worker passes on to loss recovery. */
  toldAcks(): { flow: number; ack: number; duplicates: number; edges: number[]; tsEcr: number }[] {
    return this.readMessages((w, entry) => {
      if (w[entry + SF_TYPE] !== TO_SLOW_ACK) return null
      const edges = [...w.subarray(entry + SF_ACK_EDGES, entry + SF_ACK_EDGES + 2 * w[entry + SF_ACK_BLOCKS])]
      return { flow: w[entry + SF_FLOW], ack: w[entry + SF_ACK_SEQ], duplicates: w[entry + SF_ACK_DUPLICATES], edges, tsEcr: w[entry + SF_ACK_TSECR] }
    })
  }

  /** Answers to orders to probe the path's MTU: first sequence number and length of each probe, length 0 if none was sent. */
  toldProbes(): [number, number][] {
    return this.readMessages((w, entry) => (w[entry + SF_TYPE] === TO_SLOW_MTU_PROBE ? [w[entry + SF_SEQ], w[entry + SF_LEN]] : null))
  }

  /** Packets that the slow path finds now. */
  toldPackets(): { type: number; flow: number; bytes: Uint8Array }[] {
    return this.readMessages((w, entry) => {
      if (w[entry + SF_TYPE] !== TO_SLOW_PACKET) return null
      const at = this.toSlow.areaOffset + w[entry + SF_PACKET_POS]
      return { type: TO_SLOW_PACKET, flow: w[entry + SF_FLOW], bytes: this.state.bytes.slice(at, at + w[entry + SF_PACKET_LEN]) }
    })
  }

  /** Takes every message to the slow path; those of which `read` makes nothing are dropped. */
  private readMessages<T>(read: (words: Int32Array, entry: number) => T | null): T[] {
    const found: T[] = []
    for (let entry = this.toSlow.peek(); entry >= 0; entry = this.toSlow.peek()) {
      const message = read(this.toSlow.words, entry)
      if (message !== null) found.push(message)
      this.toSlow.pass(entry)
    }
    this.toSlow.release()
    return found
  }

  /** The application bumps: has read up to `read`, written up to `end`. */
  bump(flow: number, fields: { read?: number; end?: number; fin?: boolean; wanted?: number; txBase?: number; txBuffer?: number; gen?: number; flow?: number; bits?: number }): void {
    const entry = this.bumps.reserve()
    const w = this.appWords
    w[entry + BUMP_FLOW] = fields.flow ?? flow
    w[entry + BUMP_GEN] = fields.gen ?? GEN
    w[entry + BUMP_FLAGS] = (fields.fin === true ? BUMP_FIN : 0) | (fields.bits ?? 0)
    w[entry + BUMP_RCV_READ] = fields.read ?? this.word(flow, TCB_RCV_READ)
    w[entry + BUMP_SND_END] = fields.end ?? this.word(flow, TCB_SND_END)
    w[entry + BUMP_WANTED] = fields.wanted ?? 0
    w[entry + BUMP_TX_BASE] = fields.txBase ?? this.word(flow, TCB_TX_BASE)
    w[entry + BUMP_TX_BUFFER] = fields.txBuffer ?? this.word(flow, TCB_TX_BUFFER)
    this.bumps.push()
    this.bumps.publish()
  }

  /** The application writes bytes and bumps. */
  write(flow: number, data: Uint8Array, fields: { fin?: boolean; read?: number; bits?: number } = {}): void {
    const end = this.word(flow, TCB_SND_END)
    const tcb = this.tcb(flow)
    const size = 1 << this.state.bytes[tcb * 4 + TCB_TX_LOG2_U8]
    const start = this.state.words[tcb + TCB_TX_BUFFER] * 64
    data.forEach((byte, i) => {
      this.appBytes[start + ((end + i - this.state.words[tcb + TCB_TX_BASE]) & (size - 1))] = byte
    })
    this.bump(flow, { ...fields, end: (end + data.length) | 0 })
  }

  /** Bytes [from, from + len) of the flow's receive stream. */
  received(flow: number, from: number, len: number): Uint8Array {
    const tcb = this.tcb(flow)
    const size = 1 << this.state.bytes[tcb * 4 + TCB_RX_LOG2_U8]
    const start = this.state.words[tcb + TCB_BUFFER] * 64
    return Uint8Array.from({ length: len }, (_, i) => this.appBytes[start + ((from + i - this.state.words[tcb + TCB_RX_BASE]) & (size - 1))])
  }

  count(name: WorkerCounter): number {
    return this.counters[workerCounterBase(0) + workerCounter(name)]
  }
}
