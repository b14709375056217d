/**
 * Finds a worker a CPU that it need not share. A process that yields is never asleep, so the kernel places it anew neither at
 * a wake-up nor, where the other CPU idles only for moments, by balancing: it can stay beside a busy peer for
 * seconds while half a CPU lies idle, at half the speed. So a worker that loses much time to others now and then tries
 * another CPU for a moment, stays if it handles clearly more packets there, and goes back if not.
 *
 *   settled --(much time lost, hold over)--> trying --(faster)--> settled, short hold
 *                                                   --(not)--> back, settled, hold doubled
 */

/** Time over which lost time and packets are counted before a decision. */
const WINDOW_MS = 100
/** Part of the window lost to others that makes a try worth while, in percent. */
const LOST_PERCENT = 20
/** Fewer packets in a millisecond than this say too little. */
const PACKETS_MIN = 5
/** Length of a try. */
const TRY_MS = 30
/** The new place must handle this much of the old one's packets, in percent. */
const FASTER_PERCENT = 115
const HOLD_MIN_MS = 500
const HOLD_MAX_MS = 64_000

/** Decides where a worker runs. Time in milliseconds, as low 32 bits. */
export class Placement {
  /** Tries so far, and how many of them were kept. */
  tries = 0
  kept = 0
  private readonly cpus: readonly number[]
  private readonly move: (cpu: number) => void
  private readonly current: () => number
  private holdMs = HOLD_MIN_MS
  private holdUntilMs = 0
  private windowStartMs = 0
  private windowPackets = 0
  private lostUs = 0
  private trying = false
  private homeCpu = 0
  private homePackets = 0

  /** `cpus` are the allowed ones, `current` says on which the process runs, `move` brings it to one. */
  constructor(cpus: readonly number[], current: () => number, move: (cpu: number) => void) {
    this.cpus = cpus
    this.current = current
    this.move = move
  }

  /** The worker offered its CPU and got it back after `tookUs`. */
  lost(tookUs: number): void {
    this.lostUs += tookUs
  }

  /** To be called often; `packets` counts all packets so far. A few comparisons unless a window is over. */
  look(nowMs: number, packets: number): void {
    const elapsedMs = (nowMs - this.windowStartMs) | 0
    if (elapsedMs < (this.trying ? TRY_MS : WINDOW_MS)) return
    const perSecond = ((packets - this.windowPackets) / elapsedMs) * 1000
    if (this.trying) this.judge(nowMs, perSecond)
    else if (this.isWorthTrying(nowMs, elapsedMs, perSecond)) this.tryAnother(perSecond)
    this.windowStartMs = nowMs
    this.windowPackets = packets
    this.lostUs = 0
  }

  private isWorthTrying(nowMs: number, elapsedMs: number, perSecond: number): boolean {
    // A window much longer than asked for was a sleep: there is no hurry.
    if (this.cpus.length < 2 || elapsedMs > 2 * WINDOW_MS || ((nowMs - this.holdUntilMs) | 0) < 0) return false
    return perSecond >= PACKETS_MIN * 1000 && this.lostUs >= elapsedMs * 10 * LOST_PERCENT
  }

  private tryAnother(perSecond: number): void {
    this.homeCpu = this.current()
    this.homePackets = perSecond
    const at = this.cpus.indexOf(this.homeCpu)
    this.trying = true
    this.tries++
    this.move(this.cpus[(at + 1) % this.cpus.length])
  }

  private judge(nowMs: number, perSecond: number): void {
    this.trying = false
    const isFaster = perSecond * 100 >= this.homePackets * FASTER_PERCENT
    if (isFaster) {
      this.kept++
      this.holdMs = HOLD_MIN_MS
    } else {
      this.move(this.homeCpu)
      this.holdMs = Math.min(this.holdMs * 2, HOLD_MAX_MS)
    }
    this.holdUntilMs = (nowMs + this.holdMs) | 0
  }
}
