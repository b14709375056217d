/** Delivery of a context's events from Node's event loop. */
import type { SleepMark } from '../memif/index.js'
import type { Context } from './context.js'
import type { EventHandler } from './contextoptions.js'
import { createEvents } from './events.js'
import type { ContextLink, Watcher } from './link.js'
import { SpinPolicy } from '../../native/spinpolicy.js'

/** Events of one turn. Between turns the event loop serves everything else. */
const TURN_EVENTS = 64
/** After how long to try again what found no room in a ring. */
const RETRY_MS = 1

/**
 *   turn:  poll -> handler for each event -> flush -> more? next turn by setImmediate
 *          nothing: a few turns more if the last wait was short (native/spinpolicy.ts), then
 *   arm:   publish "sleeping" -> look once more -> wait for the eventfd
 */
export class LoopAttachment {
  private readonly context: Context
  private readonly link: ContextLink
  private readonly mark: SleepMark
  private readonly handler: EventHandler
  private readonly events = createEvents(TURN_EVENTS)
  private readonly spin: SpinPolicy
  private readonly watcher: Watcher
  private readonly takeTurn = (): void => this.runTurn()
  private readonly flushLater = (): void => this.runFlush()
  private immediate: NodeJS.Immediate | null = null
  private retry: NodeJS.Timeout | null = null
  private referenced: boolean
  private next = 0
  private count = 0
  private waiting = false
  private slept = false
  private armed = false
  /** Number of the turn that is under way, 0 between two. */
  turn = 0
  private turns = 0
  private flushScheduled = false
  private closed = false

  constructor(context: Context, link: ContextLink, mark: SleepMark, handler: EventHandler, ref: boolean) {
    this.context = context
    this.link = link
    this.mark = mark
    this.handler = handler
    this.referenced = ref
    this.spin = new SpinPolicy(context.tas.pollIntervalUs)
    this.watcher = link.watch(() => this.wake())
    if (!ref) this.watcher.unref()
    context.tas.watchService()
    this.schedule()
  }

  ref(): void {
    this.referenced = true
    this.watcher.ref()
    this.immediate?.ref()
  }

  unref(): void {
    this.referenced = false
    this.watcher.unref()
    this.immediate?.unref()
  }

  /** The program did something that must be handed over; outside of a turn that takes a microtask. */
  changed(): void {
    if (this.turn !== 0 || this.flushScheduled) return
    this.flushScheduled = true
    queueMicrotask(this.flushLater)
  }

  /** Hands over together, at its end, what `run` does. */
  together(run: () => void): void {
    if (this.turn !== 0) {
      run()
      return
    }
    this.turn = ++this.turns
    try {
      run()
    } finally {
      this.turn = 0
      if (!this.closed) this.runFlush()
    }
  }

  /**
   * Somebody woke the context, the service is gone, or a wake-up may have been taken from the watcher: looks anew. In a setImmediate, which
   * follows at once: the callback of a native addon is no place for what a handler throws, nor for the ticks that it runs.
   */
  wake(): void {
    if (this.closed || !this.armed) return
    this.slept = true
    this.disarm()
    this.schedule()
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    if (this.armed) this.disarm()
    if (this.immediate !== null) clearImmediate(this.immediate)
    if (this.retry !== null) clearTimeout(this.retry)
    this.watcher.close()
  }

  private runTurn(): void {
    this.immediate = null
    if (this.closed) return
    if (this.next === this.count) {
      this.next = 0
      this.count = this.context.take(this.events, TURN_EVENTS)
    }
    if (this.count === 0) this.idle()
    else this.deliver()
  }

  /** An exception leaves the rest of the turn's events to the next turn. */
  private deliver(): void {
    if (this.waiting) {
      this.waiting = false
      this.spin.end(this.context.tas.link.nowUs(), !this.slept)
      this.slept = false
    }
    this.turn = ++this.turns
    try {
      while (this.next < this.count && !this.closed) {
        const event = this.events[this.next++]
        if (!event.stale) this.handler(event)
      }
    } finally {
      this.turn = 0
      if (!this.closed) {
        this.runFlush()
        this.schedule()
      }
    }
  }

  private idle(): void {
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
    if (spinning) this.schedule()
    else this.arm()
  }

  private arm(): void {
    // What events bring about without the program hearing of it: a buffer changed, a connection that is at another worker.
    if (this.context.outbox.stuck) this.runFlush()
    this.armed = true
    this.mark.set()
    if (this.context.inbox.hasWorkNow() || this.context.serviceLost) {
      this.disarm()
      this.schedule()
    } else this.link.rest()
  }

  private disarm(): void {
    this.armed = false
    this.mark.clear()
  }

  private schedule(): void {
    if (this.immediate !== null) return
    this.immediate = setImmediate(this.takeTurn)
    if (!this.referenced) this.immediate.unref()
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
