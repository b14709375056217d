/** Plays slow path and workers on the rings of an application's region, in this thread. */
import {
  APP_SLOW_ENTRY_WORDS, AS_BUFFER, AS_TX_BUFFER, AS_FLOW, AS_GEN_WORKER, AS_HANDLE, AS_LISTENER, AS_LOCAL_IP, AS_PORTS, AS_REMOTE_IP,
  AS_RX_BASE, AS_SIZES, AS_STATUS, AS_TX_BASE, AS_TYPE, BUFFER_UNIT_BYTES, buffersOffset, BUMP_FLAGS, BUMP_FLOW, BUMP_GEN,
  BUMP_RCV_READ, BUMP_SND_END, BUMP_TX_BASE, BUMP_TX_BUFFER, DOORBELL_PAGE_BYTES, EV_CONN_CLOSED, EV_CONN_MOVED, EV_CONN_OPEN, EV_LISTEN_ACCEPT,
  EV_LISTEN_CLOSED, EV_LISTEN_NEWCONN, EV_LISTEN_OPEN, EVENT_FLAGS, EVENT_FLOW, EVENT_GEN, EVENT_RCV_END, EVENT_RX_BASE, EVENT_RX_BUFFER, EVENT_RX_LOG2_SHIFT,
  EVENT_SND_UNA,
  EVENT_TIME_US, placeContext, REQ_CONN_OPEN, REQ_LISTEN_ACCEPT, REQ_LISTEN_OPEN, RingConsumer, RingProducer,
  writeAppRegionHeader, type AppRegionShape, type ContextPlaces, type Wakeable,
} from '../../lib/memif/index.js'
import {
  Connection, Context, createEvents, eventName, Listener, LocalLink, Tas, TasEvent, type LocalService,
} from '../../lib/tas/index.js'

export const PEER_IP = 0xc0a80102
export const LOCAL_IP = 0x0a000001

/** A connection as the fake service keeps it. */
export interface FakeFlow {
  readonly flow: number
  readonly gen: number
  readonly worker: number
  readonly start: number
  readonly rxLog2: number
  readonly txLog2: number
  /** Changed by a test that brings the stream back to the front of its buffer. */
  rxBase: number
  readonly txBase: number
  rcvEnd: number
  sndUna: number
}

export interface FakeBump { flow: number; gen: number; flags: number; rcvRead: number; sndEnd: number; txBuffer?: number }

class FakeContext {
  readonly kin: RingProducer
  readonly kout: RingConsumer
  readonly events: RingProducer[]
  readonly bumps: RingConsumer[]
  readonly sleepingWord: number
  readonly wake: Wakeable

  constructor(words: Int32Array, places: ContextPlaces, wake: Wakeable) {
    this.kin = new RingProducer(words, places.kin)
    this.kout = new RingConsumer(words, places.kout)
    this.events = places.events.map((place) => new RingProducer(words, place))
    this.bumps = places.bumps.map((place) => new RingConsumer(words, place))
    this.sleepingWord = places.sleepingWord
    this.wake = wake
  }
}

export interface FakeOptions {
  readonly workers?: number
  readonly fastEntries?: number
  /** Entries of the slow path's rings. */
  readonly slowEntries?: number
  /** What the service says about polling before blocking (--fp-poll-interval-app). */
  readonly pollIntervalUs?: number
}

/** `wakes` counts how often slow path and workers were woken. */
export class FakeService implements LocalService {
  readonly region: ArrayBuffer
  readonly words: Int32Array
  readonly bytes: Uint8Array
  readonly doorbells = new Int32Array(DOORBELL_PAGE_BYTES / 4)
  readonly wakes = { slow: 0, workers: [] as number[] }
  readonly slow: Wakeable = { wake: () => { this.wakes.slow++ } }
  readonly workers: Wakeable[]
  readonly contexts: FakeContext[] = []
  readonly link: LocalLink
  readonly tas: Tas
  readonly context: Context
  readonly events = createEvents(16)
  clockUs = 0
  /** Runs when the application sleeps. */
  onSleep: (timeoutUs: number) => void = () => { throw new Error('the application sleeps and nothing will come') }
  sleeps: number[] = []
  /** Where each flow’s transmit stream stands at the front of its buffer. */
  private readonly txFronts = new Map<number, number>()
  private readonly shape: AppRegionShape
  private nextBuffer: number
  private nextFlow = 0

  constructor(options: FakeOptions = {}) {
    const workers = options.workers ?? 2
    const slowBytes = (options.slowEntries ?? 16) * APP_SLOW_ENTRY_WORDS * 4
    this.shape = { regionBytes: 4 << 20, workers, kinBytes: slowBytes, koutBytes: slowBytes, fastEntries: options.fastEntries ?? 64 }
    this.region = new ArrayBuffer(this.shape.regionBytes)
    this.words = new Int32Array(this.region)
    this.bytes = new Uint8Array(this.region)
    this.nextBuffer = buffersOffset(this.shape)
    writeAppRegionHeader(this.words, this.shape, options.pollIntervalUs ?? 50)
    this.workers = Array.from({ length: workers }, (_, worker) => {
      this.wakes.workers.push(0)
      return { wake: () => { this.wakes.workers[worker]++ } }
    })
    this.link = new LocalLink(this)
    this.tas = Tas.attach(this.link)
    this.context = this.tas.createContext()
  }

  createContext(wake: Wakeable): number {
    const id = this.contexts.length
    this.contexts.push(new FakeContext(this.words, placeContext(this.shape, id), wake))
    return id
  }

  /** Contexts that were given up, in order. */
  readonly removed: number[] = []

  removeContext(context: number): void {
    this.removed.push(context)
  }

  nowUs(): number {
    return ++this.clockUs
  }

  run(timeoutUs: number): void {
    this.sleeps.push(timeoutUs)
    this.onSleep(timeoutUs)
  }

  // ---- slow path ----

  /** Takes all published requests of a context: each 16 words. */
  requests(context = 0): Int32Array[] {
    const ring = this.contexts[context].kout
    const taken: Int32Array[] = []
    for (let at = ring.peek(); at >= 0; at = ring.peek()) {
      taken.push(this.words.slice(at, at + APP_SLOW_ENTRY_WORDS))
      ring.next()
    }
    ring.release()
    return taken
  }

  /** Takes the one request there is; fails if it is not of `type`. */
  request(type: number, context = 0): Int32Array {
    const taken = this.requests(context)
    if (taken.length !== 1 || taken[0][AS_TYPE] !== type) {
      throw new Error(`want one request of type ${type}, found ${taken.map((entry) => entry[AS_TYPE]).join()}`)
    }
    return taken[0]
  }

  /** Publishes an event of the slow path. */
  tell(fields: Readonly<Record<number, number>>, context = 0): void {
    const { kin } = this.contexts[context]
    const at = kin.reserve()
    if (at < 0) throw new Error('kin ring full')
    this.words.fill(0, at, at + APP_SLOW_ENTRY_WORDS)
    for (const [word, value] of Object.entries(fields)) this.words[at + Number(word)] = value
    kin.push()
    kin.publish()
    this.wakeContext(context)
  }

  private wakeContext(context: number): void {
    const { sleepingWord, wake } = this.contexts[context]
    if (Atomics.load(this.words, sleepingWord) % 2 === 1) wake.wake()
  }

  listenOpen(handle: number, status = 0, port = 80): void {
    this.tell({ [AS_TYPE]: EV_LISTEN_OPEN, [AS_HANDLE]: handle, [AS_STATUS]: status, [AS_PORTS]: port, [AS_LOCAL_IP]: LOCAL_IP })
  }

  newConnection(listener: number): void {
    this.tell({ [AS_TYPE]: EV_LISTEN_NEWCONN, [AS_HANDLE]: listener, [AS_REMOTE_IP]: PEER_IP | 0, [AS_PORTS]: (4000 << 16) | 80 })
  }

  listenClosed(handle: number, status = 0): void {
    this.tell({ [AS_TYPE]: EV_LISTEN_CLOSED, [AS_HANDLE]: handle, [AS_STATUS]: status })
  }

  /** A flow with buffers of its own. Sequence numbers start shortly before they wrap. */
  makeFlow(fields: Partial<FakeFlow> = {}): FakeFlow {
    const flow = { flow: this.nextFlow++, gen: 7, worker: 0, start: this.nextBuffer, rxLog2: 6, txLog2: 6, rxBase: -20, txBase: 0x7ffffff0, ...fields }
    this.nextBuffer += 2 ** flow.rxLog2 + 2 ** flow.txLog2
    return { ...flow, rcvEnd: flow.rxBase, sndUna: flow.txBase }
  }

  openEntry(type: number, handle: number, flow: FakeFlow): Record<number, number> {
    return {
      [AS_TYPE]: type, [AS_HANDLE]: handle, [AS_FLOW]: flow.flow, [AS_GEN_WORKER]: flow.gen | (flow.worker << 16),
      [AS_REMOTE_IP]: PEER_IP | 0, [AS_LOCAL_IP]: LOCAL_IP, [AS_PORTS]: (4000 << 16) | 80,
      [AS_BUFFER]: flow.start / BUFFER_UNIT_BYTES, [AS_TX_BUFFER]: (flow.start + 2 ** flow.rxLog2) / BUFFER_UNIT_BYTES,
      [AS_SIZES]: flow.rxLog2 | (flow.txLog2 << 8) | (1448 << 16),
      [AS_RX_BASE]: flow.rxBase, [AS_TX_BASE]: flow.txBase,
    }
  }

  connectionOpen(handle: number, flow: FakeFlow): void {
    this.tell(this.openEntry(EV_CONN_OPEN, handle, flow))
  }

  accepted(handle: number, listener: number, flow: FakeFlow): void {
    this.tell({ ...this.openEntry(EV_LISTEN_ACCEPT, handle, flow), [AS_LISTENER]: listener })
  }

  failed(type: number, handle: number, status: number): void {
    this.tell({ [AS_TYPE]: type, [AS_HANDLE]: handle, [AS_STATUS]: status, [AS_FLOW]: -1 })
  }

  connectionClosed(handle: number, flow: FakeFlow, status = 0, context = 0): void {
    this.tell({ [AS_TYPE]: EV_CONN_CLOSED, [AS_HANDLE]: handle, [AS_FLOW]: flow.flow, [AS_GEN_WORKER]: flow.gen, [AS_STATUS]: status }, context)
  }

  moved(handle: number, flow: FakeFlow, status: number, context: number): void {
    this.tell({ [AS_TYPE]: EV_CONN_MOVED, [AS_HANDLE]: handle, [AS_FLOW]: flow.flow, [AS_GEN_WORKER]: flow.gen, [AS_STATUS]: status }, context)
  }

  // ---- workers ----

  /** Writes `text` to the receive buffer as if it had arrived, without telling. */
  fill(flow: FakeFlow, bytes: Uint8Array): void {
    const mask = 2 ** flow.rxLog2 - 1
    for (const byte of bytes) {
      this.bytes[flow.start + ((flow.rcvEnd - flow.rxBase) & mask)] = byte
      flow.rcvEnd = (flow.rcvEnd + 1) | 0
    }
  }

  /** Reports the flow's present state. */
  report(flow: FakeFlow, flags = 0, context = 0): void {
    const ring = this.contexts[context].events[flow.worker]
    const at = ring.reserve()
    if (at < 0) throw new Error('event ring full')
    this.words[at + EVENT_FLOW] = flow.flow
    this.words[at + EVENT_GEN] = flow.gen
    this.words[at + EVENT_FLAGS] = flags | (flow.rxLog2 << EVENT_RX_LOG2_SHIFT)
    this.words[at + EVENT_RCV_END] = flow.rcvEnd
    this.words[at + EVENT_SND_UNA] = flow.sndUna
    this.words[at + EVENT_TIME_US] = 1
    this.words[at + EVENT_RX_BASE] = flow.rxBase
    this.words[at + EVENT_RX_BUFFER] = flow.start / BUFFER_UNIT_BYTES
    ring.push()
    ring.publish()
    this.wakeContext(context)
  }

  receive(flow: FakeFlow, text: string, flags = 0, context = 0): void {
    this.fill(flow, Buffer.from(text, 'latin1'))
    this.report(flow, flags, context)
  }

  bumps(worker = 0, context = 0): FakeBump[] {
    const ring = this.contexts[context].bumps[worker]
    const taken: FakeBump[] = []
    for (let at = ring.peek(); at >= 0; at = ring.peek()) {
      const { words } = this
      this.txFronts.set(words[at + BUMP_FLOW], words[at + BUMP_TX_BASE])
      const bump = {
        flow: words[at + BUMP_FLOW], gen: words[at + BUMP_GEN], flags: words[at + BUMP_FLAGS],
        rcvRead: words[at + BUMP_RCV_READ], sndEnd: words[at + BUMP_SND_END],
      }
      // Of interest only where it may change.
      taken.push(Object.defineProperty(bump, 'txBuffer', { value: words[at + BUMP_TX_BUFFER], enumerable: false }))
      ring.next()
    }
    ring.release()
    return taken
  }

  /** Bytes `from` to `to` (sequence numbers) of the transmit buffer. */
  sent(flow: FakeFlow, from: number, to: number): string {
    const mask = 2 ** flow.txLog2 - 1
    const start = flow.start + 2 ** flow.rxLog2
    const front = this.txFronts.get(flow.flow) ?? flow.txBase
    let text = ''
    for (let seq = from; seq !== to; seq = (seq + 1) | 0) text += String.fromCharCode(this.bytes[start + ((seq - front) & mask)])
    return text
  }

  // ---- application ----

  /** Polls once and describes what came: 'CONN_RECEIVED abc', 'CONN_CLOSED ECONNRESET', ... */
  poll(context: Context = this.context, max = 16): string[] {
    const count = context.poll(this.events, max)
    return this.events.slice(0, count).map(describeEvent)
  }

  /** A connection opened by `connect`, its events and requests taken. */
  connect(fields: Partial<FakeFlow> = {}): { connection: Connection; flow: FakeFlow } {
    const connection = this.context.connect('192.168.1.2', 4000)
    this.context.flush()
    const flow = this.makeFlow(fields)
    this.connectionOpen(this.request(REQ_CONN_OPEN)[AS_HANDLE], flow)
    this.poll()
    return { connection, flow }
  }

  /** A listener that is open. */
  listen(): Listener {
    const listener = this.context.listen(80)
    this.context.flush()
    this.listenOpen(this.request(REQ_LISTEN_OPEN)[AS_HANDLE])
    this.poll()
    return listener
  }

  /** Handle of the one accept that was asked for. */
  acceptRequest(): number {
    this.context.flush()
    return this.request(REQ_LISTEN_ACCEPT)[AS_HANDLE]
  }
}

/** Text of an event: name, data if any, code if any. */
export function describeEvent(event: TasEvent): string {
  const parts = [eventName(event.type)]
  if (event.total > 0 && event.buffer.length > 0 && parts[0] === 'CONN_RECEIVED') {
    parts.push(Buffer.from(event.bytes).toString('latin1') + Buffer.from(event.bytes2).toString('latin1'))
  }
  if (event.status !== 0) parts.push(event.code)
  return parts.join(' ')
}
