/** The other ends of the slow path's rings: an application's context, and a worker. */
import {
  APP_SLOW_ENTRY_WORDS, AS_BACKLOG, AS_BUFFER, AS_CONTEXT, AS_FLAGS, AS_FLOW, AS_GEN_WORKER, AS_HANDLE, AS_LISTENER,
  AS_LOCAL_IP, AS_OPTION, AS_PORTS, AS_REMOTE_IP, AS_RX_BASE, AS_SIZES, AS_STATUS, AS_TX_BASE, AS_TX_BUFFER, AS_TYPE,
  AS_VALUE, FLOW_HANDED, FLOW_OWNED, flowState,
  PacketRingConsumer, PacketRingProducer, placeContext, RingConsumer, RingProducer, SF_APP, SF_CLEAR, SF_CONTEXT, SF_VALUE, SF_FLOW,
  SF_GEN, SF_PACKET_FLAGS, SF_PACKET_GSO, SF_PACKET_LEN, SF_PACKET_POS, SF_TYPE, StateView, TCB_BYTES, TCB_STATE_U8,
  TO_FAST_FLOW_ADD, TO_FAST_FLOW_ENTER, TO_SLOW_PACKET, type AppRegionShape, type ContextPlaces,
} from '../../lib/memif/index.js'
import type { Host } from './harness.js'

export interface Command {
  readonly type: number
  readonly flow: number
  readonly gen: number
  readonly app: number
  readonly context: number
  /** SF_VALUE and the word behind it. */
  readonly first: number
  readonly second: number
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
  readonly txBuffer: number
  readonly sizes: number
  readonly rxBase: number
  readonly txBase: number
  /** The words from AS_OPTION, which is AS_PART, on. */
  readonly values: readonly number[]
}

const FIELDS = {
  listener: AS_LISTENER, flags: AS_FLAGS, remoteIp: AS_REMOTE_IP, localIp: AS_LOCAL_IP, ports: AS_PORTS,
    flow: AS_FLOW, gen: AS_GEN_WORKER,
  backlog: AS_BACKLOG, context: AS_CONTEXT, option: AS_OPTION, value: AS_VALUE, value2: AS_VALUE + 1, value3: AS_VALUE + 2,
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
        worker: word(AS_GEN_WORKER) >>> 16, buffer: word(AS_BUFFER), txBuffer: word(AS_TX_BUFFER), sizes: word(AS_SIZES),
          rxBase: word(AS_RX_BASE), txBase: word(AS_TX_BASE),
        values: [...this.words.subarray(at + AS_OPTION, at + APP_SLOW_ENTRY_WORDS)],
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
  private readonly index: number

  constructor(state: StateView, index: number) {
    this.state = state
    this.index = index
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

  /** Reads all commands; a flow that is added, or enters, becomes FLOW_OWNED. */
  read(): Command[] {
    const commands: Command[] = []
    const { words, bytes } = this.state
    for (let entry = this.toFast.peek(); entry >= 0; entry = this.toFast.peek()) {
      const at = this.toFast.areaOffset + words[entry + SF_PACKET_POS]
      const type = words[entry + SF_TYPE]
      const flow = words[entry + SF_FLOW]
      commands.push({
        type, flow, gen: words[entry + SF_GEN], app: words[entry + SF_APP], context: words[entry + SF_CONTEXT],
        first: words[entry + SF_VALUE], second: words[entry + SF_CLEAR],
        packet: type === 16 ? bytes.slice(at, at + words[entry + SF_PACKET_LEN]) : null,
          rxFlags: words[entry + SF_PACKET_FLAGS],
      })
      if (type === TO_FAST_FLOW_ADD || type === TO_FAST_FLOW_ENTER) this.own(flow)
      this.toFast.pass(entry)
    }
    this.toFast.release()
    return commands
  }

  private own(flow: number): void {
    const at = this.state.places.tcbOffset + flow * TCB_BYTES + TCB_STATE_U8
    if (this.state.bytes[at] !== flowState(FLOW_HANDED, this.index)) throw new Error(`flow ${flow} added but not FLOW_HANDED`)
    this.state.bytes[at] = flowState(FLOW_OWNED, this.index)
  }
}
