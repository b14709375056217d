/**
 * The pacing queue: flows with a rate (FLAG_PACED) send each segment when it is due (pacerates.ts), and wait in the wheel until then
 * (pacewheel.ts). What waits: new data. Not retransmissions and probes, which the slow path has timed itself, though they are charged; not
 * acknowledgments and a FIN alone, which are no load.
 *
 * Flows between two connections of this worker (FLAG_LOOPBACK) are never paced: their bytes are copied from buffer to buffer, there is no
 * link between them that could be overrun, and a full buffer closes the window.
 *
 * A segment that waits and then goes costs about 100 ns here, with 64 flows as with 10,000, beside building it.
 */
import {
  FLAG_CWND_LIMITED, FLAG_IN_RECOVERY, FLAG_LOOPBACK, FLAG_PACE_LISTED, FLAG_PACED, FLAG_TIMESTAMPS, TCB_FLAGS, TCB_MSS_U16,
  TCB_RATE_KBPS, WHAT_CWND_LIMITED,
} from '../../lib/memif/index.js'
import * as counters from './counterindex.js'
import type { FastPath } from './fastpath.js'
import { pacedBytes, PaceRates } from './pacerates.js'
import { PaceWheel } from './pacewheel.js'
import { IP_BYTES, TCP_BYTES, TIMESTAMPS_BYTES } from './segment.js'

export class Pacing {
  readonly rates: PaceRates
  readonly wheel: PaceWheel

  constructor(flows: number) {
    this.rates = new PaceRates(flows)
    this.wheel = new PaceWheel(flows)
  }
}

/**
 * Payload bytes that a paced flow, which has data that windows allow, may send as one now; 0 if its time has not come: then it waits in the
 * wheel, and the slow path hears that the rate is what limits it.
 */
export function departingBytes(fast: FastPath, flow: number, tcb: number, mss: number): number {
  const { rates } = fast.pacing
  if (rates.mayGo(flow, fast.now32, fast.tsNow)) return Math.max(mss, rates.burstBytes(flow))
  enqueue(fast, flow, tcb)
  return 0
}

function enqueue(fast: FastPath, flow: number, tcb: number): void {
  const { rates, wheel } = fast.pacing
  rates.wait(flow)
  wheel.put(flow, rates.due32(flow), fast.now32)
  fast.count(counters.PACE_WAITS, 1)
  const flags = fast.words[tcb + TCB_FLAGS] | FLAG_PACE_LISTED
  fast.words[tcb + TCB_FLAGS] = flags
  if ((flags & (FLAG_CWND_LIMITED | FLAG_IN_RECOVERY)) !== 0) return
  fast.words[tcb + TCB_FLAGS] = flags | FLAG_CWND_LIMITED
  fast.tellSlow(flow, tcb, WHAT_CWND_LIMITED)
}

/** A paced flow has sent `len` bytes; with `isAll` it has nothing more to send. */
export function departed(fast: FastPath, flow: number, tcb: number, len: number, isAll: boolean): void {
  fast.count(counters.PACED_SEGMENTS, 1)
  charge(fast, flow, tcb, len)
  const { rates } = fast.pacing
  if (isAll) rates.rest(flow)
  else rates.wait(flow)
}

/** A paced flow has sent `len` bytes out of turn. If new data waits, it waits longer. */
export function chargeUnpaced(fast: FastPath, flow: number, tcb: number, len: number): void {
  charge(fast, flow, tcb, len)
  const { rates, wheel } = fast.pacing
  if (wheel.has(flow)) wheel.put(flow, rates.due32(flow), fast.now32)
}

function charge(fast: FastPath, flow: number, tcb: number, len: number): void {
  const headers = (fast.words[tcb + TCB_FLAGS] & FLAG_TIMESTAMPS) !== 0 ? IP_BYTES + TCP_BYTES + TIMESTAMPS_BYTES : IP_BYTES + TCP_BYTES
  const bytes = pacedBytes(len, fast.halves[tcb * 2 + TCB_MSS_U16], headers)
  fast.pacing.rates.charge(flow, bytes, fast.now32, fast.tsNow)
}

/** Lets all flows that are due have their turn. Returns how many. */
export function releaseDue(fast: FastPath): number {
  const { wheel } = fast.pacing
  let released = 0
  for (let flow = wheel.takeDue(fast.now32); flow >= 0; flow = wheel.takeDue(fast.now32)) {
    release(fast, flow, fast.tcb(flow))
    released++
  }
  return released
}

function release(fast: FastPath, flow: number, tcb: number): void {
  fast.words[tcb + TCB_FLAGS] &= ~FLAG_PACE_LISTED
  fast.listTx(flow, tcb)
}

/** The flow is new to this worker. */
export function beginPacing(fast: FastPath, flow: number, tcb: number): void {
  endPacing(fast, flow, tcb)
  fast.pacing.rates.reset(flow)
  // An earlier worker may have set it, and the rate be gone since.
  fast.words[tcb + TCB_FLAGS] &= ~FLAG_PACED
  updateRate(fast, flow, tcb)
}

/** The flow sends no more. */
export function endPacing(fast: FastPath, flow: number, tcb: number): void {
  fast.pacing.wheel.remove(flow)
  fast.words[tcb + TCB_FLAGS] &= ~FLAG_PACE_LISTED
}

/**
 * The slow path may have written another rate into the TCB: it holds from now on, for a flow that waits as well. About 100 ns for a change.
 */
export function updateRate(fast: FastPath, flow: number, tcb: number): void {
  const { words } = fast
  const { rates, wheel } = fast.pacing
  const rateKbps = (words[tcb + TCB_FLAGS] & FLAG_LOOPBACK) !== 0 ? 0 : words[tcb + TCB_RATE_KBPS]
  if (rateKbps === rates.rateKbps(flow)) return
  rates.setRate(flow, rateKbps, fast.now32, fast.tsNow)
  if (rateKbps === 0) words[tcb + TCB_FLAGS] &= ~FLAG_PACED
  else words[tcb + TCB_FLAGS] |= FLAG_PACED
  if (!wheel.has(flow)) return
  if (rateKbps !== 0 && !rates.mayGo(flow, fast.now32, fast.tsNow)) wheel.put(flow, rates.due32(flow), fast.now32)
  else {
    wheel.remove(flow)
    release(fast, flow, tcb)
  }
}
