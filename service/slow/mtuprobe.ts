/**
 * Packets that find out whether the path carries longer ones (RFC 4821, 7; RFC 8899). A probe is the next piece of the stream as one long
 * segment, with enough behind it that its loss shows at once. If it is lost alone, that is no congestion: it is sent again in segments that
 * fit, and window and rate stay (RFC 4821, 7.5).
 *
 *   waiting --- data and room in the window are there ---> ordered ---> sent ---> acknowledged: passed
 *      |  all is in flight         ^                          |          +-----> lost alone: lost
 *      +------------> held --------+                          |          +-----> lost with others, or a timeout: unclear
 *      ^          (two round trips)            not possible   |
 *      +------------------------------------------------------+
 *
 * Only for peers with SACK, without which a second loss beside the probe would show late (RFC 4821, 5.1 wants it).
 */
import { TCB_SND_END, TCB_SND_NXT, TCB_SND_UNA, TCB_SND_WND, TO_FAST_FLOW_MTU_PROBE, TO_FAST_FLOW_UPDATE } from '../../lib/memif/index.js'
import { seqAdd, seqDiff, seqLeq, seqLt } from '../../lib/wire/index.js'
import { writeWindow } from './congestion/control.js'
import type { Connection } from './connection.js'
import { inFlight, mssOf, srttUs } from './flowstate.js'
import { mssFor } from './mss.js'
import { MtuSearch } from './mtusearch.js'
import { DUPLICATE_THRESHOLD } from './recovery/rack.js'
import { LOST, type Scoreboard } from './recovery/scoreboard.js'
import type { Stack } from './stack.js'

/** How long a worker may take to say what it made of an order; then it has died, or its ring was full. */
const ANSWER_US = 1_000_000
/** After a lost probe: its loss slows nothing down, so there may not be many (RFC 8899, 5.1.1: no faster than one a second). */
const AFTER_LOSS_US = 1_000_000
/** Time until another look whether a probe is possible; of a connection that rests it doubles. */
const WAIT_MIN_US = 100_000
const WAIT_MAX_US = 60_000_000
const ROUND_MIN_US = 1_000
/** Least time between two looks where there is much to send again and again. */
const BETWEEN_LOOKS_US = 10_000

export type ProbeState = 'waiting' | 'held' | 'ordered' | 'sent' | 'lost' | 'unclear'

/** A connection's search for a longer packet. */
export class MtuProbing {
  readonly search: MtuSearch
  state: ProbeState = 'waiting'
  /** IP bytes of the probe, and its sequence numbers once it is sent. */
  mtu = 0
  start = 0
  end = 0
  /** Most bytes in flight: less than there were, so that the probe and what must follow gather and find room. Infinity while not held. */
  windowBytes = Infinity
  waitUs = WAIT_MIN_US
  /** When a probe was last not possible; Infinity while that is not what is waited for. */
  passedUs = Infinity

  constructor(lowMtu: number, highMtu: number) {
    this.search = new MtuSearch(lowMtu, highMtu)
  }
}

/** Goes on with the search, which is not over. Returns after how many microseconds to go on with it. */
export function stepProbing(stack: Stack, connection: Connection, probing: MtuProbing): number {
  const { state, search } = probing
  if (state === 'waiting' || state === 'held') return tryProbe(stack, connection, probing)
  if (state === 'sent') {
    if (seqLt(stack.flows.word(connection, TCB_SND_UNA), probing.end)) return roundTripUs(stack, connection)
    search.passed(probing.mtu)
  } else if (state === 'lost') search.lost(probing.mtu)
  stopProbe(stack, connection, probing)
  return state === 'sent' ? roundTripUs(stack, connection) : AFTER_LOSS_US
}

/** Whether it is worth another look now that there is much to send: bursts may be over before the time of the next one. */
export function isWaitingForData({ state, passedUs }: MtuProbing, nowUs: number): boolean {
  return state === 'waiting' && nowUs - passedUs >= BETWEEN_LOOKS_US
}

/** What is under way says nothing any more; the window is whole again. */
export function stopProbe(stack: Stack, connection: Connection, probing: MtuProbing): void {
  probing.state = 'waiting'
  hold(stack, connection, probing, Infinity)
}

function roundTripUs(stack: Stack, connection: Connection): number {
  return Math.max(srttUs(stack, connection), ROUND_MIN_US)
}

/** RFC 4821, 7.4: the probe and what must follow it have to be there, and to fit the window. */
function tryProbe(stack: Stack, connection: Connection, probing: MtuProbing): number {
  const { flows } = stack
  probing.passedUs = Infinity
  probing.mtu = probing.search.next()
  const lenBytes = mssFor(connection, probing.mtu)
  const neededBytes = lenBytes + DUPLICATE_THRESHOLD * mssOf(stack, connection)
  const unsentBytes = seqDiff(flows.word(connection, TCB_SND_END), flows.word(connection, TCB_SND_NXT))
  const windowBytes = Math.min(flows.word(connection, TCB_SND_WND), connection.cwnd)
  const isQuiet = connection.recovery === null && connection.backoff === 0
  if (!isQuiet || windowBytes < neededBytes) return waitLonger(stack, connection, probing)
  const flightBytes = inFlight(stack, connection)
  if (unsentBytes < neededBytes || windowBytes - flightBytes < lenBytes) {
    // All of the window or of the transmit buffer is in flight. Applications do not write by the byte: twice as much.
    const usedBytes = Math.min(windowBytes, flightBytes)
    if (probing.state === 'held' || usedBytes < 3 * neededBytes) return waitLonger(stack, connection, probing)
    probing.state = 'held'
    hold(stack, connection, probing, usedBytes - 2 * neededBytes)
    return 2 * roundTripUs(stack, connection)
  }
  probing.state = 'ordered'
  stack.workers[connection.worker].value(TO_FAST_FLOW_MTU_PROBE, connection, lenBytes, connection.cwnd)
  return ANSWER_US
}

function waitLonger(stack: Stack, connection: Connection, probing: MtuProbing): number {
  stopProbe(stack, connection, probing)
  probing.passedUs = stack.nowUs
  // A connection in use may just have nothing to send at this moment.
  if (connection.isWatched) probing.waitUs = WAIT_MIN_US
  const { waitUs } = probing
  probing.waitUs = Math.min(waitUs * 2, WAIT_MAX_US)
  return waitUs
}

function hold(stack: Stack, connection: Connection, probing: MtuProbing, windowBytes: number): void {
  if (probing.windowBytes === windowBytes) return
  probing.windowBytes = windowBytes
  if (connection.phase !== 'worker') return
  writeWindow(stack, connection)
  stack.workers[connection.worker].flow(TO_FAST_FLOW_UPDATE, connection)
}

/**
 * A worker's answer to an order: `lenBytes` from `seq` on are under way as a probe, or nothing if that is 0. Returns after how many
 * microseconds to go on, -1 if the answer comes too late.
 */
export function onProbeOrdered(stack: Stack, connection: Connection, probing: MtuProbing, seq: number, lenBytes: number): number {
  if (probing.state !== 'ordered' || (lenBytes !== 0 && lenBytes !== mssFor(connection, probing.mtu))) return -1
  if (lenBytes === 0) return waitLonger(stack, connection, probing)
  hold(stack, connection, probing, Infinity)
  stack.stats.add('mtuProbes')
  probing.state = 'sent'
  probing.start = seq
  probing.end = seqAdd(seq, lenBytes)
  probing.waitUs = WAIT_MIN_US
  return roundTripUs(stack, connection)
}

/**
 * Recovery has found losses. Returns whether it is the probe that is lost, and nothing else: then all of it is to be sent again, and no
 * window or rate becomes smaller (RFC 4821, 7.5). With others beside it nothing is known of its size (7.6.4).
 */
export function takeProbeLoss(stack: Stack, { path }: Connection, board: Scoreboard): boolean {
  const probing = path?.probing ?? null
  if (probing === null || probing.state !== 'sent') return false
  const { start, end } = probing
  const lost = board.runs.filter(({ kind }) => kind === LOST)
  if (!lost.some((run) => seqLt(run.start, end) && seqLt(start, run.end))) return false
  const isAlone = lost.every((run) => seqLeq(start, run.start) && seqLeq(run.end, end))
  probing.state = isAlone ? 'lost' : 'unclear'
  if (!isAlone) return false
  stack.stats.add('mtuProbesLost')
  board.lose(start, end)
  return true
}
