/**
 * A fast-path worker: `pass` does one round of everything there is to do and says how much it was. It reads no clock and
 * does not wait; the process around it (service/fastprocess.ts) or a simulation does.
 *
 *   departures -> commands -> frames -> frames from inside -> flows that leave -> bumps -> copies -> events -> segments and acknowledgments -> port
 */
import { TRACE_RX, type Doorbell } from '../../lib/memif/index.js'
import { beginReceiveMoves, finishTransmitMoves } from './buffermove.js'
import { Commands, type AppSource } from './commands.js'
import { Contexts } from './contexts.js'
import * as counters from './counterindex.js'
import { isAckDue } from './delayedack.js'
import { FastPath, type FastPathParts } from './fastpath.js'
import { Leaving } from './leaving.js'
import { Receiver } from './receive.js'
import { SlowLink } from './slowlink.js'
import type { Placed } from './placement.js'
import { bindSteps, take, type Steps } from './steps.js'
import { traceReceived } from './tracepoints.js'
import { flushPort } from './transmit.js'

/** What a worker is made of and connected to. */
export interface WorkerParts extends FastPathParts {
  /** Wakes the slow path. */
  readonly slowDoorbell: Doorbell
  readonly apps: AppSource
  /** Handle frames with an 802.1Q tag as if they had none (--fp-vlan-strip); otherwise they are dropped. */
  readonly vlanStrip?: boolean
}

/** Of two waits, -1 being for ever. */
export function earlierWait(a: number, b: number): number {
  if (a < 0) return b
  return b < 0 ? a : Math.min(a, b)
}

/** As many bytes are as much progress as a packet: super-segments of one load differ in length. */
const PACKET_BYTES = 1_500

export class Worker implements Placed {
  private readonly fast: FastPath
  private readonly slow: SlowLink
  private readonly contexts: Contexts
  private readonly commands: Commands
  private readonly leaving: Leaving
  private readonly steps: Steps

  /** Attaches to the state region. */
  constructor(parts: WorkerParts) {
    this.fast = new FastPath(parts)
    this.slow = new SlowLink(this.fast, parts.slowDoorbell)
    this.contexts = new Contexts(this.fast)
    const receiver = new Receiver(this.fast, this.slow, parts.port, parts.vlanStrip ?? false)
    const inside = new Receiver(this.fast, this.slow, parts.loop, false)
    this.leaving = new Leaving(this.fast, this.slow, this.contexts)
    this.commands = new Commands(this.fast, this.slow, this.contexts, receiver, inside, parts.apps, this.leaving)
    this.steps = bindSteps(this.fast, this.contexts, receiver, inside)
  }

  /** Goes on where an earlier worker on the same state region stopped. `known` are the applications with their contexts. */
  takeOver(known: readonly { readonly app: number; readonly contexts: readonly number[] }[]): void {
    for (const { app, contexts } of known) {
      this.commands.addApp(app)
      for (const context of contexts) this.commands.addContext(app, context)
    }
    this.commands.adoptFlows()
  }

  /** The slow path has ordered the end. */
  get stopped(): boolean {
    return this.commands.stopped
  }

  /**
   * One round. The monotonic clock comes as the low 32 bits of microseconds and of milliseconds: a double would be
   * garbage. Returns how much was done; 0 means that there was nothing.
   */
  pass(us32: number, ms32: number): number {
    const fast = this.fast
    fast.setTime(us32, ms32)
    if (fast.pacing.wheel.size > 0) take(this.steps.departures, 0)
    let work = this.commands.read()
    const frames = this.receive()
    work += frames
    if (fast.loop.pending > 0 || fast.loopback.marked > 0) work += this.receiveLocal()
    if (this.leaving.count > 0) work += this.letGo(frames < fast.port.burst)
    work += take(this.steps.bumps, 0)
    if (work > 0 || isAckDue(fast) || this.hasListed()) work += this.output()
    fast.count(counters.PASSES, 1)
    if (work > 0) fast.count(counters.BUSY_PASSES, 1)
    return work
  }

  private receive(): number {
    const { fast } = this
    const port = fast.port
    const frames = port.receive()
    if (frames === 0) return 0
    if (fast.trace.wants(TRACE_RX)) traceReceived(fast, port, frames, false)
    const bytes = take(this.steps.frames, frames)
    fast.count(counters.RX_PACKETS, frames)
    fast.count(counters.RX_BYTES, bytes)
    this.copy()
    port.release()
    return frames
  }

  /**
   * Takes all frames that connections of this worker have sent each other. Those that commands of this pass have built come
   * along: what a flow that is now to be removed has sent must not name its buffer any more when it ends.
   */
  private receiveLocal(): number {
    const { fast } = this
    const { loop } = fast
    this.copy()
    if (fast.loopback.marked > 0) fast.loopback.divert()
    let all = 0
    for (let frames = loop.receive(); frames > 0; frames = loop.receive()) {
      if (fast.trace.wants(TRACE_RX)) traceReceived(fast, loop, frames, true)
      const bytes = take(this.steps.localFrames, frames)
      fast.count(counters.LOOP_PACKETS, frames)
      fast.count(counters.LOOP_BYTES, bytes)
      if (fast.copies > 0) {
        loop.deliver(fast.copies)
        this.copied()
      }
      loop.release()
      all += frames
    }
    return all
  }

  /** Lets flows go that have to leave; `isDry`: all frames that had arrived when the orders were read have been handled. */
  private letGo(isDry: boolean): number {
    this.copy()
    return this.leaving.letGo(isDry)
  }

  private copy(): void {
    if (this.fast.copies === 0) return
    this.fast.port.deliver(this.fast.copies)
    this.copied()
  }

  private copied(): void {
    this.fast.copies = 0
    this.fast.journal.clear()
  }

  private hasListed(): boolean {
    const fast = this.fast
    return (
      fast.txReady.length > 0 || fast.acks.length > 0 || fast.events.length > 0 || fast.slowEvents.length > 0 ||
      fast.txEnd > 0 || this.commands.hasEndings || this.leaving.count > 0
    )
  }

  /**
   * Everything that leaves the worker; `isLast` before it blocks. The copies come first: who reads an event finds the bytes in place.
   */
  private output(isLast = false): number {
    const { fast } = this
    this.copy()
    beginReceiveMoves(fast)
    this.commands.release()
    let work = take(this.steps.events, 0)
    this.contexts.publish()
    take(this.steps.segments, 0)
    take(this.steps.dueAcks, isLast ? 1 : 0)
    work += flushPort(fast)
    finishTransmitMoves(fast)
    work += this.commands.finishEndings()
    work += this.slow.writeFlowEvents()
    // A context must find its flow's last event before the slow path's answer that the flow is gone.
    this.contexts.publish()
    this.slow.publish()
    return work
  }

  /** Sends the acknowledgments that no answer will carry. Before the worker blocks. */
  flushDelayedAcks(): void {
    if (this.fast.delayedAcks.silent.length > 0) this.output(true)
  }

  /**
   * The second look, after the sleeping mark is set: whether commands or bumps have come meanwhile, or the last acknowledgments went to
   * connections of our own. Frames wake by the port's descriptor.
   */
  hasWork(): boolean {
    return !this.slow.commands.isEmpty() || this.contexts.hasBumps() || this.fast.loop.pending > 0
  }

  /**
   * Whether something waits for room in a ring or in the port after a pass that could do nothing. Nobody rings when
   * there is room again, so the worker looks again after a while.
   */
  get stalled(): boolean {
    return this.hasListed()
  }

  /** Microseconds from `us32`, the monotonic clock's low bits, until the next paced segment is due: 0 if one is due now, -1 if none waits. */
  departureWaitUs(us32: number): number {
    return this.fast.pacing.wheel.waitUs(us32)
  }

  /**
   * Microseconds from `us32` until a paced segment or a delayed acknowledgment is due, -1 if none waits. That is how long the process may
   * block: without them there is no time-out that could hide a wake-up that was lost.
   */
  dueWaitUs(us32: number): number {
    return earlierWait(this.departureWaitUs(us32), this.fast.delayedAcks.waitUs(us32))
  }

  /** Fetches what the kernel dropped before it reached us. A system call: now and then, not in each pass. */
  countDrops(): void {
    const drops = this.fast.port.takeDrops()
    if (drops > 0) this.fast.count(counters.DROP_PORT, drops)
  }

  /** One of the worker's own counters. */
  counted(counter: number): number {
    return this.fast.counters[this.fast.counterBase + counter]
  }

  // What decides about its CPU (placement.ts).

  get progress(): number {
    const packets = this.counted(counters.RX_PACKETS) + this.counted(counters.TX_PACKETS) + this.counted(counters.LOOP_PACKETS)
    const bytes = this.counted(counters.RX_BYTES) + this.counted(counters.TX_BYTES) + this.counted(counters.LOOP_BYTES)
    return packets + bytes / PACKET_BYTES
  }

  get busyUs(): number {
    return this.counted(counters.BUSY_US)
  }

  chooseApplication(): void {
    this.contexts.chooseMostActive()
  }

  get applicationCpu(): number {
    return this.contexts.mostActiveCpu
  }

  /** Wakes the slow path if it sleeps. */
  callSlow(): void {
    this.slow.call()
  }

  /** Adds to the worker's own counters from the loop around it. */
  count(counter: number, amount: number): void {
    this.fast.count(counter, amount)
  }
}
