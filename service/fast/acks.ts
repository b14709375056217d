/**
 * Acknowledgments that arrive: SND.UNA, window, round-trip time (RFC 9293, 3.10.7.4, fifth). What they say about losses, and the
 * congestion window, is the slow path's: it gets duplicates, SACK blocks and, in recovery, every acknowledgment.
 */
import {
  FLAG_ECN,
  FLAG_FIN_ACKED,
  FLAG_FIN_QUEUED,
  FLAG_IN_RECOVERY,
  FLAG_RTT_TIMING,
  TCB_ACKED_BYTES,
  TCB_ECN_BYTES,
  TCB_FLAGS,
  TCB_OOO_END,
  TCB_OOO_START,
  TCB_RCV_NXT,
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
  WHAT_ACTIVE,
  WHAT_ECE,
  WHAT_FIN_ACKED,
} from '../../lib/memif/index.js'
import * as counters from './counterindex.js'
import type { FastPath } from './fastpath.js'
import { TCP_ECE, TCP_FIN, WINDOW_FIELD_MAX, type Segment } from './segment.js'
import type { SlowLink } from './slowlink.js'

/** Processes the acknowledgment of a segment. Returns false if the segment is to be dropped. */
export function processAck(fast: FastPath, slow: SlowLink, flow: number, tcb: number, segment: Segment): boolean {
  const words = fast.words
  const una = words[tcb + TCB_SND_UNA]
  const acked = (segment.ack - una) | 0
  if (((segment.ack - words[tcb + TCB_SND_MAX]) | 0) > 0) {
    // RFC 9293, 3.10.7.4: it acknowledges something not yet sent: send an ACK, drop the segment.
    fast.listAck(flow, tcb)
    return false
  }
  const scale = fast.bytes[tcb * 4 + TCB_SND_WSCALE_U8]
  if (acked < 0) return isRecent(fast, flow, tcb, acked, scale)
  const isSteered = (words[tcb + TCB_FLAGS] & FLAG_IN_RECOVERY) !== 0
  const window = segment.window << scale
  if (acked > 0) {
    fast.count(counters.RX_ACKS, 1)
    setWindow(fast, flow, tcb, window)
    advance(fast, flow, tcb, segment, acked)
    if (isSteered || segment.sackBlocks !== 0) slow.ack(flow, tcb, segment, 0)
    return true
  }
  if (window === words[tcb + TCB_SND_WND]) {
    const outstanding = ((words[tcb + TCB_SND_MAX] - una) | 0) > 0
    if (outstanding && segment.payloadLen === 0 && (segment.flags & TCP_FIN) === 0) duplicate(fast, slow, flow, tcb, segment)
    else if (segment.sackBlocks !== 0) slow.ack(flow, tcb, segment, 0)
    return true
  }
  if (isWindowNews(fast, tcb, segment)) setWindow(fast, flow, tcb, window)
  if (segment.sackBlocks !== 0) slow.ack(flow, tcb, segment, 0)
  fast.listTx(flow, tcb)
  return true
}

/**
 * Whether a segment that acknowledges nothing new may tell of another window: only if its window may not have been overtaken
 * (RFC 9293, 3.10.7.4, SND.WL1 and SND.WL2). What begins before RCV.NXT, or before data that is held behind a gap, is older than
 * something that has arrived.
 */
function isWindowNews(fast: FastPath, tcb: number, segment: Segment): boolean {
  const words = fast.words
  if (((segment.seq - words[tcb + TCB_RCV_NXT]) | 0) < 0) return false
  const held = words[tcb + TCB_OOO_START]
  return held === words[tcb + TCB_OOO_END] || ((segment.seq - held) | 0) >= 0
}

/** SND.WND changes; one that was closed ends the persist timer's long waits. */
function setWindow(fast: FastPath, flow: number, tcb: number, window: number): void {
  const words = fast.words
  if (words[tcb + TCB_SND_WND] === 0 && window !== 0) fast.tellSlow(flow, tcb, WHAT_ACTIVE)
  words[tcb + TCB_SND_WND] = window
}

/**
 * An acknowledgment below SND.UNA says nothing new; its payload may still be. One older than the largest window the peer has
 * had is an attempt to inject data (RFC 5961, 5.2).
 */
function isRecent(fast: FastPath, flow: number, tcb: number, acked: number, scale: number): boolean {
  if (acked >= -(WINDOW_FIELD_MAX << scale)) return true
  fast.count(counters.DROP_OLD_ACK, 1)
  fast.listAck(flow, tcb)
  return false
}

/** SND.UNA goes on by `acked`. */
function advance(fast: FastPath, flow: number, tcb: number, segment: Segment, acked: number): void {
  const words = fast.words
  const ack = segment.ack
  words[tcb + TCB_SND_UNA] = ack
  if (((words[tcb + TCB_SND_NXT] - ack) | 0) < 0) words[tcb + TCB_SND_NXT] = ack
  words[tcb + TCB_ACKED_BYTES] = (words[tcb + TCB_ACKED_BYTES] + acked) | 0
  let flags = words[tcb + TCB_FLAGS]
  const isEcho = (segment.flags & TCP_ECE) !== 0 && (flags & FLAG_ECN) !== 0
  if (isEcho) words[tcb + TCB_ECN_BYTES] = (words[tcb + TCB_ECN_BYTES] + acked) | 0
  if ((flags & FLAG_RTT_TIMING) !== 0 && ((ack - words[tcb + TCB_RTT_SEQ]) | 0) >= 0) {
    flags &= ~FLAG_RTT_TIMING
    measureRtt(fast, tcb)
  }
  const finAcked = (flags & FLAG_FIN_QUEUED) !== 0 && ack === ((words[tcb + TCB_SND_END] + 1) | 0)
  if (finAcked) flags |= FLAG_FIN_ACKED
  words[tcb + TCB_FLAGS] = flags
  if (isEcho) fast.tellSlow(flow, tcb, WHAT_ECE)
  if (finAcked) fast.tellSlow(flow, tcb, WHAT_FIN_ACKED)
  if (words[tcb + TCB_SND_END] !== words[tcb + TCB_SND_NXT]) fast.listTx(flow, tcb)
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

/** RFC 5681, 2: a duplicate acknowledgment, with or without SACK blocks. */
function duplicate(fast: FastPath, slow: SlowLink, flow: number, tcb: number, segment: Segment): void {
  fast.count(counters.RX_DUPLICATE_ACKS, 1)
  slow.ack(flow, tcb, segment, 1)
}
