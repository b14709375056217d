/** How `Context.block` waits. */
import type { SleepMark } from '../memif/index.js'
import { SpinPolicy } from '../../native/spinpolicy.js'
import type { Inbox } from './inbox.js'
import type { ContextLink, ServiceLink } from './link.js'
import type { Outbox } from './outbox.js'

/** How long to sleep while something waits for room in a ring: nobody wakes us for that. */
const STUCK_SLEEP_US = 1_000

export class Waiter {
  private readonly service: ServiceLink
  private readonly link: ContextLink
  private readonly mark: SleepMark
  private readonly inbox: Inbox
  private readonly outbox: Outbox
  private readonly spin: SpinPolicy

  /** Spins for at most `spinUs` microseconds before it sleeps. */
  constructor(
    service: ServiceLink, link: ContextLink, mark: SleepMark, inbox: Inbox, outbox: Outbox, spinUs: number,
  ) {
    this.service = service
    this.link = link
    this.mark = mark
    this.inbox = inbox
    this.outbox = outbox
    this.spin = new SpinPolicy(spinUs)
  }

  /**
   * Waits until there may be something, or `wakeFd` (-1: none) is readable, at most `timeoutUs` microseconds (-1: no limit): spin, publish,
   * look again, sleep.
   */
  wait(timeoutUs: number, wakeFd: number): void {
    const startUs = this.service.nowUs()
    if (this.spin.begin(startUs) && this.spinUntilWork()) {
      this.spin.end(this.service.nowUs(), true)
      return
    }
    this.mark.set()
    if (!this.inbox.hasWorkNow()) this.sleep(timeoutUs, startUs, wakeFd)
    this.mark.clear()
    this.spin.end(this.service.nowUs(), false)
  }

  private spinUntilWork(): boolean {
    for (;;) {
      const tookUs = this.service.yieldCpu()
      if (this.inbox.hasWork()) return true
      if (!this.spin.again(this.service.nowUs(), tookUs)) return false
    }
  }

  private sleep(timeoutUs: number, startUs: number, wakeFd: number): void {
    let leftUs = timeoutUs
    if (timeoutUs > 0) leftUs = Math.max(0, timeoutUs - (this.service.nowUs() - startUs))
    const tooLong = leftUs < 0 || leftUs > STUCK_SLEEP_US
    this.link.sleep(tooLong && this.outbox.stuck ? STUCK_SLEEP_US : leftUs, wakeFd)
  }
}
