/** The slow path: all parts put together, moved on by `poll`. */
import type { Port } from '../../native/index.js'
import {
  EV_CONN_OPEN, SF_APP, SF_CONTEXT, SF_FLOW, SF_GEN, SF_PACKET_FLAGS, SF_PACKET_GSO, SF_PACKET_LEN, SF_PACKET_POS, SF_TURN, SF_TYPE,
  SF_WHAT, STATE_LOCAL_ADDRESSES, STATE_LOCAL_COUNT, STATE_MAC, STATE_TTL, TO_SLOW_ACK, TO_SLOW_APP_REMOVED, TO_SLOW_CONTEXT_REMOVED, TO_SLOW_FLOW,
  TO_SLOW_FLOW_LEFT, TO_SLOW_FLOW_REMOVED, TO_SLOW_MTU_PROBE, TO_SLOW_PACKET, TraceWriter, type FlowDetail, type FlowQuery, type StatePart,
  type StateView,
} from '../../lib/memif/index.js'
import { closeListener } from './accept.js'
import { composeEvent } from './appevent.js'
import { sendClosed } from './appevents.js'
import { ArpCache } from './arp.js'
import { Balancer } from './balance.js'
import { ChallengeLimit } from './challengelimit.js'
import { Changeover } from './changeover.js'
import { checkConfig, type SlowConfig } from './config.js'
import type { Algorithm } from './congestion/algorithm.js'
import { Algorithms } from './congestion/algorithms.js'
import type { Connection } from './connection.js'
import { ConnectionTable } from './connections.js'
import { ENETDOWN } from './errno.js'
import { onAckMessage, onFlowEvent, onProbeMessage, onRemoved } from './flowevents.js'
import { describeFlow } from './flowdetail.js'
import { FlowTable } from './flows.js'
import { Reassembly, REASSEMBLY_LIMITS } from './fragments.js'
import { GroupLoads } from './grouploads.js'
import { abortHandshake } from './handshakeend.js'
import { StateListing } from './listing.js'
import { type HostKernel, HostKernelGate } from './hostkernel.js'
import { reportReassemblyTimeout } from './icmp.js'
import { HASH_TABLE, type FourTuple, TupleHash } from './isn.js'
import { Listeners } from './listeners.js'
import { type Logger, RateLimit } from './log.js'
import { LoopbackQueue } from './loopback.js'
import { Output } from './output.js'
import { receiveFrame } from './packets.js'
import { PathMtuCache } from './pathmtucache.js'
import { EphemeralPorts } from './ports.js'
import { AppRegistry } from './registry.js'
import { rawWord } from './rawword.js'
import { ReceivedFrame } from './received.js'
import { ReplyLimit } from './replylimit.js'
import { sendFlowReset } from './reset.js'
import { Routes } from './routes.js'
import { Scaler, type ScaleState } from './scaler.js'
import type { Stack } from './stack.js'
import { Stats } from './stats.js'
import { STEERS_BY_STATE, Steering, type SteerPort } from './steering.js'
import { SynCookies } from './syncookies.js'
import { abortConnection } from './teardown.js'
import { Timers } from './timers.js'
import { traceMessage, tracedPort } from './tracing.js'
import { type AppRegion, WorkerChannel, type WorkerLink } from './workers.js'

/** Work of one poll, for each worker's ring and for the timers. */
const MESSAGES_PER_POLL = 256
const TIMERS_PER_POLL = 256
/** When to look again at rings that had no room, as their readers do not ring for that: longer each time in vain. */
const RETRY_MIN_US = 1_000
const RETRY_MAX_US = 128_000
const COMPLAINTS_PER_SECOND = 5
/** ICMP errors that strangers can make us act on, a second. */
const ICMP_ERRORS_PER_SECOND = 1_000
/** Destinations whose path MTU is kept. */
const PATH_MTUS_MAX = 1024

/** What the connection table's hash is keyed with is the keyed hash of this. */
const NO_TUPLE: FourTuple = { localIp: 0, localPort: 0, remoteIp: 0, remotePort: 0 }

/** What the slow path is given: everything it must not fetch by itself. */
export interface SlowEnv {
  /** A state region with its header written. */
  readonly state: StateView
  /** The whole counters region. */
  readonly counters: Float64Array
  readonly config: SlowConfig
  readonly port: Pick<Port, 'sendFrame' | 'mtu'>
  readonly log: Logger
  /** One for each worker of the state region. */
  readonly workers: readonly WorkerLink[]
  /** As many workers are used as the load needs, one at first; otherwise, or left out, all. */
  readonly autoscale?: boolean
  /** Has the port steer frames to the workers; left out for ports that look into the state region. */
  readonly steer?: SteerPort
  readonly random: { u32(): number }
  /** 16 random bytes. */
  readonly secret: Uint8Array
  readonly hostKernel?: HostKernel
  /** The user's congestion control (congestion/loader.ts), which configuration and connections may choose. */
  readonly congestionModule?: Algorithm
  readonly mac: Uint8Array
  readonly nowUs: number
  /** Gives pages of an application's region back to the machine; they read as zeros from then on. */
  readonly discard?: (region: AppRegion, fromByte: number, lenBytes: number) => void
  /** The slow path's ring of the trace region; nothing is traced without. */
  readonly trace?: TraceWriter
  /** The port steers anew: the slow path has to be polled. */
  readonly changed?: () => void
  /** The slow path has ended an application by itself: the service should hang up on it. */
  readonly appEnded?: (app: number, reason: string) => void
  /** Nobody uses a context that has ended any more: a worker that is started from now on need not know it. From within a poll. */
  readonly contextFreed?: (app: number, context: number) => void
}

export class SlowPath {
  readonly apps: AppRegistry
  private readonly stack: Stack
  private readonly mac: Uint8Array
  private readonly scaler: Scaler
  private readonly frame = new ReceivedFrame()
  private hasAnnounced = false
  private retryUs = RETRY_MIN_US

  /** Throws RangeError for a configuration that cannot be. */
  constructor(env: SlowEnv) {
    checkConfig(env.config)
    this.stack = buildStack(env)
    this.apps = this.stack.apps
    this.mac = env.mac
    const { steering, stats } = this.stack
    const balancer = new Balancer(steering, new GroupLoads(() => this.stack))
    this.scaler = new Scaler(env.counters, steering, balancer, stats, env.workers.length, env.autoscale ?? false, env.nowUs)
    writeIdentity(env)
    steering.start()
  }

  /** Does a bounded amount of what there is to do. Returns how much that was; 0: nothing. */
  poll(nowUs: number): number {
    const { stack } = this
    stack.nowUs = nowUs
    if (!this.hasAnnounced) this.announce()
    this.scaler.poll(nowUs)
    let work = 0
    for (const worker of stack.workers) work += worker.flush() + this.drain(worker)
    work += this.receiveFromInside() + stack.changeover.poll()
    work += stack.apps.poll()
    work += stack.timers.run(nowUs, TIMERS_PER_POLL)
    this.publish()
    this.retryUs = work > 0 ? RETRY_MIN_US : Math.min(this.retryUs * 2, RETRY_MAX_US)
    return work
  }

  /** The second look before sleeping: whether a poll would find something. */
  hasWork(): boolean {
    const { workers, apps, loopback, changeover } = this.stack
    for (const worker of workers) if (!worker.toSlow.isEmpty()) return true
    return changeover.hasWork || apps.hasRequests() || !loopback.isEmpty
  }

  /** When to poll again if nobody rings; Infinity: never. */
  nextDeadlineUs(): number {
    const { stack } = this
    return Math.min(stack.timers.nextDeadlineUs(), this.scaler.deadlineUs, this.isBlocked() ? stack.nowUs + this.retryUs : Infinity)
  }

  private isBlocked(): boolean {
    for (const worker of this.stack.workers) if (worker.isBlocked) return true
    return this.stack.apps.needsRetry()
  }

  /** Uses `count` workers from now on, 1 to as many as there are; 0: as many as the load needs. */
  scale(count: number, nowUs: number): void {
    this.scaler.set(count, nowUs)
  }

  /** Which workers are used, and for what. */
  scaleState(nowUs: number): ScaleState {
    return this.scaler.state(nowUs)
  }

  /** A frame of `lenBytes` that the host kernel wants sent (--kni-name). */
  fromHostKernel(frame: Uint8Array, lenBytes: number): void {
    this.stack.hostKernel.fromKernel(frame, lenBytes)
  }

  /** A part of the state, a page at a time. */
  listState(part: StatePart): StateListing {
    return new StateListing(this.stack, part)
  }

  /** Everything about one connection at `nowUs`, null if there is none. */
  describeFlow(query: FlowQuery, nowUs: number): FlowDetail | null {
    return describeFlow(this.stack, query, nowUs)
  }

  /** The process of worker `index` has ended, and the next one has not begun yet: nothing waits for its answers any more. */
  workerDied(index: number, nowUs: number): void {
    const { stack } = this
    const worker = stack.workers[index]
    stack.nowUs = nowUs
    let read: number
    do read = this.drain(worker)
    while (read > 0)
    stack.apps.onWorkerDied(worker)
    stack.changeover.onWorkerDied(worker)
    this.publish()
  }

  /** Tells peers (RST) and applications (ENETDOWN) that this is the end. */
  shutdown(nowUs: number): void {
    const { stack } = this
    stack.nowUs = nowUs
    for (const app of stack.apps.all()) {
      for (const listener of [...app.listeners]) closeListener(stack, listener, ENETDOWN)
      for (const connection of app.connections) this.cutOff(connection)
    }
    for (const connection of stack.connections.each()) this.resetNow(connection)
    this.publish()
  }

  /** The RST that was to leave once the worker has let go: its answer would come too late. */
  private resetNow(connection: Connection): void {
    if (connection.phase !== 'removing' || !connection.resetPeer) return
    connection.resetPeer = false
    sendFlowReset(this.stack, connection)
  }

  private cutOff(connection: Connection): void {
    const { stack } = this
    if (connection.isOpening) {
      const { context, handle } = connection
      abortHandshake(stack, connection)
      context?.send(composeEvent(EV_CONN_OPEN, handle, ENETDOWN))
      return
    }
    if (connection.isAppKnown) sendClosed(connection, ENETDOWN)
    connection.isAppKnown = false
    if (connection.phase !== 'worker') return
    sendFlowReset(stack, connection)
    abortConnection(stack, connection, ENETDOWN, false)
  }

  private announce(): void {
    this.hasAnnounced = true
    for (const { ip } of this.stack.config.addresses) this.stack.arp.announce(ip)
  }

  private drain(worker: WorkerChannel): number {
    let read = 0
    for (; read < MESSAGES_PER_POLL; read++) {
      const entry = worker.toSlow.peek()
      if (entry < 0) break
      this.receive(worker, entry)
      worker.toSlow.pass(entry)
    }
    return read
  }

  /** Frames for our own addresses that the poll before made. */
  private receiveFromInside(): number {
    const frames = this.stack.loopback.takeAll()
    for (const frame of frames) receiveFrame(this.stack, frame, this.mac)
    return frames.length
  }

  private receive(worker: WorkerChannel, entry: number): void {
    const { stack } = this
    const { words } = worker.toSlow
    const flow = words[entry + SF_FLOW]
    const gen = words[entry + SF_GEN]
    const type = words[entry + SF_TYPE]
    // The word behind the generation: WHAT_* bits, or the number that the type gives.
    traceMessage(stack.trace, stack.state, worker.index, type, flow, gen, words[entry + SF_WHAT], words[entry + SF_PACKET_LEN])
    if (type === TO_SLOW_PACKET) this.receivePacket(worker, entry, flow, gen)
    else if (type === TO_SLOW_FLOW) onFlowEvent(stack, flow, gen, words[entry + SF_WHAT])
    else if (type === TO_SLOW_ACK) onAckMessage(stack, words, entry)
    else if (type === TO_SLOW_MTU_PROBE) onProbeMessage(stack, words, entry)
    else if (type === TO_SLOW_FLOW_REMOVED) onRemoved(stack, flow, gen)
    else if (type === TO_SLOW_FLOW_LEFT) stack.changeover.left(worker, flow, gen, words[entry + SF_TURN])
    else if (type === TO_SLOW_APP_REMOVED) stack.apps.onRemoved(words[entry + SF_APP], worker.index)
    else if (type === TO_SLOW_CONTEXT_REMOVED) stack.apps.onContextRemoved(words[entry + SF_APP], words[entry + SF_CONTEXT], worker.index)
  }

  private receivePacket(worker: WorkerChannel, entry: number, flow: number, gen: number): void {
    const { words } = worker.toSlow
    const at = worker.toSlow.areaOffset + words[entry + SF_PACKET_POS]
    const bytes = this.stack.state.bytes.subarray(at, at + words[entry + SF_PACKET_LEN])
    const { frame } = this
    frame.bytes = bytes
    frame.rxFlags = words[entry + SF_PACKET_FLAGS]
    frame.gso = words[entry + SF_PACKET_GSO]
    frame.flow = flow
    frame.gen = gen
    receiveFrame(this.stack, frame, this.mac)
  }

  /** Applications first: what a worker then says about a flow must find the event that introduced it. */
  private publish(): void {
    this.stack.apps.publish()
    for (const worker of this.stack.workers) if (worker.publish()) this.stack.stats.add('wakeups')
  }
}

function buildStack(env: SlowEnv): Stack {
  const { state, config, log, nowUs } = env
  const trace = env.trace ?? TraceWriter.off()
  const port = tracedPort(env.port, trace)
  const stats = new Stats(env.counters)
  const timers = new Timers()
  const routes = new Routes(config.addresses, config.routes)
  const hash = new TupleHash(env.secret)
  const sendFrame = (frame: Uint8Array): void => {
    port.sendFrame(frame, frame.length)
  }
  const arp = new ArpCache({
    state, config: config.arp, mac: env.mac, routes, timers, stats, log, nowUs: () => stack.nowUs, sendFrame,
  }, nowUs)
  const loopback = new LoopbackQueue()
  const stack: Stack = {
    config, state, stats, log, trace, timers, routes, arp, hash, nowUs,
    loopback,
    output: new Output(port, routes, arp, env.mac, config.tcp.ttl, loopback),
    workers: env.workers.map((link, index) => new WorkerChannel(state, index, link, trace)),
    steering: new Steering(state, env.autoscale === true ? 1 : env.workers.length, env.steer ?? STEERS_BY_STATE),
    changeover: new Changeover(() => stack),
    ports: new EphemeralPorts(hash, env.random),
    flows: new FlowTable(state),
    connections: new ConnectionTable(stats, trace, hash.hash(NO_TUPLE, HASH_TABLE)),
    listeners: new Listeners(),
    algorithms: new Algorithms(config, env.congestionModule ?? null),
    apps: new AppRegistry(() => stack, (app, reason) => env.appEnded?.(app, reason), (app, context) => env.contextFreed?.(app, context)),
    hostKernel: new HostKernelGate((config.kni ? env.hostKernel : null) ?? null, port, stats),
    replyLimit: new ReplyLimit(env.random, nowUs),
    challengeLimit: new ChallengeLimit(env.random),
    cookies: new SynCookies(env.random),
    reassembly: new Reassembly({
      limits: REASSEMBLY_LIMITS, timers, stats, nowUs: () => stack.nowUs, timedOut: (first) => reportReassemblyTimeout(stack, first),
    }),
    pathMtus: new PathMtuCache(PATH_MTUS_MAX),
    icmpLimit: new RateLimit(ICMP_ERRORS_PER_SECOND, nowUs),
    discard: env.discard ?? null,
    complaintLimit: new RateLimit(COMPLAINTS_PER_SECOND, nowUs),
  }
  stack.steering.onFailure = () => log.warn({}, 'the port does not steer anew: frames of moved connections go through the slow path')
  stack.steering.onChange = () => {
    stack.changeover.begin()
    env.changed?.()
  }
  return stack
}

/** What every packet of ours carries, where workers look for it. */
function writeIdentity({ state, config, mac }: SlowEnv): void {
  state.words[STATE_TTL] = config.tcp.ttl
  state.words[STATE_LOCAL_COUNT] = config.addresses.length
  config.addresses.forEach(({ ip }, i) => {
    state.words[STATE_LOCAL_ADDRESSES + i] = rawWord(ip)
  })
  state.bytes.set(mac, STATE_MAC * 4)
}
