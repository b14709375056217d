/** Delivery of a context's events from Node's event loop. */
import type { SleepMark } from '../memif/index.js'
import type { Context } from './context.js'
import type { EventHandler } from './contextoptions.js'
import { createEvents } from './events.js'
import type { ContextLink, Watcher } from './link.js'
import { clearTimeout, queueMicrotask, setImmediate, setTimeout } from './timers.js'
import { LoopTurns } from '../../native/index.js'
import { SpinPolicy } from '../../native/spinpolicy.js'

/** Events of one turn. Between turns the event loop serves everything else. */
const TURN_EVENTS = 64
/** After how long to try again what found no room in a ring. */
const RETRY_MS = 1

/**
 *   turn:  deferred -> poll -> handler for each event -> deferred -> flush
 *          nothing: a few turns more if the last wait was short (native/spinpolicy.ts), then
 *   arm:   publish "sleeping" -> look once more -> wait for the eventfd
 *
 * Turns run where the event loop would serve descriptors (LoopTurns): to a program its connections behave as those of the kernel do beside timers,
 * setImmediate and closed handles. What is deferred is what libuv does behind its descriptors (uv__run_pending).
 */
export class LoopAttachment {
  private readonly context: Context
  private readonly link: ContextLink
  private readonly mark: SleepMark
  private readonly handler: EventHandler
  private readonly events = createEvents(TURN_EVENTS)
  private readonly spin: SpinPolicy
  private readonly watcher: Watcher
  private readonly turns = new LoopTurns(() => this.runTurn())
  private readonly flushLater = (): void => this.runFlush()
  private deferred: (() => void)[] = []
  private retry: NodeJS.Timeout | null = null
  private referenced = true
  private next = 0
  private count = 0
  private waiting = false
  private slept = false
  private armed = false
  private inTurn = false
  private flushScheduled = false
  private closed = false

  constructor(context: Context, link: ContextLink, mark: SleepMark, handler: EventHandler, ref: boolean) {
    this.context = context
    this.link = link
    this.mark = mark
    this.handler = handler
    this.spin = new SpinPolicy(context.tas.pollIntervalUs)
    this.watcher = link.watch(() => this.wake())
    if (!ref) this.unref()
    context.tas.watchService()
    this.turns.start()
  }

  ref(): void {
    this.referenced = true
    this.watcher.ref()
    this.turns.ref()
  }

  unref(): void {
    this.referenced = false
    this.watcher.unref()
    this.turns.unref()
  }

  /** The program did something that must be handed over; outside of a turn that takes a microtask. */
  changed(): void {
    if (this.inTurn || this.flushScheduled) return
    this.flushScheduled = true
    queueMicrotask(this.flushLater)
  }

  /** Runs `run` at the end of the turn that is under way, else at the beginning of the next one. */
  defer(run: () => void): void {
    if (this.closed) {
      setImmediate(run)
      return
    }
    this.deferred.push(run)
    this.wake()
  }

  /**
   * Somebody woke the context, the service is gone, a wake-up may have been taken from the watcher, or something is deferred: looks anew, in the next
   * turn.
   */
  wake(): void {
    if (!this.armed) return
    this.slept = true
    this.disarm()
    this.turns.start()
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    if (this.armed) this.disarm()
    if (this.retry !== null) clearTimeout(this.retry)
    this.watcher.close()
    this.turns.close()
    for (const run of this.deferred) setImmediate(run)
  }

  private runTurn(): void {
    if (this.deferred.length > 0 || this.takeEvents()) this.work()
    else this.idle()
  }

  /** Whether there are events to deliver; takes some where none are left of the last turn. */
  private takeEvents(): boolean {
    if (this.closed) return false
    if (this.next === this.count) {
      this.next = 0
      this.count = this.context.take(this.events, TURN_EVENTS)
    }
    return this.count > 0
  }

  /** An exception leaves the rest to the next turn. */
  private work(): void {
    this.inTurn = true
    try {
      this.runDeferred()
      if (this.takeEvents()) this.deliver()
      this.runDeferred()
    } finally {
      this.inTurn = false
      if (!this.closed) this.runFlush()
    }
  }

  /** What is deferred meanwhile comes next time. */
  private runDeferred(): void {
    const { deferred } = this
    if (deferred.length === 0) return
    this.deferred = []
    let done = 0
    try {
      while (done < deferred.length) deferred[done++]()
    } finally {
      for (const run of deferred.slice(done)) this.defer(run)
    }
  }

  private deliver(): void {
    if (this.waiting) {
      this.waiting = false
      this.spin.end(this.context.tas.link.nowUs(), !this.slept)
      this.slept = false
    }
    while (this.next < this.count && !this.closed) {
      const event = this.events[this.next++]
      if (!event.stale) this.handler(event)
    }
  }

  private idle(): void {
    if (this.closed) return
    if (this.context.finished) {
      this.close()
      return
    }
    const { link } = this.context.tas
    const nowUs = link.nowUs()
    let spinning: boolean
    if (this.waiting) {
      spinning = this.spin.again(nowUs, link.yieldCpu())
    } else {
      this.waiting = true
      spinning = this.spin.begin(nowUs)
    }
    if (!spinning) this.arm()
  }

  private arm(): void {
    // What events bring about without the program hearing of it: a buffer changed, a connection that is at another worker.
    if (this.context.outbox.stuck) this.runFlush()
    this.armed = true
    this.mark.set()
    if (this.context.inbox.hasWorkNow() || this.context.serviceLost) {
      this.disarm()
      return
    }
    this.turns.stop()
    this.link.rest()
  }

  private disarm(): void {
    this.armed = false
    this.mark.clear()
  }

  private runFlush(): void {
    this.flushScheduled = false
    if (this.closed) return
    this.context.flush()
    if (!this.context.outbox.stuck || this.retry !== null) return
    this.retry = setTimeout(() => {
      this.retry = null
      this.runFlush()
    }, RETRY_MS)
    if (!this.referenced) this.retry.unref()
  }
}
