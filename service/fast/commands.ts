/**
 * What the slow path orders: flows to take on or let go, retransmissions, probes, packets to handle again,
 * applications and contexts that come and go.
 */
import {
  EVENT_TURN_SHIFT,
  FLAG_CWND_LIMITED,
  FLAG_FIN_ACKED,
  FLAG_FIN_QUEUED,
  FLAG_FIN_RECEIVED,
  FLAG_REMOVING,
  FLAG_RX_SHUT,
  FLAG_WATCHED,
  FLAGS_LISTED,
  FLAGS_SLOW,
  MOVE_TURN,
  MOVE_WORDS,
  SF_APP,
  SF_CLEAR,
  SF_CONTEXT,
  SF_FLOW,
  SF_GEN,
  SF_LEN,
  SF_PACKET_FLAGS,
  SF_PACKET_LEN,
  SF_PACKET_POS,
  SF_SEQ,
  SF_TURN,
  SF_TYPE,
  SF_VALUE,
  TCB_APP_U16,
  TCB_CONTEXT_U16,
  TCB_FLAGS,
  TCB_GEN_U16,
  TCB_MSS_U16,
  TCB_RCV_NXT,
  TCB_REMOTE_IP,
  TCB_SND_END,
  TCB_SND_MAX,
  TCB_SND_NXT,
  TCB_SND_UNA,
  TCB_STATE_U8,
  TO_FAST_APP_ADD,
  TO_FAST_APP_REMOVE,
  TO_FAST_CONTEXT_ADD,
  TO_FAST_CONTEXT_REMOVE,
  TO_FAST_FLOW_ACK,
  TO_FAST_FLOW_ADD,
  TO_FAST_FLOW_CONTEXT,
  TO_FAST_FLOW_ENTER,
  TO_FAST_FLOW_FIN,
  TO_FAST_FLOW_FLAGS,
  TO_FAST_FLOW_LEAVE,
  TO_FAST_FLOW_MSS,
  TO_FAST_FLOW_MTU_PROBE,
  TO_FAST_FLOW_PROBE,
  TO_FAST_FLOW_REMOVE,
  TO_FAST_FLOW_ROUTE,
  TO_FAST_FLOW_RX_BUFFER,
  TO_FAST_FLOW_SEND,
  TO_FAST_FLOW_RX_SHUT,
  TO_FAST_FLOW_UNWATCH,
  TO_FAST_FLOW_UPDATE,
  TO_FAST_PACKET,
  TO_FAST_STOP,
  TO_SLOW_APP_REMOVED,
  TO_SLOW_CONTEXT_REMOVED,
  TO_SLOW_FLOW_REMOVED,
  WHAT_ACTIVE,
  WHAT_CWND_LIMITED,
  WHAT_FIN_ACKED,
  WHAT_FIN_QUEUED,
  WHAT_FIN_RECEIVED,
  type AppRegionShape,
  type Wakeable,
} from '../../lib/memif/index.js'
import { RX_LOOPBACK } from '../../native/port.js'
import { adoptMoves, orderReceiveMove } from './buffermove.js'
import * as counters from './counterindex.js'
import { AppContext, READ_ALL_BUMPS, type Contexts } from './contexts.js'
import { beginAnswers, endAnswers } from './delayedack.js'
import { END_APP, END_CONTEXT, END_FLOW, type Ender, Endings } from './endings.js'
import type { FastPath } from './fastpath.js'
import type { Leaving } from './leaving.js'
import { beginPacing, endPacing, updateRate } from './pacing.js'
import type { Receiver } from './receive.js'
import { beginRounds } from './rightsize.js'
import { shutReceive } from './shutreceive.js'
import type { SlowLink } from './slowlink.js'
import { takeRoute } from './sourceroute.js'
import { probe, probeMtu, retransmit } from './transmit.js'

/** Commands in one pass: a packet among them may need two copy descriptors, of which there are 64 beyond the burst. */
const COMMANDS_PER_PASS = 32

/** Header slots that must be free for an order to be executed. */
const SLOTS_FOR_ORDERS = 64

/** Where a new application's region comes from: the control socket, or the simulation's own memory. */
export interface AppSource {
  /** The region of application `app`, which the slow path has announced; null if it is not there (any more). */
  region(app: number): { readonly memory: ArrayBufferLike; readonly shape: AppRegionShape } | null
  /** How to wake context `context` of application `app`; null if that is not known. */
  contextWake(app: number, context: number): Wakeable | null
  /** The context has ended; what `contextWake` gave may be closed. Left out where nothing has to be. */
  releaseContext?(app: number, context: number): void
  /** The application is gone; what `region` gave may be unmapped. */
  release(app: number): void
}

interface KnownApp {
  readonly words: Int32Array
  readonly shape: AppRegionShape
}

export class Commands implements Ender {
  /** Set by TO_FAST_STOP. */
  stopped = false
  private readonly fast: FastPath
  private readonly slow: SlowLink
  private readonly contexts: Contexts
  private readonly receiver: Receiver
  private readonly inside: Receiver
  private readonly source: AppSource
  private readonly leaving: Leaving
  private readonly apps = new Map<number, KnownApp>()
  private readonly endings = new Endings()
  /** Bumps that may still be read in this pass for flows that get other contexts: an application can have that as often as it likes. */
  private bumpsLeft = 0

  /** `receiver` is that of the port, `inside` that of the loop port. */
  constructor(
    fast: FastPath, slow: SlowLink, contexts: Contexts, receiver: Receiver, inside: Receiver, source: AppSource, leaving: Leaving,
  ) {
    this.fast = fast
    this.slow = slow
    this.contexts = contexts
    this.receiver = receiver
    this.inside = inside
    this.source = source
    this.leaving = leaving
  }

  /** Executes waiting commands. Their ring entries are given back by `release`, after the copies. Returns how many. */
  read(): number {
    const ring = this.slow.commands
    let read = 0
    this.bumpsLeft = READ_ALL_BUMPS
    // Retransmissions need header slots: while the port takes nothing, orders wait in the ring.
    for (; read < COMMANDS_PER_PASS && this.fast.emitter.room > SLOTS_FOR_ORDERS; read++) {
      const entry = ring.peek()
      if (entry < 0) break
      this.execute(ring.words, entry)
      ring.pass(entry)
    }
    if (read > 0) this.fast.count(counters.FROM_SLOW_MESSAGES, read)
    return read
  }

  private execute(words: Int32Array, entry: number): void {
    const type = words[entry + SF_TYPE]
    if (type === TO_FAST_PACKET) {
      const eth = this.slow.commands.areaOffset + words[entry + SF_PACKET_POS]
      const receiver = (words[entry + SF_PACKET_FLAGS] & RX_LOOPBACK) === 0 ? this.receiver : this.inside
      receiver.handedBack(eth, words[entry + SF_PACKET_LEN])
    } else if (type === TO_FAST_APP_ADD) this.addApp(words[entry + SF_APP])
    else if (type === TO_FAST_APP_REMOVE) this.endings.add(END_APP, words[entry + SF_APP], 0)
    else if (type === TO_FAST_CONTEXT_ADD) this.addContext(words[entry + SF_APP], words[entry + SF_CONTEXT])
    else if (type === TO_FAST_CONTEXT_REMOVE) this.removeContext(words[entry + SF_APP], words[entry + SF_CONTEXT])
    else if (type === TO_FAST_STOP) this.stopped = true
    else this.executeFlow(words, entry, type)
  }

  private executeFlow(words: Int32Array, entry: number, type: number): void {
    const { fast } = this
    const flow = words[entry + SF_FLOW]
    const gen = words[entry + SF_GEN]
    const tcb = fast.tcb(flow)
    if (type === TO_FAST_FLOW_ADD || type === TO_FAST_FLOW_ENTER) {
      this.addFlow(flow, tcb, type === TO_FAST_FLOW_ENTER)
      return
    }
    if (type === TO_FAST_FLOW_LEAVE) {
      this.leaving.add(flow, gen, words[entry + SF_TURN])
      return
    }
    const current = this.isCurrent(tcb, gen)
    if (type === TO_FAST_FLOW_REMOVE) {
      if (current) {
        fast.words[tcb + TCB_FLAGS] |= FLAG_REMOVING
        endPacing(fast, flow, tcb)
      }
      this.endings.add(END_FLOW, flow, gen)
      return
    }
    if (current) this.executeOwned(words, entry, type, flow, tcb)
  }

  /** Whether generation `gen` of a flow is ours. */
  private isCurrent(tcb: number, gen: number): boolean {
    const { fast } = this
    return fast.halves[tcb * 2 + TCB_GEN_U16] === (gen & 0xffff) && fast.owns(tcb)
  }

  private executeOwned(entries: Int32Array, entry: number, type: number, flow: number, tcb: number): void {
    const { fast } = this
    const words = fast.words
    if (type === TO_FAST_FLOW_SEND) retransmit(fast, flow, tcb, entries[entry + SF_SEQ], entries[entry + SF_LEN])
    else if (type === TO_FAST_FLOW_FLAGS) {
      // All other bits are the worker's. What Nagle's algorithm held back may go now.
      words[tcb + TCB_FLAGS] = (words[tcb + TCB_FLAGS] & ~(entries[entry + SF_CLEAR] & FLAGS_SLOW)) | (entries[entry + SF_VALUE] & FLAGS_SLOW)
      fast.listTx(flow, tcb)
    } else if (type === TO_FAST_FLOW_PROBE) probe(fast, flow, tcb)
    else if (type === TO_FAST_FLOW_ACK) fast.listAck(flow, tcb)
    else if (type === TO_FAST_FLOW_RX_SHUT) {
      if (entries[entry + SF_VALUE] === 1) shutReceive(fast, flow, tcb)
      else words[tcb + TCB_FLAGS] |= FLAG_RX_SHUT
    }
    else if (type === TO_FAST_FLOW_FIN) this.contexts.queueFin(flow, tcb)
    else if (type === TO_FAST_FLOW_UNWATCH) this.unwatch(flow, tcb)
    else if (type === TO_FAST_FLOW_MSS) fast.halves[tcb * 2 + TCB_MSS_U16] = entries[entry + SF_VALUE]
    else if (type === TO_FAST_FLOW_ROUTE) takeRoute(fast, flow, tcb, entries, entry)
    else if (type === TO_FAST_FLOW_RX_BUFFER) orderReceiveMove(fast, flow)
    else if (type === TO_FAST_FLOW_MTU_PROBE) this.probeMtu(flow, tcb, entries[entry + SF_VALUE], entries[entry + SF_CLEAR])
    else if (type === TO_FAST_FLOW_UPDATE) {
      words[tcb + TCB_FLAGS] &= ~FLAG_CWND_LIMITED
      updateRate(fast, flow, tcb)
      fast.listTx(flow, tcb)
    } else if (type === TO_FAST_FLOW_CONTEXT) {
      // What the context before has said may be its last word.
      this.bumpsLeft -= this.contexts.readAll(fast.halves[tcb * 2 + TCB_APP_U16], fast.halves[tcb * 2 + TCB_CONTEXT_U16], this.bumpsLeft)
      fast.halves[tcb * 2 + TCB_CONTEXT_U16] = entries[entry + SF_CONTEXT]
      fast.listEvent(flow, tcb)
    }
  }

  /** What is sent the slow path must hear of: it looks for its loss. */
  private probeMtu(flow: number, tcb: number, len: number, cwnd: number): void {
    if (!this.slow.hasRoom) return
    const seq = this.fast.words[tcb + TCB_SND_NXT]
    const isSent = probeMtu(this.fast, flow, tcb, len, cwnd)
    this.slow.probed(flow, tcb, seq, isSent ? len : 0)
  }

  /** The slow path has filled the TCB, or another worker (`hasRun`) has let go of it; from here on it is ours. */
  private addFlow(flow: number, tcb: number, hasRun: boolean): void {
    const { fast } = this
    if (fast.bytes[tcb * 4 + TCB_STATE_U8] !== fast.handed) return
    fast.words[tcb + TCB_FLAGS] &= ~FLAGS_LISTED
    this.resetHeapState(flow, tcb)
    fast.flows.insert(flow)
    fast.bytes[tcb * 4 + TCB_STATE_U8] = fast.owned
    fast.gauge(counters.FLOWS, fast.flows.size)
    if (hasRun) this.resume(flow, tcb)
    else if (fast.words[tcb + TCB_SND_END] !== fast.words[tcb + TCB_SND_NXT]) fast.listTx(flow, tcb)
  }

  private resetHeapState(flow: number, tcb: number): void {
    const { fast } = this
    fast.ackCount[flow] = 0
    fast.slowWhat[flow] = 0
    fast.wantedFree[flow] = 0
    fast.lastAck[flow] = fast.words[tcb + TCB_RCV_NXT]
    beginAnswers(fast, flow, tcb)
    fast.quickAcks[flow] = 0
    fast.reportedUna[flow] = fast.words[tcb + TCB_SND_UNA]
    fast.reassembly.reset(flow, tcb)
    fast.sackBlocks.reset(flow)
    this.slow.admission.learn(fast.words[tcb + TCB_REMOTE_IP], fast.tsNow)
    fast.rxMoving[flow] = 0
    fast.turns[flow] = fast.words[fast.state.places.movesWord + flow * MOVE_WORDS + MOVE_TURN] << EVENT_TURN_SHIFT
    beginPacing(fast, flow, tcb)
    beginRounds(fast, flow, tcb)
  }

  /** A flow that is quiet is watched no longer; one that is not says so again. The worker decides, so nothing is missed. */
  private unwatch(flow: number, tcb: number): void {
    const words = this.fast.words
    const idle = words[tcb + TCB_SND_UNA] === words[tcb + TCB_SND_MAX] && words[tcb + TCB_SND_END] === words[tcb + TCB_SND_NXT]
    const finDone = ((words[tcb + TCB_SND_NXT] - words[tcb + TCB_SND_END]) | 0) > 0 && words[tcb + TCB_SND_UNA] === words[tcb + TCB_SND_MAX]
    if (idle || finDone) words[tcb + TCB_FLAGS] &= ~FLAG_WATCHED
    else this.fast.tellSlow(flow, tcb, WHAT_ACTIVE)
  }

  /** Takes an application on. One that is known already is left alone: a worker that took over may hear of it twice. */
  addApp(app: number): void {
    if (this.apps.has(app)) return
    const found = this.source.region(app)
    if (found === null) return
    this.fast.regions.add(app, found.memory)
    this.apps.set(app, { words: new Int32Array(found.memory), shape: found.shape })
  }

  /** Takes a context of a known application on. */
  addContext(app: number, context: number): void {
    const known = this.apps.get(app)
    if (known === undefined || this.contexts.has(app, context)) return
    const wake = this.source.contextWake(app, context)
    if (wake === null) return
    this.contexts.add(new AppContext(app, context, known.words, known.shape, this.fast.worker, wake))
  }

  /** Its rings are not touched any more. The answer waits for the end of the pass, as that to others that end. */
  private removeContext(app: number, context: number): void {
    this.contexts.remove(app, context)
    this.source.releaseContext?.(app, context)
    this.endings.add(END_CONTEXT, app, context)
  }

  /** Gives read command entries back; their packets have been copied. */
  release(): void {
    this.slow.commands.release()
  }

  /**
   * Ends flows and applications that are to be removed, at the end of a pass, when no copy and no header slot
   * names their memory any more. Returns how many ended.
   */
  finishEndings(): number {
    if (this.endings.isEmpty || this.fast.txEnd !== 0) return 0
    const ended = this.endings.run(this)
    if (ended > 0 && this.fast.state.shape.workers > 1) this.fast.forgetOthers()
    return ended
  }

  /** @internal Returns false if it has to wait for room in a ring. */
  end(kind: number, id: number, part: number): boolean {
    if (kind === END_APP) return this.endApp(id)
    return kind === END_FLOW ? this.endFlow(id, part) : this.slow.answer(TO_SLOW_CONTEXT_REMOVED, -1, 0, id, part)
  }

  /** Tells the application the last state, lets the TCB go and says so. Returns false if a ring is full. */
  private endFlow(flow: number, gen: number): boolean {
    const { fast } = this
    const tcb = fast.tcb(flow)
    const current = this.isCurrent(tcb, gen)
    if (current && !this.contexts.writeEvent(flow, tcb)) return false
    if (!this.slow.answer(TO_SLOW_FLOW_REMOVED, flow, gen, 0)) return false
    if (!current) return true
    endAnswers(fast, flow, tcb)
    fast.flows.remove(flow)
    fast.gauge(counters.FLOWS, fast.flows.size)
    fast.words[tcb + TCB_FLAGS] &= ~FLAGS_LISTED
    fast.bytes[tcb * 4 + TCB_STATE_U8] = fast.handed
    return true
  }

  private endApp(app: number): boolean {
    if (!this.slow.answer(TO_SLOW_APP_REMOVED, -1, 0, app)) return false
    if (this.apps.delete(app)) {
      this.contexts.removeApp(app)
      this.fast.regions.remove(app)
      this.source.release(app)
    }
    return true
  }

  /** Whether something is still to be ended: the worker must not sleep on it. */
  get hasEndings(): boolean {
    return !this.endings.isEmpty
  }

  /**
   * Goes on with the flows of an earlier worker process, once its applications are known: its lists are lost, so everything is
   * looked at once. The flows of an application that is gone are only waiting to be removed.
   */
  adoptFlows(): void {
    const { fast } = this
    fast.journal.undo()
    const flows = new Int32Array(fast.state.shape.flows)
    const count = fast.flows.rebuild(flows, (flow) => fast.owns(fast.tcb(flow)))
    fast.gauge(counters.FLOWS, fast.flows.size)
    for (let i = 0; i < count; i++) {
      const tcb = fast.tcb(flows[i])
      fast.words[tcb + TCB_FLAGS] &= ~FLAGS_LISTED
      this.resetHeapState(flows[i], tcb)
      // The order to remove it was read and not answered: the application's ring or the slow path's had no room.
      if ((fast.words[tcb + TCB_FLAGS] & FLAG_REMOVING) !== 0) {
        this.endings.add(END_FLOW, flows[i], fast.halves[tcb * 2 + TCB_GEN_U16])
        continue
      }
      if (!this.apps.has(fast.halves[tcb * 2 + TCB_APP_U16])) {
        fast.words[tcb + TCB_FLAGS] |= FLAG_REMOVING
        continue
      }
      this.resume(flows[i], tcb)
    }
  }

  /** Goes on with a flow that another worker, or worker process, has had: everything is looked at and told once. */
  private resume(flow: number, tcb: number): void {
    const { fast } = this
    // Whether the application waits for room is not known: every acknowledgment is reported until it says so.
    fast.wantedFree[flow] = 1
    adoptMoves(fast, flow, tcb)
    fast.listEvent(flow, tcb)
    fast.listTx(flow, tcb)
    fast.listAck(flow, tcb)
    this.tellAgain(flow, tcb)
  }

  /** What the worker before noted in the TCB it may not have told: the slow path hears it, perhaps for the second time. */
  private tellAgain(flow: number, tcb: number): void {
    const { fast } = this
    const flags = fast.words[tcb + TCB_FLAGS]
    const isActive = (flags & FLAG_WATCHED) !== 0 || fast.words[tcb + TCB_SND_UNA] !== fast.words[tcb + TCB_SND_MAX]
    if (isActive) fast.tellSlow(flow, tcb, WHAT_ACTIVE)
    if ((flags & FLAG_CWND_LIMITED) !== 0) fast.tellSlow(flow, tcb, WHAT_CWND_LIMITED)
    if ((flags & FLAG_FIN_QUEUED) !== 0) fast.tellSlow(flow, tcb, WHAT_FIN_QUEUED)
    if ((flags & FLAG_FIN_ACKED) !== 0) fast.tellSlow(flow, tcb, WHAT_FIN_ACKED)
    if ((flags & FLAG_FIN_RECEIVED) !== 0) fast.tellSlow(flow, tcb, WHAT_FIN_RECEIVED)
  }
}
