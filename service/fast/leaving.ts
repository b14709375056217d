/**
 * Flows that another worker is to have (TO_FAST_FLOW_LEAVE). Their new frames go there already; what had arrived before is handled first. Then
 * everything that is known of a flow stands in its TCB, as for a worker process that dies, and nothing here names its memory.
 */
import { FLAGS_LISTED, TCB_APP_U16, TCB_CONTEXT_U16, TCB_FLAGS, TCB_GEN_U16, TCB_STATE_U8, TO_SLOW_FLOW_LEFT } from '../../lib/memif/index.js'
import type { Contexts } from './contexts.js'
import * as counters from './counterindex.js'
import type { FastPath } from './fastpath.js'
import { endPacing } from './pacing.js'
import type { SlowLink } from './slowlink.js'

/** After so many frames those that had arrived before are among them, whatever the length of a port's queue. */
const QUEUE_FRAMES_MAX = 65_536

interface LeavingFlow {
  readonly flow: number
  readonly gen: number
  readonly turn: number
  /** Frames that had been received when the order was read. */
  readonly framesBefore: number
}

export class Leaving {
  private readonly fast: FastPath
  private readonly slow: SlowLink
  private readonly contexts: Contexts
  private flows: LeavingFlow[] = []

  constructor(fast: FastPath, slow: SlowLink, contexts: Contexts) {
    this.fast = fast
    this.slow = slow
    this.contexts = contexts
  }

  /** Flows that have not been let go yet. */
  get count(): number {
    return this.flows.length
  }

  /** The slow path has ordered it. */
  add(flow: number, gen: number, turn: number): void {
    this.flows.push({ flow, gen, turn, framesBefore: this.frames })
  }

  /**
   * Lets flows go, where copies and local frames are done. `isDry`: the port's queue has been empty since the orders were read. Returns how many
   * left. All wait while header slots are filled or the slow path's ring is full.
   */
  letGo(isDry: boolean): number {
    const { fast } = this
    if (fast.txEnd !== 0 || fast.loop.pending > 0) return 0
    const ready = this.flows.filter(({ framesBefore }) => isDry || this.frames - framesBefore >= QUEUE_FRAMES_MAX)
    for (const { flow, gen } of ready) this.readBumps(flow, gen)
    this.slow.writeFlowEvents()
    if (fast.slowEvents.length > 0) return 0
    let left = 0
    while (left < ready.length && this.leave(ready[left])) left++
    if (left === 0) return 0
    const gone = new Set(ready.slice(0, left))
    this.flows = this.flows.filter((flow) => !gone.has(flow))
    fast.forgetOthers()
    fast.gauge(counters.FLOWS, fast.flows.size)
    return left
  }

  private get frames(): number {
    const { fast } = this
    return fast.counters[fast.counterBase + counters.RX_PACKETS]
  }

  private isCurrent(tcb: number, gen: number): boolean {
    const { fast } = this
    return fast.owns(tcb) && fast.halves[tcb * 2 + TCB_GEN_U16] === (gen & 0xffff)
  }

  /** An application that says no more, because it has closed, must have been heard. */
  private readBumps(flow: number, gen: number): void {
    const { fast, contexts } = this
    const tcb = fast.tcb(flow)
    if (this.isCurrent(tcb, gen)) contexts.readAll(fast.halves[tcb * 2 + TCB_APP_U16], fast.halves[tcb * 2 + TCB_CONTEXT_U16])
  }

  /** Returns false if there is no room for the answer. */
  private leave({ flow, gen, turn }: LeavingFlow): boolean {
    const { fast, slow } = this
    const tcb = fast.tcb(flow)
    if (!slow.hasRoom) return false
    if (this.isCurrent(tcb, gen)) {
      endPacing(fast, flow, tcb)
      fast.words[tcb + TCB_FLAGS] &= ~FLAGS_LISTED
      // In this order: of a worker that dies in between, the next one sees that it has the flow no more.
      fast.bytes[tcb * 4 + TCB_STATE_U8] = fast.handed
      fast.flows.remove(flow)
    }
    return slow.answer(TO_SLOW_FLOW_LEFT, flow, gen, turn)
  }
}
