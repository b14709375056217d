/**
 * A slow path with everything around it played by the test: the worker and the application at the other ends of
 * the rings, the network in arrays, time as an argument.
 */
import {
  APP_SLOW_ENTRY_WORDS, AS_BACKLOG, AS_CONTEXT, AS_FLAGS, AS_FLOW, AS_GEN_WORKER, AS_HANDLE, AS_LISTENER, AS_LOCAL_IP,
  AS_PORTS, AS_REMOTE_IP, AS_STATUS, AS_TYPE, AS_BUFFER, AS_SIZES, AS_RX_BASE, AS_TX_BASE, COUNTERS_BYTES, Doorbell,
  FLOW_HANDED, FLOW_OWNED, log2Ceil, PacketRingConsumer, PacketRingProducer, placeContext, placeState, RingConsumer,
  RingProducer, SF_APP, SF_CONTEXT, SF_FLOW, SF_GEN, SF_PACKET_FLAGS, SF_PACKET_GSO, SF_PACKET_LEN, SF_PACKET_POS,
  SF_TYPE, SF_WHAT, slowCounter, StateView, TCB_BYTES, TCB_STATE_U8, TCB_WORDS, TO_FAST_APP_REMOVE, TO_FAST_FLOW_ADD,
  TO_FAST_FLOW_REMOVE, TO_SLOW_APP_REMOVED, TO_SLOW_FLOW, TO_SLOW_FLOW_REMOVED, TO_SLOW_PACKET, writeStateHeader,
  type AppRegionShape, type ContextPlaces, type SlowCounter,
} from '../../lib/memif/index.js'
import * as wire from '../../lib/wire/index.js'
import {
  DEFAULT_ARP, DEFAULT_CONGESTION, DEFAULT_TCP, type HostKernel, type SlowConfig, SlowPath,
} from '../../service/slow/index.js'

export const OUR_IP = 0x0a000001
export const PEER_IP = 0x0a000002
export const OUR_MAC = Uint8Array.of(2, 0, 0, 0, 0, 1)
export const PEER_MAC = Uint8Array.of(2, 0, 0, 0, 0, 2)
export const LISTEN_PORT = 80
export const PEER_PORT = 5000
const IP_AT = wire.ETHERNET_HEADER_BYTES
const TCP_AT = IP_AT + wire.IPV4_HEADER_BYTES

export interface SegmentOptions {
  readonly seq?: number
  readonly ack?: number
  readonly flags?: number
  readonly window?: number
  readonly urgent?: number
  readonly options?: Partial<wire.TcpOptions>
  readonly payload?: Uint8Array
  readonly remotePort?: number
  readonly localPort?: number
  readonly remoteIp?: number
  readonly localIp?: number
}

/** A frame from the peer to us. */
export function segmentFrame(segment: SegmentOptions): Uint8Array {
  const payload = segment.payload ?? new Uint8Array(0)
  const sourceIp = segment.remoteIp ?? PEER_IP
  const targetIp = segment.localIp ?? OUR_IP
  const header: wire.TcpHeader = {
    sourcePort: segment.remotePort ?? PEER_PORT, targetPort: segment.localPort ?? LISTEN_PORT,
      seq: segment.seq ?? 0, ack: segment.ack ?? 0,
    flags: segment.flags ?? wire.TCP_ACK, window: segment.window ?? 1000, urgent: segment.urgent ?? 0,
    options: { ...wire.NO_OPTIONS, ...segment.options },
  }
  const len = wire.tcpHeaderLen(header) + payload.length
  const frame = new Uint8Array(TCP_AT + len)
  wire.emitEthernet(frame, { target: OUR_MAC, source: PEER_MAC, etherType: wire.ETHERTYPE_IPV4 })
  wire.emitIpv4(frame, IP_AT, { sourceIp, targetIp, protocol: wire.PROTOCOL_TCP, ttl: 64, tos: 0, payloadLen: len })
  frame.set(payload, TCP_AT + wire.emitTcp(frame, TCP_AT, header))
  wire.fillTcpChecksum(frame, TCP_AT, len, sourceIp, targetIp)
  return frame
}

export function arpFrame(packet: Partial<wire.ArpPacket>, target: Uint8Array = wire.MAC_BROADCAST): Uint8Array {
  const frame = new Uint8Array(IP_AT + wire.ARP_BYTES)
  const full = { operation: wire.ARP_REQUEST, senderMac: PEER_MAC, senderIp: PEER_IP,
    targetMac: new Uint8Array(6), targetIp: OUR_IP }
  wire.emitEthernet(frame, { target, source: packet.senderMac ?? PEER_MAC, etherType: wire.ETHERTYPE_ARP })
  wire.emitArp(frame, IP_AT, { ...full, ...packet })
  return frame
}

/** What the test sees of a TCP frame that was sent. */
export function parseSent(frame: Uint8Array): wire.TcpParsed & { remoteIp: number } {
  const ip = wire.parseIpv4(frame, IP_AT)
  const tcp = ip && wire.parseTcp(frame, TCP_AT, ip.payloadLen)
  if (!ip || !tcp || !ip.checksumGood) throw new Error('sent a malformed segment')
  if (!wire.tcpChecksumGood(frame, TCP_AT, ip.payloadLen, ip.sourceIp, ip.targetIp)) throw new Error('sent a bad checksum')
  return { ...tcp, remoteIp: ip.targetIp }
}

export interface Command {
  readonly type: number
  readonly flow: number
  readonly gen: number
  readonly app: number
  readonly context: number
  readonly packet: Uint8Array | null
  readonly rxFlags: number
}

export interface Event {
  readonly type: number
  readonly handle: number
  readonly status: number
  readonly listener: number
  readonly remoteIp: number
  readonly localIp: number
  readonly ports: number
  readonly flow: number
  readonly gen: number
  readonly worker: number
  readonly buffer: number
  readonly sizes: number
  readonly rxBase: number
  readonly txBase: number
}

const FIELDS = {
  listener: AS_LISTENER, flags: AS_FLAGS, remoteIp: AS_REMOTE_IP, localIp: AS_LOCAL_IP, ports: AS_PORTS,
    flow: AS_FLOW, gen: AS_GEN_WORKER,
  backlog: AS_BACKLOG, context: AS_CONTEXT,
} as const
export type RequestFields = Partial<Record<keyof typeof FIELDS, number>>

/** The application's end of one context. */
export class FakeContext {
  wakes = 0
  readonly id: number
  readonly places: ContextPlaces
  readonly words: Int32Array
  private readonly events: RingConsumer
  private readonly requests: RingProducer
  private readonly host: Host

  constructor(host: Host, app: number, buffer: ArrayBuffer, shape: AppRegionShape) {
    this.host = host
    this.id = host.slow.apps.addContext(app, { wake: () => this.wakes++ })
    this.places = placeContext(shape, this.id)
    this.words = new Int32Array(buffer)
    this.events = new RingConsumer(this.words, this.places.kin)
    this.requests = new RingProducer(this.words, this.places.kout)
  }

  /** Writes a request without polling. */
  post(type: number, handle: number, fields: RequestFields = {}): void {
    const at = this.requests.reserve()
    if (at < 0) throw new Error('request ring is full')
    this.words.fill(0, at, at + APP_SLOW_ENTRY_WORDS)
    this.words[at + AS_TYPE] = type
    this.words[at + AS_HANDLE] = handle
    for (const [name, value] of Object.entries(fields)) this.words[at + FIELDS[name as keyof typeof FIELDS]] = value
    this.requests.push()
    this.requests.publish()
  }

  request(type: number, handle: number, fields: RequestFields = {}): void {
    this.post(type, handle, fields)
    this.host.poll()
  }

  /** Reads at most `max` events. */
  read(max = Infinity): Event[] {
    const events: Event[] = []
    for (let at = this.events.peek(); at >= 0 && events.length < max; at = this.events.peek()) {
      const word = (index: number): number => this.words[at + index]
      events.push({
        type: word(AS_TYPE), handle: word(AS_HANDLE), status: word(AS_STATUS), listener: word(AS_LISTENER),
          remoteIp: word(AS_REMOTE_IP),
        localIp: word(AS_LOCAL_IP), ports: word(AS_PORTS), flow: word(AS_FLOW), gen: word(AS_GEN_WORKER) & 0xffff,
        worker: word(AS_GEN_WORKER) >>> 16, buffer: word(AS_BUFFER), sizes: word(AS_SIZES),
          rxBase: word(AS_RX_BASE), txBase: word(AS_TX_BASE),
      })
      this.events.next()
    }
    this.events.release()
    return events
  }
}

/** The worker's end of the rings. */
export class FakeWorker {
  rings = 0
  readonly toSlow: PacketRingProducer
  readonly toFast: PacketRingConsumer
  readonly apps: string[] = []
  readonly doorbellWords = Int32Array.of(1)
  private readonly state: StateView

  constructor(state: StateView, index: number) {
    this.state = state
    this.toSlow = new PacketRingProducer(state.words, state.places.workers[index].toSlow)
    this.toFast = new PacketRingConsumer(state.words, state.places.workers[index].toFast)
  }

  packet(frame: Uint8Array, flow = -1, gen = 0, rxFlags = 0): void {
    const entry = this.toSlow.reserve()
    const at = this.toSlow.reservePacket(frame.length)
    if (entry < 0 || at < 0) throw new Error('ring to the slow path is full')
    const { words } = this.state
    words[entry + SF_TYPE] = TO_SLOW_PACKET
    words[entry + SF_FLOW] = flow
    words[entry + SF_GEN] = gen
    words[entry + SF_PACKET_POS] = at
    words[entry + SF_PACKET_LEN] = frame.length
    words[entry + SF_PACKET_FLAGS] = rxFlags
    words[entry + SF_PACKET_GSO] = 0
    this.state.bytes.set(frame, this.toSlow.areaOffset + at)
    this.toSlow.pushPacket(entry, frame.length)
    this.toSlow.publish()
  }

  message(type: number, fields: Readonly<Record<number, number>>): void {
    const entry = this.toSlow.reserve()
    if (entry < 0) throw new Error('ring to the slow path is full')
    this.state.words[entry + SF_TYPE] = type
    for (const [index, value] of Object.entries(fields)) this.state.words[entry + Number(index)] = value
    this.toSlow.pushMessage(entry)
    this.toSlow.publish()
  }

  /** Reads all commands; a flow that is added becomes FLOW_OWNED. */
  read(): Command[] {
    const commands: Command[] = []
    const { words, bytes } = this.state
    for (let entry = this.toFast.peek(); entry >= 0; entry = this.toFast.peek()) {
      const at = this.toFast.areaOffset + words[entry + SF_PACKET_POS]
      const type = words[entry + SF_TYPE]
      const flow = words[entry + SF_FLOW]
      commands.push({
        type, flow, gen: words[entry + SF_GEN], app: words[entry + SF_APP], context: words[entry + SF_CONTEXT],
        packet: type === 16 ? bytes.slice(at, at + words[entry + SF_PACKET_LEN]) : null,
          rxFlags: words[entry + SF_PACKET_FLAGS],
      })
      if (type === TO_FAST_FLOW_ADD) this.own(flow)
      this.toFast.pass(entry)
    }
    this.toFast.release()
    return commands
  }

  private own(flow: number): void {
    const at = this.state.places.tcbOffset + flow * TCB_BYTES + TCB_STATE_U8
    if (this.state.bytes[at] !== FLOW_HANDED) throw new Error(`flow ${flow} added but not FLOW_HANDED`)
    this.state.bytes[at] = FLOW_OWNED
  }
}

export interface HostOptions {
  readonly config?: Partial<SlowConfig>
  readonly workers?: number
  readonly flows?: number
  readonly toFastEntries?: number
  readonly hostKernel?: HostKernel
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
      tcp: { ...DEFAULT_TCP, rxBufLen: RX_BUF, txBufLen: TX_BUF }, arp: DEFAULT_ARP, cc: DEFAULT_CONGESTION,
      appRegionBytes: 1 << 22, kinBytes: 1024, koutBytes: 1024, fastEntries: 8, ...options.config,
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
        mtu: 1500,
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
      ...(options.hostKernel ? { hostKernel: options.hostKernel } : {}),
      appEnded: (app) => this.ended.push(app),
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
    for (const { type, flow, gen, app } of commands) {
      if (type === TO_FAST_FLOW_REMOVE) this.workers[worker].message(TO_SLOW_FLOW_REMOVED, { [SF_FLOW]: flow,
        [SF_GEN]: gen })
      if (type === TO_FAST_APP_REMOVE) this.workers[worker].message(TO_SLOW_APP_REMOVED, { [SF_APP]: app })
    }
    this.poll()
    return commands
  }

  addApp(buffers = 8): { id: number; context: FakeContext; addContext: () => FakeContext; shape: AppRegionShape } {
    const { kinBytes, koutBytes, fastEntries } = this.config
    const base = { workers: this.workers.length, kinBytes, koutBytes, fastEntries, regionBytes: 0 }
    const start = regionStart(base)
    const { rxBufLen, txBufLen } = this.config.tcp
    const shape = { ...base, regionBytes: start + buffers * 2 ** log2Ceil(rxBufLen + txBufLen) }
    const buffer = new ArrayBuffer(shape.regionBytes)
    const id = this.slow.apps.addApp({ buffer, fd: -1 }, 'test', 1)
    const addContext = (): FakeContext => new FakeContext(this, id, buffer, shape)
    return { id, context: addContext(), addContext, shape }
  }
}

function regionStart(shape: AppRegionShape): number {
  const first = placeContext(shape, 0).sleepingWord
  const second = placeContext(shape, 1).sleepingWord
  return 4096 + 64 * (second - first) * 4
}
