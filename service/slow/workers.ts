/** The slow path's end of the rings to and from one worker. */
import {
  BUFFER_UNIT_BYTES, PacketRingConsumer, PacketRingProducer, SF_APP, SF_CLEAR, SF_CONTEXT, SF_FLOW, SF_GEN, SF_PACKET_FLAGS,
  SF_PACKET_GSO, SF_PACKET_LEN, SF_PACKET_POS, SF_REGION_UNITS, SF_ROUTE, SF_TYPE, SF_VALUE, TO_FAST_FLOW_ENTER, TO_FAST_FLOW_FLAGS,
  TO_FAST_FLOW_LEAVE, TO_FAST_FLOW_ROUTE, TO_FAST_PACKET, type Doorbell, type StateView, type TraceWriter, type Wakeable,
} from '../../lib/memif/index.js'
import { traceMessage } from './tracing.js'

/** An application's region as the service knows it. */
export interface AppRegion {
  readonly buffer: ArrayBufferLike
  /** The memfd, or -1 in a simulation. */
  readonly fd: number
}

/** What the service (or a simulation) does for one worker beside the rings. */
export interface WorkerLink {
  readonly doorbell: Doorbell
  /** Hands the region over; called before TO_FAST_APP_ADD is published. */
  appAdded(app: number, region: AppRegion): void
  /** Hands the context's wake-up over; called before TO_FAST_CONTEXT_ADD is published. */
  contextAdded(app: number, context: number, wake: Wakeable): void
}

/** Packets that may wait for room in the ring; more are dropped, and the peer sends them again. */
const WAITING_PACKETS_MAX = 1024

/** What names a flow in a command: a connection, say. */
export interface FlowName {
  readonly flow: number
  readonly gen: number
}

/** One class for all kinds, whose fields are set as needed (see AppEvent). */
class Command {
  type = 0
  flow = -1
  gen = 0
  app = 0
  context = 0
  /** Of TO_FAST_FLOW_SEND and others with values: words SF_VALUE and behind it. */
  first = 0
  second = 0
  units = 0
  /** Of TO_FAST_FLOW_ROUTE: words SF_ROUTE and behind it. */
  route: Int32Array | null = null
  packet: Uint8Array | null = null
  rxFlags = 0
  gso = 0

  /** Makes it another command, with nothing but its name. */
  begin(type: number, flow: number, gen: number): void {
    this.type = type
    this.flow = flow
    this.gen = gen
    this.app = 0
    this.context = 0
    this.first = 0
    this.second = 0
    this.units = 0
    this.route = null
    this.packet = null
    this.rxFlags = 0
    this.gso = 0
  }

  /** One that can wait. The frame's bytes are in a ring that is released at the end of the poll. */
  kept(): Command {
    const kept = Object.assign(new Command(), this)
    if (kept.packet !== null) kept.packet = kept.packet.slice()
    return kept
  }
}

function keyOf(type: number, flow: number): number {
  return flow * 64 + type
}

/**
 * Commands to a worker are never lost: what the ring cannot take waits here, in order. The queue is
 * bounded, because a flow's command that is waiting already is not queued twice.
 */
export class WorkerChannel {
  readonly index: number
  readonly link: WorkerLink
  readonly toSlow: PacketRingConsumer
  private readonly toFast: PacketRingProducer
  private readonly state: StateView
  private readonly trace: TraceWriter
  /** The command that is being sent: most find room, and are gone then. */
  private readonly composed = new Command()
  private waiting: Command[] = []
  /** Commands of `flow` and `flags` that wait, by `keyOf`. */
  private readonly waitingFlows = new Map<number, Command>()
  private waitingPackets = 0
  /** For each flow that is still at another worker: what it will be told here. */
  private readonly held = new Map<number, Command[]>()

  constructor(state: StateView, index: number, link: WorkerLink, trace: TraceWriter) {
    const places = state.places.workers[index]
    this.index = index
    this.link = link
    this.state = state
    this.trace = trace
    this.toSlow = new PacketRingConsumer(state.words, places.toSlow)
    this.toFast = new PacketRingProducer(state.words, places.toFast)
  }

  /** Commands that have found no room yet. */
  get waitingCommands(): number {
    return this.waiting.length
  }

  /** A command about a flow (TO_FAST_FLOW_*). */
  flow(type: number, { flow, gen }: FlowName, context = 0): void {
    const queued = this.queued(type, flow, gen)
    if (queued !== null) {
      queued.context = context
      return
    }
    const command = this.compose(type, flow, gen)
    command.context = context
    this.sendOnce(command)
  }

  /** A command about a flow with two values, whose order among others of its kind counts. */
  value(type: number, { flow, gen }: FlowName, first: number, second: number): void {
    this.sendNew(this.composeValues(type, flow, gen, first, second))
  }

  /** TO_FAST_FLOW_ROUTE with `words` SF_ROUTE and behind it, which stay as they are. */
  route({ flow, gen }: FlowName, words: Int32Array): void {
    const queued = this.queued(TO_FAST_FLOW_ROUTE, flow, gen)
    if (queued !== null) {
      queued.route = words
      return
    }
    const command = this.compose(TO_FAST_FLOW_ROUTE, flow, gen)
    command.route = words
    this.sendOnce(command)
  }

  /**
   * TO_FAST_FLOW_FLAGS: clears and sets bits that the worker does not set itself. Orders that wait for room become one, at the place
   * of the first: that may be in front of other commands to the flow, whose effect no flag changes.
   */
  flags({ flow, gen }: FlowName, set: number, clear: number): void {
    const queued = this.queued(TO_FAST_FLOW_FLAGS, flow, gen)
    if (queued !== null) {
      queued.first = (queued.first & ~clear) | set
      queued.second |= clear
    } else this.sendOnce(this.composeValues(TO_FAST_FLOW_FLAGS, flow, gen, set, clear))
  }

  /** The command of its kind that waits. One to an earlier generation of the flow is for another connection. */
  private queued(type: number, flow: number, gen: number): Command | null {
    if (this.waiting.length === 0 && this.held.size === 0) return null
    const command = this.waitingFlows.get(keyOf(type, flow))
    return command !== undefined && command.gen === gen ? command : null
  }

  private compose(type: number, flow: number, gen: number): Command {
    this.composed.begin(type, flow, gen)
    return this.composed
  }

  private composeValues(type: number, flow: number, gen: number, first: number, second: number): Command {
    const command = this.compose(type, flow, gen)
    command.first = first
    command.second = second
    return command
  }

  /** Sends a command that later ones of its kind join while it waits. */
  private sendOnce(command: Command): void {
    const waiting = this.sendNew(command)
    if (waiting !== null) this.waitingFlows.set(keyOf(waiting.type, waiting.flow), waiting)
  }

  /** A command about an application, or to the worker itself. */
  control(type: number, app: number, context = 0, regionBytes = 0): void {
    const command = this.compose(type, -1, 0)
    command.app = app
    command.context = context
    command.units = regionBytes / BUFFER_UNIT_BYTES
    this.sendNew(command)
  }

  /** TO_FAST_FLOW_LEAVE: the flow is to go to another worker, for the time `turn`. */
  leave({ flow, gen }: FlowName, turn: number): void {
    const command = this.compose(TO_FAST_FLOW_LEAVE, flow, gen)
    command.app = turn
    this.sendNew(command)
  }

  /** The flow is to come here, and is still at another worker: what it is told waits until `enter`. */
  hold({ flow }: FlowName): void {
    this.held.set(flow, [])
  }

  /** TO_FAST_FLOW_ENTER: the other worker has let go of the flow. Then it is told what has waited. */
  enter(name: FlowName): void {
    const commands = this.held.get(name.flow) ?? []
    this.held.delete(name.flow)
    this.flow(TO_FAST_FLOW_ENTER, name)
    for (const command of commands) {
      this.forget(command)
      if (!this.tryWrite(command)) this.wait(command)
    }
  }

  /** Has the worker handle `frame`, of the flow `name`, as if it came from its port (TO_FAST_PACKET). Returns false if it is dropped. */
  packet(frame: Uint8Array, rxFlags: number, gso: number, { flow, gen }: FlowName): boolean {
    // Twice the length always fits an empty area, wherever its end is.
    const fits = 2 * (frame.length + 64) <= this.toFast.areaBytes
    if (!fits || this.waitingPackets >= WAITING_PACKETS_MAX) return false
    const command = this.compose(TO_FAST_PACKET, flow, gen)
    command.packet = frame
    command.rxFlags = rxFlags
    command.gso = gso
    this.sendNew(command)
    return true
  }

  /** Whether commands wait for room in the ring. */
  get isBlocked(): boolean {
    return this.waiting.length > 0
  }

  /** Whether a command of `type` about application `app`, or its context `context`, has not been read. For when no worker runs. */
  hasUnread(type: number, app: number, context = 0): boolean {
    if (this.waiting.some((command) => command.type === type && command.app === app && command.context === context)) return true
    this.toFast.publish()
    const { words, places } = this.state
    const unread = new PacketRingConsumer(words, places.workers[this.index].toFast)
    for (let entry = unread.peek(); entry >= 0; entry = unread.peek()) {
      if (words[entry + SF_TYPE] === type && words[entry + SF_APP] === app && words[entry + SF_CONTEXT] === context) return true
      unread.pass(entry)
    }
    return false
  }

  /** Moves waiting commands into the ring. Returns how many. */
  flush(): number {
    let moved = 0
    while (moved < this.waiting.length && this.write(this.waiting[moved])) this.forget(this.waiting[moved++])
    if (moved > 0) this.waiting = this.waiting.slice(moved)
    return moved
  }

  /** Makes this poll's commands visible and wakes the worker if it sleeps. Returns whether it slept. */
  publish(): boolean {
    this.toSlow.release()
    return this.toFast.publish() && this.link.doorbell.ring()
  }

  /** Sends the command that was composed. Returns what waits for room in its place, null if it found some. */
  private sendNew(command: Command): Command | null {
    if (this.tryWrite(command)) return null
    const kept = command.kept()
    this.wait(kept)
    return kept
  }

  private tryWrite(command: Command): boolean {
    const isHeld = this.held.size > 0 && this.held.has(command.flow)
    return !isHeld && this.waiting.length === 0 && this.write(command)
  }

  private wait(command: Command): void {
    if (command.packet !== null) this.waitingPackets++
    const queue = this.held.get(command.flow) ?? this.waiting
    queue.push(command)
  }

  private forget(command: Command): void {
    if (command.packet) this.waitingPackets--
    const key = keyOf(command.type, command.flow)
    if (this.waitingFlows.get(key) === command) this.waitingFlows.delete(key)
  }

  private write(command: Command): boolean {
    const entry = this.toFast.reserve()
    if (entry < 0) return false
    const words = this.toFast.words
    traceMessage(this.trace, this.state, this.index, command.type, command.flow, command.gen, command.first, command.packet?.length ?? command.second)
    words[entry + SF_TYPE] = command.type
    words[entry + SF_FLOW] = command.flow
    words[entry + SF_GEN] = command.gen
    words[entry + SF_VALUE] = command.first
    words[entry + SF_CLEAR] = command.second
    words[entry + SF_APP] = command.app
    words[entry + SF_CONTEXT] = command.context
    words[entry + SF_REGION_UNITS] = command.units
    if (command.route) words.set(command.route, entry + SF_ROUTE)
    if (command.packet) return this.writePacket(entry, command.packet, command)
    this.toFast.pushMessage(entry)
    return true
  }

  private writePacket(entry: number, packet: Uint8Array, command: Command): boolean {
    const at = this.toFast.reservePacket(packet.length)
    if (at < 0) return false
    const words = this.toFast.words
    words[entry + SF_PACKET_POS] = at
    words[entry + SF_PACKET_LEN] = packet.length
    words[entry + SF_PACKET_FLAGS] = command.rxFlags
    words[entry + SF_PACKET_GSO] = command.gso
    this.state.bytes.set(packet, this.toFast.areaOffset + at)
    this.toFast.pushPacket(entry, packet.length)
    return true
  }
}
