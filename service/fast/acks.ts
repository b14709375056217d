/**
 * Acknowledgments that arrive: SND.UNA, window, round-trip time, duplicate acknowledgments (RFC 9293, 3.10.7.4, fifth;
 * RFC 5681; RFC 6582). The congestion window itself is the slow path's.
 */
import {
  FLAG_CWND_LIMITED,
  FLAG_FIN_ACKED,
  FLAG_FIN_QUEUED,
  FLAG_IN_RECOVERY,
  FLAG_RTT_TIMING,
  TCB_ACKED_BYTES,
  TCB_ECN_BYTES,
  TCB_FLAGS,
  TCB_RTT_SEQ,
  TCB_RTT_START_US,
  TCB_RTTVAR_US4,
  TCB_SND_END,
  TCB_SND_MAX,
  TCB_SND_NXT,
  TCB_SND_UNA,
  TCB_SND_WND,
  TCB_SND_WSCALE_U8,
  TCB_SRTT_US8,
  TCB_TX_LOG2_U8,
  WHAT_FIN_ACKED,
  WHAT_LOSS,
} from '../../lib/memif/index.js'
import * as counters from './counterindex.js'
import type { FastPath } from './fastpath.js'
import { TCP_ECE, TCP_FIN, type Segment } from './segment.js'
import { retransmitFirst } from './transmit.js'

const DUPLICATES_FOR_RETRANSMIT = 3

/** Processes the acknowledgment of a segment. Returns false if the segment is to be dropped. */
export function processAck(fast: FastPath, flow: number, tcb: number, segment: Segment): boolean {
  const words = fast.words
  const una = words[tcb + TCB_SND_UNA]
  const acked = (segment.ack - una) | 0
  if (((segment.ack - words[tcb + TCB_SND_MAX]) | 0) > 0) {
    // RFC 9293, 3.10.7.4: it acknowledges something not yet sent: send an ACK, drop the segment.
    fast.listAck(flow, tcb)
    return false
  }
  // An acknowledgment older than SND.UNA says nothing new; its payload may still be.
  if (acked < 0) return true
  const window = segment.window << fast.bytes[tcb * 4 + TCB_SND_WSCALE_U8]
  if (acked > 0) {
    fast.count(counters.RX_ACKS, 1)
    words[tcb + TCB_SND_WND] = window
    advance(fast, flow, tcb, segment, acked)
    return true
  }
  const sameWindow = window === words[tcb + TCB_SND_WND]
  if (sameWindow) {
    const outstanding = ((words[tcb + TCB_SND_MAX] - una) | 0) > 0
    if (outstanding && segment.payloadLen === 0 && (segment.flags & TCP_FIN) === 0) duplicate(fast, flow, tcb)
    return true
  }
  words[tcb + TCB_SND_WND] = window
  fast.listTx(flow, tcb)
  return true
}

/** SND.UNA goes on by `acked`. */
function advance(fast: FastPath, flow: number, tcb: number, segment: Segment, acked: number): void {
  const words = fast.words
  const ack = segment.ack
  words[tcb + TCB_SND_UNA] = ack
  if (((words[tcb + TCB_SND_NXT] - ack) | 0) < 0) words[tcb + TCB_SND_NXT] = ack
  words[tcb + TCB_ACKED_BYTES] = (words[tcb + TCB_ACKED_BYTES] + acked) | 0
  if ((segment.flags & TCP_ECE) !== 0) words[tcb + TCB_ECN_BYTES] = (words[tcb + TCB_ECN_BYTES] + acked) | 0
  fast.dupAcks[flow] = 0
  let flags = words[tcb + TCB_FLAGS]
  if ((flags & FLAG_RTT_TIMING) !== 0 && ((ack - words[tcb + TCB_RTT_SEQ]) | 0) >= 0) {
    flags &= ~FLAG_RTT_TIMING
    measureRtt(fast, tcb)
  }
  const finAcked = (flags & FLAG_FIN_QUEUED) !== 0 && ack === ((words[tcb + TCB_SND_END] + 1) | 0)
  if (finAcked) flags |= FLAG_FIN_ACKED
  const recovering = (flags & FLAG_IN_RECOVERY) !== 0
  const recovered = recovering && ((ack - fast.recover[flow]) | 0) >= 0
  if (recovered) flags &= ~FLAG_IN_RECOVERY
  words[tcb + TCB_FLAGS] = flags
  if (finAcked) fast.tellSlow(flow, tcb, WHAT_FIN_ACKED)
  // RFC 6582, 3.2 step 3: a partial acknowledgment names the next hole.
  if (recovering && !recovered) retransmitFirst(fast, flow, tcb)
  if (words[tcb + TCB_SND_END] !== words[tcb + TCB_SND_NXT] || recovering) fast.listTx(flow, tcb)
  if (finAcked || worthTelling(fast, flow, tcb, ack)) fast.listEvent(flow, tcb)
}

/**
 * Whether the application should hear of free transmit buffer now: if there is as much as it waits for, or a quarter of the
 * buffer is new. With received data the news travels anyway. Saves a wake-up for each response of a request/response server.
 */
function worthTelling(fast: FastPath, flow: number, tcb: number, una: number): boolean {
  if (fast.wantedFree[flow] !== 0) return spaceIsThere(fast, flow, tcb)
  const quarter = 1 << (fast.bytes[tcb * 4 + TCB_TX_LOG2_U8] - 2)
  return ((una - fast.reportedUna[flow]) | 0) >= quarter
}

/** Whether the transmit buffer has the free bytes that the application waits for. */
export function spaceIsThere(fast: FastPath, flow: number, tcb: number): boolean {
  const used = (fast.words[tcb + TCB_SND_END] - fast.words[tcb + TCB_SND_UNA]) | 0
  return (1 << fast.bytes[tcb * 4 + TCB_TX_LOG2_U8]) - used >= fast.wantedFree[flow]
}

/** RFC 6298, 2, in shifts: srtt is kept times eight, rttvar times four. */
function measureRtt(fast: FastPath, tcb: number): void {
  const words = fast.words
  const rttUs = Math.max(1, (fast.now32 - words[tcb + TCB_RTT_START_US]) | 0)
  const srtt8 = words[tcb + TCB_SRTT_US8]
  if (srtt8 === 0) {
    words[tcb + TCB_SRTT_US8] = rttUs << 3
    words[tcb + TCB_RTTVAR_US4] = rttUs << 1
    return
  }
  const error = rttUs - (srtt8 >> 3)
  words[tcb + TCB_SRTT_US8] = Math.max(1, srtt8 + error)
  const rttvar4 = words[tcb + TCB_RTTVAR_US4]
  words[tcb + TCB_RTTVAR_US4] = rttvar4 + Math.abs(error) - (rttvar4 >> 2)
}

/** RFC 5681, 3.2, and RFC 6582, 3.2 step 2: the third duplicate in a row, once for each window. */
function duplicate(fast: FastPath, flow: number, tcb: number): void {
  const { words } = fast
  fast.count(counters.RX_DUPLICATE_ACKS, 1)
  const duplicates = Math.min(fast.dupAcks[flow] + 1, 0xffff)
  fast.dupAcks[flow] = duplicates
  const flags = words[tcb + TCB_FLAGS]
  if ((flags & FLAG_IN_RECOVERY) !== 0) {
    // Each further duplicate says that a segment has left the network.
    fast.listTx(flow, tcb)
    return
  }
  if (duplicates !== DUPLICATES_FOR_RETRANSMIT) return
  // After a timeout, resent data that the peer had causes duplicates too: they mean no new loss.
  if (((words[tcb + TCB_SND_UNA] - fast.recover[flow]) | 0) < 0) return
  fast.recover[flow] = words[tcb + TCB_SND_MAX]
  words[tcb + TCB_FLAGS] = (flags | FLAG_IN_RECOVERY) & ~FLAG_CWND_LIMITED
  fast.count(counters.FAST_RETRANSMITS, 1)
  retransmitFirst(fast, flow, tcb)
  fast.tellSlow(flow, tcb, WHAT_LOSS)
}
