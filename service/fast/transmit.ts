/**
 * Transmission: which bytes of a flow go out next, and that they do. Limits: what the application has written, the
 * peer's window, the congestion window that the slow path set; for a paced flow also its rate (pacing.ts).
 */
import {
  FLAG_ACK_LISTED,
  FLAG_CWND_LIMITED,
  FLAG_EXTRA,
  FLAG_FIN_QUEUED,
  FLAG_IN_RECOVERY,
  FLAG_LOOPBACK,
  FLAG_NAGLE,
  FLAG_PACED,
  FLAG_REMOVING,
  FLAG_RTT_TIMING,
  FLAG_TX_LISTED,
  FLAG_WATCHED,
  TCB_CWND,
  TCB_FLAGS,
  TCB_MSS_U16,
  TCB_RCV_NXT,
  TCB_RTT_SEQ,
  TCB_RTT_START_US,
  TCB_SND_END,
  TCB_SND_LIMIT,
  TCB_SND_MAX,
  TCB_SND_NXT,
  TCB_SND_UNA,
  TCB_SND_WND,
  TCB_SND_WSCALE_U8,
  TRACE_TX,
  WHAT_ACTIVE,
  WHAT_CWND_LIMITED,
} from '../../lib/memif/index.js'
import * as counters from './counterindex.js'
import type { FastPath } from './fastpath.js'
import { chargeUnpaced, departed, departingBytes } from './pacing.js'
import { SEGMENT_NEW_DATA, TCP_FIN, TCP_PSH } from './segment.js'
import { traceSent } from './tracepoints.js'

/** Most payload bytes of a super-segment: the IPv4 length field holds 65,535 with headers (RFC 791, 3.1). */
const SUPER_SEGMENT_BYTES = 65_535 - 20 - 60
/** Header slots that data leaves free for acknowledgments. */
const SLOTS_FOR_ACKS = 64
/** Full segments that must be there to follow a probe of the path's MTU: DupThresh (RFC 5681, 3.2). */
const PROBE_FOLLOWERS = 3
/** Segments of one flow before another has its turn. */
const TURN_SEGMENTS = 4

/** Gives each flow that has something to send its turn, as long as there are header slots. Returns segments emitted. */
export function transmitReady(fast: FastPath): number {
  const words = fast.words
  const before = fast.txEnd
  for (let turns = fast.txReady.length; turns > 0 && fast.emitter.room > SLOTS_FOR_ACKS; turns--) {
    const flow = fast.txReady.shift()
    const tcb = fast.tcb(flow)
    const flags = words[tcb + TCB_FLAGS]
    if ((flags & FLAG_TX_LISTED) === 0) continue
    words[tcb + TCB_FLAGS] = flags & ~FLAG_TX_LISTED
    if ((flags & FLAG_REMOVING) === 0) transmitFlow(fast, flow, tcb)
  }
  return fast.txEnd - before
}

/** Emits up to TURN_SEGMENTS segments of a flow and lists it again if there is more that may go. */
function transmitFlow(fast: FastPath, flow: number, tcb: number): void {
  for (let n = 0; n < TURN_SEGMENTS; n++) {
    if (!transmitNext(fast, flow, tcb)) return
  }
  fast.listTx(flow, tcb)
}

/**
 * How many bytes may go beyond `nxt`: what the peer's window and the congestion window leave, or in recovery the limit that the slow path
 * keeps setting (RFC 6675, 5, step C).
 */
function allowedBytes(fast: FastPath, tcb: number, flags: number, nxt: number, inFlight: number): number {
  const words = fast.words
  const peer = words[tcb + TCB_SND_WND] - inFlight
  const own = (flags & FLAG_IN_RECOVERY) !== 0 ? (words[tcb + TCB_SND_LIMIT] - nxt) | 0 : words[tcb + TCB_CWND] - inFlight
  return Math.min(peer, own)
}

/** Emits the next segment if there is one and it may go. Returns whether there may be another. */
function transmitNext(fast: FastPath, flow: number, tcb: number): boolean {
  const words = fast.words
  const flags = words[tcb + TCB_FLAGS]
  const una = words[tcb + TCB_SND_UNA]
  const nxt = words[tcb + TCB_SND_NXT]
  const dataLeft = (words[tcb + TCB_SND_END] - nxt) | 0
  const finLeft = (flags & FLAG_FIN_QUEUED) !== 0 && dataLeft >= 0
  if (dataLeft <= 0 && !finLeft) return false
  watch(fast, flow, tcb, flags)
  const inFlight = (nxt - una) | 0
  const allowed = allowedBytes(fast, tcb, flags, nxt, inFlight)
  const mss = fast.halves[tcb * 2 + TCB_MSS_U16]
  const isPaced = (flags & FLAG_PACED) !== 0 && dataLeft > 0
  if (dataLeft > 0 && heldBack(fast, flow, tcb, allowed, dataLeft, inFlight, mss)) {
    if (isPaced) fast.pacing.rates.rest(flow)
    return false
  }
  const paced = isPaced ? departingBytes(fast, flow, tcb, mss) : SUPER_SEGMENT_BYTES
  if (paced === 0) return false
  const len = segmentLength(Math.min(allowed, dataLeft, paced), dataLeft, mss, mayMerge(fast, flags))
  const last = len === dataLeft
  const fin = last && finLeft
  const end = (nxt + len) | 0
  const newData = nxt === words[tcb + TCB_SND_MAX] ? SEGMENT_NEW_DATA : 0
  sent(fast, tcb, nxt, end, fin ? 1 : 0)
  fast.emitter.segment(flow, tcb, nxt, len, newData | (last && len > 0 ? TCP_PSH : 0) | (fin ? TCP_FIN : 0))
  if (isPaced) departed(fast, flow, tcb, len, last)
  return !last
}

/**
 * Whether windows or Nagle's algorithm hold data back (RFC 9293, 3.7.4); sender's silly-window avoidance of RFC 9293, 3.8.6.2.1
 * included.
 */
function heldBack(
  fast: FastPath, flow: number, tcb: number, allowed: number, dataLeft: number, inFlight: number, mss: number,
): boolean {
  if (allowed >= mss && dataLeft >= mss) return false
  const words = fast.words
  const flags = words[tcb + TCB_FLAGS]
  if (allowed >= dataLeft) return (flags & (FLAG_NAGLE | FLAG_FIN_QUEUED)) === FLAG_NAGLE && inFlight > 0
  const isWindow = words[tcb + TCB_CWND] < words[tcb + TCB_SND_WND] && (flags & (FLAG_CWND_LIMITED | FLAG_IN_RECOVERY)) === 0
  if (isWindow) {
    words[tcb + TCB_FLAGS] = flags | FLAG_CWND_LIMITED
    fast.tellSlow(flow, tcb, WHAT_CWND_LIMITED)
  }
  return allowed <= 0 || inFlight > 0
}

/**
 * Whether segments of a flow may be merged. Not urgent ones: each has another urgent pointer, and who cuts them up copies the first's. Nor
 * those with a source route, for which not every interface can do that.
 */
function mayMerge(fast: FastPath, flags: number): boolean {
  return (fast.port.offload || (flags & FLAG_LOOPBACK) !== 0) && (flags & FLAG_EXTRA) === 0
}

/** Length of the next segment: one MSS, or if they may be merged as many whole ones as there are up to 64 KiB. */
function segmentLength(allowed: number, dataLeft: number, mss: number, isMerged: boolean): number {
  if (allowed <= mss) return Math.max(0, allowed)
  if (!isMerged) return mss
  const most = Math.min(allowed, SUPER_SEGMENT_BYTES)
  return most === dataLeft ? most : most - (most % mss)
}

/** Books [seq, end) and `fin` as sent; starts a round-trip measurement for new data (Karn: never for old). */
function sent(fast: FastPath, tcb: number, seq: number, end: number, fin: number): void {
  const words = fast.words
  const next = (end + fin) | 0
  words[tcb + TCB_SND_NXT] = next
  if (((next - words[tcb + TCB_SND_MAX]) | 0) <= 0) return
  if (seq === words[tcb + TCB_SND_MAX] && (words[tcb + TCB_FLAGS] & FLAG_RTT_TIMING) === 0) {
    words[tcb + TCB_FLAGS] |= FLAG_RTT_TIMING
    words[tcb + TCB_RTT_SEQ] = next
    words[tcb + TCB_RTT_START_US] = fast.now32
  }
  words[tcb + TCB_SND_MAX] = next
}

/** The flow has something in flight or to send: the slow path's timers must know, once. */
function watch(fast: FastPath, flow: number, tcb: number, flags: number): void {
  if ((flags & FLAG_WATCHED) !== 0) return
  fast.words[tcb + TCB_FLAGS] |= FLAG_WATCHED
  fast.tellSlow(flow, tcb, WHAT_ACTIVE)
}

/**
 * Sends [seq, seq + len) again, FIN included, as far as it is sent and not acknowledged; the slow path decides what (service/slow/recovery).
 * Karn: what is timed may be among it.
 */
export function retransmit(fast: FastPath, flow: number, tcb: number, seq: number, len: number): void {
  const words = fast.words
  const una = words[tcb + TCB_SND_UNA]
  const max = words[tcb + TCB_SND_MAX]
  const end = ((seq + len - max) | 0) > 0 ? max : (seq + len) | 0
  let at = ((seq - una) | 0) < 0 ? una : seq
  if (((end - at) | 0) <= 0) return
  words[tcb + TCB_FLAGS] &= ~FLAG_RTT_TIMING
  fast.count(counters.RETRANSMITS, 1)
  const isMerged = mayMerge(fast, words[tcb + TCB_FLAGS])
  while (((end - at) | 0) > 0 && fast.emitter.room > 0) {
    const dataLeft = (words[tcb + TCB_SND_END] - at) | 0
    const wanted = Math.max(0, Math.min((end - at) | 0, dataLeft))
    const data = segmentLength(wanted, wanted, fast.halves[tcb * 2 + TCB_MSS_U16], isMerged)
    const fin = data === wanted && ((at + data) | 0) === words[tcb + TCB_SND_END] && ((end - at) | 0) > data ? 1 : 0
    if (data + fin === 0) return
    fast.emitter.segment(flow, tcb, at, data, (data > 0 ? TCP_PSH : 0) | (fin === 1 ? TCP_FIN : 0))
    if (data > 0 && (words[tcb + TCB_FLAGS] & FLAG_PACED) !== 0) chargeUnpaced(fast, flow, tcb, data)
    at = (at + data + fin) | 0
  }
}

/**
 * A probe of the path's MTU (RFC 4821, 7.4): the next `len` bytes as one packet, followed by what shows its loss. `cwnd` is the congestion
 * window; that of the TCB may leave out what the probe needs. Returns whether it was sent.
 */
export function probeMtu(fast: FastPath, flow: number, tcb: number, len: number, cwnd: number): boolean {
  const words = fast.words
  const nxt = words[tcb + TCB_SND_NXT]
  const needed = len + PROBE_FOLLOWERS * fast.halves[tcb * 2 + TCB_MSS_U16]
  const window = Math.min(words[tcb + TCB_SND_WND], cwnd)
  const isOpen = (words[tcb + TCB_FLAGS] & FLAG_IN_RECOVERY) === 0 && nxt === words[tcb + TCB_SND_MAX] && fast.emitter.room > SLOTS_FOR_ACKS
  const fits = window >= needed && window - ((nxt - words[tcb + TCB_SND_UNA]) | 0) >= len
  if (!isOpen || !fits || ((words[tcb + TCB_SND_END] - nxt) | 0) < needed) return false
  watch(fast, flow, tcb, words[tcb + TCB_FLAGS])
  sent(fast, tcb, nxt, (nxt + len) | 0, 0)
  fast.emitter.segment(flow, tcb, nxt, len, SEGMENT_NEW_DATA)
  fast.emitter.keepWhole()
  if ((words[tcb + TCB_FLAGS] & FLAG_PACED) !== 0) chargeUnpaced(fast, flow, tcb, len)
  fast.listTx(flow, tcb)
  return true
}

/**
 * A window probe (RFC 9293, 3.8.6.1): the first byte that the closed window keeps back; SND.NXT stays, so that an
 * opening window starts again with it. With nothing to send an old sequence number makes the peer answer (RFC 1122, 4.2.3.6).
 */
export function probe(fast: FastPath, flow: number, tcb: number): void {
  const words = fast.words
  if (fast.emitter.room === 0) return
  const una = words[tcb + TCB_SND_UNA]
  fast.count(counters.WINDOW_PROBES, 1)
  if (((words[tcb + TCB_SND_END] - una) | 0) <= 0) {
    fast.emitter.segment(flow, tcb, (una - 1) | 0, 0, 0)
    return
  }
  const next = (una + 1) | 0
  if (((next - words[tcb + TCB_SND_MAX]) | 0) > 0) words[tcb + TCB_SND_MAX] = next
  fast.emitter.segment(flow, tcb, una, 1, TCP_PSH)
  if ((words[tcb + TCB_FLAGS] & FLAG_PACED) !== 0) chargeUnpaced(fast, flow, tcb, 1)
}

/** Sends the acknowledgments that no data segment of this pass has carried. Returns how many. */
export function transmitAcks(fast: FastPath): number {
  const words = fast.words
  const before = fast.txEnd
  while (fast.acks.length > 0 && fast.emitter.room > 0) {
    const flow = fast.acks.first()
    const tcb = fast.tcb(flow)
    if ((words[tcb + TCB_FLAGS] & (FLAG_ACK_LISTED | FLAG_REMOVING)) === FLAG_ACK_LISTED && fast.ackCount[flow] > 0) {
      // Several are duplicates that the peer must be able to count; one says all else.
      const more = fast.ackCount[flow] - 1
      fast.emitter.segment(flow, tcb, sendSequence(fast, tcb), 0, 0)
      fast.ackCount[flow] = more
      if (more > 0 && fast.lastAck[flow] === words[tcb + TCB_RCV_NXT]) continue
    }
    fast.acks.shift()
    fast.ackCount[flow] = 0
    words[tcb + TCB_FLAGS] &= ~FLAG_ACK_LISTED
  }
  return fast.txEnd - before
}

/**
 * Sequence number of a segment without data: the highest sent, so that the peer takes it for current, but never beyond
 * a window that has shrunk, where the peer would have to drop it (RFC 9293, 3.10.7.4). Less than a unit of the scaled window field is no
 * shrinking but rounding (RFC 7323, 2.4): what we sent there has arrived, and the window's end would be an old number. Two ends with full
 * windows that both named it would drop each other's acknowledgments for ever. A probe's byte beyond a closed window has not.
 */
export function sendSequence(fast: FastPath, tcb: number): number {
  const words = fast.words
  const max = words[tcb + TCB_SND_MAX]
  const window = words[tcb + TCB_SND_WND]
  const windowEnd = (words[tcb + TCB_SND_UNA] + window) | 0
  const beyond = (max - windowEnd) | 0
  if (beyond <= 0) return max
  const isProbe = window === 0 && beyond === 1
  return isProbe || beyond >= 1 << fast.bytes[tcb * 4 + TCB_SND_WSCALE_U8] ? windowEnd : max
}

/** Hands the filled header slots to loop port and port. What the port does not take stays for the next pass. Returns frames taken. */
export function flushPort(fast: FastPath): number {
  if (fast.loopback.marked > 0) return fast.loopback.divert() + flushNetwork(fast)
  return flushNetwork(fast)
}

function flushNetwork(fast: FastPath): number {
  const waiting = fast.txEnd - fast.txFirst
  if (waiting === 0) return 0
  const isTraced = fast.trace.wants(TRACE_TX)
  // Of the time before: answers may be there before the call returns.
  if (isTraced) fast.trace.stamp()
  const taken = fast.port.transmit(fast.txFirst, waiting)
  if (isTraced) traceSent(fast, fast.txFirst, taken)
  fast.count(counters.TX_PACKETS, taken)
  fast.txFirst += taken
  if (taken < waiting) {
    fast.count(counters.TX_PORT_FULL, 1)
    return taken
  }
  fast.txFirst = 0
  fast.txEnd = 0
  return taken
}
