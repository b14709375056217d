/**
 * Runs an emulator in real time on Node's event loop. While packets are under way it waits in the kernel with the next departure as the
 * time limit, which is exact to some microseconds, and lets the event loop turn now and then; when the link is empty the event loop
 * waits for both descriptors, and nothing is run at all.
 */
import { FdWatcher, nowUs, setTimerSlackNs, waitReadable, type WirePort } from '../../native/index.js'
import type { Emulator } from './emulator.js'

/** The event loop (signals, timers) has to wait this long at most. */
const SLICE_US = 10_000
/** How long an empty link is watched closely before the event loop watches it. */
const LINGER_US = 2_000
/** Shortest wait: packets that are due within it leave together. */
const WAIT_MIN_US = 40
/** Packets wait in a socket's queue at most this long. */
const QUIET_MAX_US = 1_000
/** A step that moved as many is followed by the next at once. */
const MANY = 128
const SIDES = [0, 1] as const

export class RealtimeLink {
  private readonly emulator: Emulator
  private readonly fds: Int32Array
  /** Those of `fds` that are to end a wait. */
  private readonly awaited = new Int32Array(SIDES.length)
  private readonly spinUs: number
  private readonly watchers: FdWatcher[]
  private readonly onError: (error: unknown) => void
  private isRunning = false
  private isClosed = false

  /**
   * `spinUs`: the last microseconds before a departure are spent looking at the clock. Errors of the ports, after which nothing runs any
   * more, go to `onError`.
   */
  constructor(emulator: Emulator, ports: readonly [WirePort, WirePort], spinUs: number, onError: (error: unknown) => void) {
    this.emulator = emulator
    this.spinUs = spinUs
    this.onError = onError
    this.fds = Int32Array.from(ports, (port) => port.fd)
    setTimerSlackNs(1)
    this.watchers = ports.map((port) => new FdWatcher(port.fd, () => this.wake()))
  }

  /** Something has come on an empty link. While a slice is to follow the watchers have nothing to say that it would not find. */
  private wake(): void {
    if (!this.isRunning) this.slice()
  }

  private slice(): void {
    if (this.isClosed) return
    try {
      this.isRunning = this.work(nowUs() + SLICE_US)
    } catch (error) {
      this.close()
      return this.onError(error)
    }
    this.emulator.flush()
    if (this.isRunning) setImmediate(() => this.slice())
  }

  /** Works until `endUs`. Returns false if the link has been empty for some time. */
  private work(endUs: number): boolean {
    const { emulator } = this
    let movedUs = nowUs()
    for (;;) {
      const now = nowUs()
      const moved = emulator.step(now)
      if (moved > 0) movedUs = now
      const next = emulator.nextDeadlineUs(now)
      if (next === Infinity && now - movedUs > LINGER_US) return false
      if (now > endUs) return true
      if (moved < MANY) this.wait(Math.min(endUs, next === Infinity ? movedUs + LINGER_US + 1 : next), next !== Infinity)
    }
  }

  /** Waits until `untilUs`, or until a packet has come that could be due before. */
  private wait(untilUs: number, isUnderWay: boolean): void {
    const now = nowUs()
    let leftUs = untilUs - now
    if (leftUs <= 0) return
    let count = 0
    for (const side of SIDES) {
      // Packets carry the time at which they came: those that are not due for long need not be taken in one by one.
      const quietUs = Math.min(this.emulator.quietUntilUs(side, now) - now, QUIET_MAX_US)
      if (isUnderWay && quietUs > WAIT_MIN_US) leftUs = Math.min(leftUs, quietUs)
      else this.awaited[count++] = this.fds[side]
    }
    // Without room nothing is taken in, and descriptors that stay readable would end every wait.
    if (!this.emulator.hasRoom) count = 0
    waitReadable(this.awaited, count, leftUs > this.spinUs ? Math.max(leftUs - this.spinUs, WAIT_MIN_US) : 0)
  }

  /** Stops for good. Does not close the ports. */
  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    for (const watcher of this.watchers) watcher.close()
  }
}
