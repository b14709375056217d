/**
 * The receive step: one frame to the flow it belongs to (RFC 9293, 3.10.7.4, for synchronized connections).
 * Whatever is not common goes to the slow path with its packet.
 */
import {
  FLAG_ECE_OWED,
  FLAG_ECN_ACCURATE,
  FLAG_ECN,
  FLAG_FIN_QUEUED,
  FLAG_FIN_RECEIVED,
  FLAG_GAP,
  FLAG_LOOPBACK,
  FLAG_REMOVING,
  FLAG_RX_SHUT,
  FLAG_SACK,
  FLAG_TIMESTAMPS,
  TCB_APP_U16,
  TCB_BUFFER,
  TCB_FLAGS,
  TCB_HEARD_MS,
  TCB_MSS_U16,
  TCB_RCV_NXT,
  TCB_RCV_WSCALE_U8,
  TCB_RX_BASE,
  TCB_RX_LOG2_U8,
  TCB_SND_UNA,
  TCB_TS_RECENT,
  WHAT_FIN_RECEIVED,
} from '../../lib/memif/index.js'
import {
  RX_CHECKSUM_GOOD,
  RX_CHECKSUM_PARTIAL,
  RX_LOOPBACK,
  RX_SPLIT,
  RX_TRUNCATED,
  RX_VLAN,
  type ReceivePort,
} from '../../native/port.js'
import { processAck } from './acks.js'
import * as counters from './counterindex.js'
import type { FastPath } from './fastpath.js'
import { BLOCKS_MAX, BLOCKS_MAX_TIMESTAMPS } from './sackblocks.js'
import {
  ETHERNET_BYTES, PARSED, PARSED_FOREIGN, PARSED_MALFORMED, parseSegment, Segment, TCP_CWR, TCP_FIN, WINDOW_FIELD_MAX,
} from './segment.js'
import type { SlowLink } from './slowlink.js'
import { sendSequence } from './transmit.js'

/** 802.1Q, 9.6: the tag stands between addresses and type. */
const VLAN_TAG_BYTES = 4
const VLAN_TAG_AT = 12
/** Least time between two answers to segments without data that are not acceptable (RFC 5961, 7 in spirit). */
const ANSWER_INTERVAL_US = 100_000
/** How long TS.Recent is good for: it may have wrapped since (RFC 7323, 5.5). */
const TS_RECENT_MS = 24 * 24 * 3_600_000
/** Acknowledgments that go out at once after data that came out of order or twice: as many as Linux sends. */
const QUICK_ACKS = 16

/** Takes an 802.1Q tag that still stands in frame `index` out of it: the addresses move up to the type. */
function takeTagOut(port: ReceivePort, index: number): void {
  const eth = port.rxOffset[index]
  const { frames } = port
  const isTagged = frames[eth + VLAN_TAG_AT] === 0x81 && frames[eth + VLAN_TAG_AT + 1] === 0
  if (!isTagged || port.rxLen[index] < ETHERNET_BYTES + VLAN_TAG_BYTES || (port.rxFlags[index] & RX_SPLIT) !== 0) return
  frames.copyWithin(eth + VLAN_TAG_BYTES, eth, eth + VLAN_TAG_AT)
  port.rxOffset[index] = eth + VLAN_TAG_BYTES
  port.rxLen[index] -= VLAN_TAG_BYTES
}

export class Receiver {
  private readonly fast: FastPath
  private readonly slow: SlowLink
  private readonly vlanStrip: boolean
  private readonly segment = new Segment()
  private readonly port: ReceivePort
  /** Flows with one of these flags get nothing from here. */
  private readonly refused: number
  private readonly handedBackFlags: number

  /**
   * Takes frames of `port`: the worker's port or its loop port. With `vlanStrip` frames with an 802.1Q tag are handled as if they
   * had none; otherwise they are not for us.
   */
  constructor(fast: FastPath, slow: SlowLink, port: ReceivePort, vlanStrip: boolean) {
    const isInside = port === fast.loop
    this.fast = fast
    this.slow = slow
    this.vlanStrip = vlanStrip
    this.port = port
    // From outside nobody can have one of our addresses (RFC 1122, 3.2.1.3).
    this.refused = isInside ? FLAG_REMOVING : FLAG_REMOVING | FLAG_LOOPBACK
    this.handedBackFlags = isInside ? RX_CHECKSUM_GOOD | RX_LOOPBACK : RX_CHECKSUM_GOOD
  }

  /** Handles frame `index` of the port's last burst. 40 to 50 ns without the copy. */
  frame(index: number): void {
    const { port } = this
    const flags = port.rxFlags[index]
    if ((flags & RX_TRUNCATED) !== 0) {
      this.fast.count(counters.DROP_TRUNCATED, 1)
      return
    }
    if ((flags & RX_VLAN) !== 0) {
      if (!this.vlanStrip) {
        this.fast.count(counters.DROP_NOT_OURS, 1)
        return
      }
    } else if (this.vlanStrip) takeTagOut(port, index)
    this.handle(port.frames, port.frameWords, port.rxOffset[index], port.rxLen[index], flags, port.rxGso[index], index)
  }

  /** Handles a packet that the slow path handed back: it stands in the state region, checked. */
  handedBack(eth: number, len: number): void {
    this.handle(this.fast.bytes, this.fast.words, eth, len, this.handedBackFlags, 0, -1)
  }

  private handle(
    bytes: Uint8Array, words: Int32Array, eth: number, len: number, rxFlags: number, gso: number, frame: number,
  ): void {
    const fast = this.fast
    const segment = this.segment
    const parsed = parseSegment(segment, bytes, words, eth, len)
    if (parsed === PARSED_MALFORMED) {
      fast.count(counters.DROP_MALFORMED, 1)
      return
    }
    const flow = parsed === PARSED_FOREIGN ? -1 : this.flowOf(segment)
    if (flow < 0 || parsed !== PARSED) {
      this.slow.packet(frame, eth, len, rxFlags, gso, flow)
      return
    }
    if ((rxFlags & (RX_CHECKSUM_PARTIAL | RX_CHECKSUM_GOOD)) === 0 && !this.port.verifyTcp(frame)) {
      fast.count(counters.DROP_CHECKSUM, 1)
      return
    }
    const tcb = fast.tcb(flow)
    if ((fast.words[tcb + TCB_FLAGS] & this.refused) !== 0) return
    if (this.acceptable(flow, tcb)) this.step(flow, tcb, frame, eth, len, rxFlags, gso)
  }

  /** The flow of a segment whose addresses and ports are known, or -1. */
  private flowOf(segment: Segment): number {
    const { fast } = this
    const local = fast.localIndex(segment.localIp)
    return local < 0 ? -1 : fast.flows.lookup(segment.remoteIp, segment.ports, local)
  }

  /**
   * Protection against wrapped sequence numbers (RFC 7323, 5.3) and the sequence check of RFC 9293, 3.10.7.4 for
   * segments that are wholly old or wholly beyond the window: these get an ACK and nothing else. A segment without
   * timestamps on a connection that has them is taken all the same, as Linux does: middleboxes strip options.
   */
  private acceptable(flow: number, tcb: number): boolean {
    const { fast, segment } = this
    const words = fast.words
    if (segment.hasTimestamps && (words[tcb + TCB_FLAGS] & FLAG_TIMESTAMPS) !== 0) {
      if (((segment.tsVal - words[tcb + TCB_TS_RECENT]) | 0) < 0 && this.isRecentGood(tcb)) {
        fast.count(counters.DROP_PAWS, 1)
        this.answer(flow, tcb)
        return false
      }
    }
    const old = (words[tcb + TCB_RCV_NXT] - segment.seq) | 0
    const sequenceLen = segment.payloadLen + (segment.flags & TCP_FIN)
    if (old > 0 && old >= sequenceLen) {
      this.duplicate(flow, tcb, old)
      return false
    }
    if (old < 0 && ((segment.seq - fast.rcvWindowEnd(tcb)) | 0) > 0) {
      fast.count(counters.RX_WINDOW_FULL, 1)
      this.answer(flow, tcb)
      return false
    }
    return true
  }

  /** RFC 7323, 5.5: after a silence longer than a timestamp takes to come round, TS.Recent says nothing. */
  private isRecentGood(tcb: number): boolean {
    const silentMs = (this.fast.tsNow - this.fast.words[tcb + TCB_HEARD_MS]) | 0
    return silentMs >= 0 && silentMs < TS_RECENT_MS
  }

  /**
   * A segment that has arrived before, wholly; `old` is how far before RCV.NXT it begins. Its acknowledgment may still be news: two
   * ends that have both lost acknowledgments, or sent beyond a window that shrank, would else refuse each other's for ever.
   * RFC 9293, 3.10.7.4 makes such an exception for a closed window; Linux makes it too.
   */
  private duplicate(flow: number, tcb: number, old: number): void {
    const { fast, segment } = this
    fast.count(counters.RX_DUPLICATE_DATA, 1)
    fast.words[tcb + TCB_HEARD_MS] = fast.tsNow
    const isRecent = old <= WINDOW_FIELD_MAX << fast.bytes[tcb * 4 + TCB_RCV_WSCALE_U8]
    const isNews = ((segment.ack - fast.words[tcb + TCB_SND_UNA]) | 0) > 0
    if (isRecent && isNews && !processAck(fast, this.slow, flow, tcb, segment)) return
    if (segment.payloadLen > 0) this.cameTwice(flow, tcb, segment.seq, (segment.seq + segment.payloadLen) | 0)
    this.answer(flow, tcb)
  }

  /** Payload [from, to) has arrived before: a peer that understands it is told (RFC 2883, 4). */
  private cameTwice(flow: number, tcb: number, from: number, to: number): void {
    const { fast } = this
    if ((fast.words[tcb + TCB_FLAGS] & FLAG_SACK) === 0) return
    fast.words[tcb + TCB_FLAGS] |= FLAG_GAP
    fast.quickAcks[flow] = QUICK_ACKS
    fast.reassembly.noteTwice(flow, from, to)
    this.listReports(flow, tcb)
  }

  /**
   * RFC 9293, 3.10.7.4, first: what is not acceptable is answered with an ACK. Without data or FIN not each time: two ends of which each
   * finds the other's acknowledgments unacceptable would go on for ever.
   */
  private answer(flow: number, tcb: number): void {
    const { fast, segment } = this
    if (segment.payloadLen === 0 && (segment.flags & TCP_FIN) === 0) {
      const sinceUs = (fast.now32 - fast.answered32[flow]) | 0
      if (sinceUs >= 0 && sinceUs < ANSWER_INTERVAL_US) return
      fast.answered32[flow] = fast.now32
    }
    fast.listAck(flow, tcb)
  }

  private step(flow: number, tcb: number, frame: number, eth: number, len: number, rxFlags: number, gso: number): void {
    const { fast, segment } = this
    const words = fast.words
    if (segment.payloadLen > 0 && (words[tcb + TCB_FLAGS] & FLAG_RX_SHUT) !== 0) {
      this.slow.packet(frame, eth, len, rxFlags, gso, flow)
      return
    }
    words[tcb + TCB_HEARD_MS] = fast.tsNow
    if (!processAck(fast, this.slow, flow, tcb, segment)) return
    if (segment.congested || (segment.flags & TCP_CWR) !== 0 || (words[tcb + TCB_FLAGS] & FLAG_ECE_OWED) !== 0) this.ecn(flow, tcb)
    // RFC 7323, 4.3: TS.Recent follows segments that cover the last acknowledgment we sent.
    if (segment.hasTimestamps && ((segment.seq - fast.lastAck[flow]) | 0) <= 0) {
      words[tcb + TCB_TS_RECENT] = segment.tsVal
    }
    if (segment.payloadLen > 0) this.payload(flow, tcb, frame, frame < 0 ? eth : 0, gso)
    if ((segment.flags & TCP_FIN) !== 0) this.fin(flow, tcb)
  }

  /** RFC 3168, 6.1.3: from CE on ECE is owed until CWR comes; a segment with both says CE once more. Not acceptable ones never get here (6.1.6). */
  private ecn(flow: number, tcb: number): void {
    const { fast, segment } = this
    const flags = fast.words[tcb + TCB_FLAGS]
    if ((flags & FLAG_ECN) === 0) return
    if ((flags & FLAG_ECN_ACCURATE) !== 0) this.echoEach(flow, tcb, (flags & FLAG_ECE_OWED) !== 0)
    else if (segment.congested) fast.words[tcb + TCB_FLAGS] = flags | FLAG_ECE_OWED
    else if ((segment.flags & TCP_CWR) !== 0) fast.words[tcb + TCB_FLAGS] = flags & ~FLAG_ECE_OWED
  }

  /**
   * RFC 8257, 3.2: ECE says of the data that an acknowledgment covers whether it was marked. Where that changes, what came before is
   * acknowledged first, with what was true of it. `isOwed`: it was marked.
   */
  private echoEach(flow: number, tcb: number, isOwed: boolean): void {
    const { fast, segment } = this
    const words = fast.words
    if (segment.payloadLen === 0 || segment.congested === isOwed) return
    if (fast.lastAck[flow] !== words[tcb + TCB_RCV_NXT]) this.acknowledge(flow, tcb)
    words[tcb + TCB_FLAGS] ^= FLAG_ECE_OWED
  }

  /** Acknowledges what has come so far, in the middle of a pass. Returns false if there is no room for that. */
  private acknowledge(flow: number, tcb: number): boolean {
    const { fast } = this
    if (fast.emitter.room === 0) return false
    fast.emitter.segment(flow, tcb, sendSequence(fast, tcb), 0, 0)
    return true
  }

  /** Places payload in the receive buffer. `base` is added to the payload's offset in the copy descriptor; `gso` as the port says. */
  private payload(flow: number, tcb: number, frame: number, base: number, gso: number): void {
    const { fast, segment } = this
    const words = fast.words
    if ((words[tcb + TCB_FLAGS] & FLAG_FIN_RECEIVED) !== 0) {
      fast.listAck(flow, tcb)
      return
    }
    const rcvNxt = words[tcb + TCB_RCV_NXT]
    const trim = Math.max(0, (rcvNxt - segment.seq) | 0)
    if (trim > 0) this.cameTwice(flow, tcb, segment.seq, rcvNxt)
    const start = (segment.seq + trim) | 0
    let len = segment.payloadLen - trim
    const room = (fast.rcvWindowEnd(tcb) - start) | 0
    if (len > room) {
      // Beyond the window: keep what fits; a FIN behind it is not ours yet.
      fast.count(counters.RX_WINDOW_FULL, 1)
      segment.flags &= ~TCP_FIN
      len = room
      fast.listAck(flow, tcb)
    }
    if (len <= 0) return
    if (start !== rcvNxt) {
      this.outOfOrder(flow, tcb, frame, base + segment.payloadFrom, start, len)
      return
    }
    this.copy(tcb, frame, base + segment.payloadFrom + trim, start, len)
    const end = (start + len) | 0
    words[tcb + TCB_RCV_NXT] = end
    // Frames arrive out of order even on lossless links: a gap that closes within the burst causes no duplicates.
    if (fast.ackCount[flow] > 1) fast.ackCount[flow] = 1
    if ((words[tcb + TCB_FLAGS] & FLAG_GAP) !== 0) this.closeGap(flow, tcb, end)
    // RFC 5681, 4.2: at least every second full-sized segment. The peer's may be smaller than ours, which only a super-segment shows.
    const unacked = (words[tcb + TCB_RCV_NXT] - fast.lastAck[flow]) | 0
    if (unacked >= 2 * fast.halves[tcb * 2 + TCB_MSS_U16] || (gso !== 0 && len >= 2 * gso)) this.acknowledgeSecond(flow, tcb)
    fast.listArrival(flow, tcb)
  }

  /**
   * A second full-sized segment has come. One acknowledgment at the end of the pass does for all that the pass brings; but where data is lost so are
   * acknowledgments, and one that stands for a whole window costs a timeout: for a while after a gap each second segment has its own, unless
   * several are to go anyway, since it takes more than one to tell what has changed.
   */
  private acknowledgeSecond(flow: number, tcb: number): void {
    const { fast } = this
    const hasOwn = (fast.words[tcb + TCB_FLAGS] & FLAG_GAP) !== 0 && fast.ackCount[flow] <= 1
    if (!hasOwn || !this.acknowledge(flow, tcb)) fast.listAck(flow, tcb)
  }

  /** RCV.NXT reached `end`: what waited behind the gap may now be in order. RFC 5681, 4.2: acknowledge at once, and for a while (emit.ts). */
  private closeGap(flow: number, tcb: number, end: number): void {
    const { fast } = this
    const next = fast.reassembly.advance(flow, tcb, end)
    fast.words[tcb + TCB_RCV_NXT] = next
    this.listReports(flow, tcb)
    if (fast.reassembly.takeFin(flow, next)) this.closed(flow, tcb, next)
  }

  /** Data behind a gap. RFC 5681, 4.2: a duplicate ACK goes out at once. Without a place for it, it has to come again. */
  private outOfOrder(flow: number, tcb: number, frame: number, from: number, start: number, len: number): void {
    const { fast, segment } = this
    const end = (start + len) | 0
    fast.count(counters.RX_OUT_OF_ORDER, 1)
    fast.words[tcb + TCB_FLAGS] |= FLAG_GAP
    fast.quickAcks[flow] = QUICK_ACKS
    if ((segment.flags & TCP_FIN) !== 0) fast.reassembly.noteFin(flow, end)
    segment.flags &= ~TCP_FIN
    // The copy is noted in the journal before the TCB counts the bytes. It harms nothing if they are known or find no place.
    this.copy(tcb, frame, from, start, len)
    if (!fast.reassembly.hold(flow, tcb, start, end)) fast.count(counters.DROP_OUT_OF_ORDER, 1)
    this.listDuplicate(flow, tcb)
  }

  /** The peer counts to three (RFC 5681, 4.2). With SACK two stand for all segments of a pass, if their blocks can name them all: one may be lost. */
  private listDuplicate(flow: number, tcb: number): void {
    const { fast } = this
    const hasSack = (fast.words[tcb + TCB_FLAGS] & FLAG_SACK) !== 0
    fast.listDuplicateAck(flow, tcb, hasSack ? 2 : 3)
    if (hasSack) this.listReports(flow, tcb)
  }

  /** Lists as many acknowledgments as it takes to report what has changed behind gaps. */
  private listReports(flow: number, tcb: number): void {
    const { fast } = this
    const flags = fast.words[tcb + TCB_FLAGS]
    if ((flags & FLAG_SACK) === 0) {
      fast.listAck(flow, tcb)
      return
    }
    const most = (flags & FLAG_TIMESTAMPS) === 0 ? BLOCKS_MAX : BLOCKS_MAX_TIMESTAMPS
    fast.listAcks(flow, tcb, fast.sackBlocks.acksNeeded(flow, most))
  }

  /** The one place where received payload gets its copy descriptor. */
  private copy(tcb: number, frame: number, from: number, seq: number, len: number): void {
    const { fast } = this
    const { words } = fast
    const size = 1 << fast.bytes[tcb * 4 + TCB_RX_LOG2_U8]
    const pos = (seq - words[tcb + TCB_RX_BASE]) & (size - 1)
    fast.journal.note(tcb)
    fast.copy(frame, from, fast.halves[tcb * 2 + TCB_APP_U16], words[tcb + TCB_BUFFER], size, pos, len)
  }

  /** RFC 9293, 3.10.7.4, eighth: the FIN counts once everything before it is there; until then it is remembered. */
  private fin(flow: number, tcb: number): void {
    const { fast, segment } = this
    const words = fast.words
    const finSeq = (segment.seq + segment.payloadLen) | 0
    const missing = (finSeq - words[tcb + TCB_RCV_NXT]) | 0
    if ((words[tcb + TCB_FLAGS] & FLAG_FIN_RECEIVED) !== 0 || missing < 0) {
      fast.listAck(flow, tcb)
      return
    }
    if (missing === 0) {
      this.closed(flow, tcb, finSeq)
      return
    }
    words[tcb + TCB_FLAGS] |= FLAG_GAP
    fast.reassembly.noteFin(flow, finSeq)
    this.listDuplicate(flow, tcb)
  }

  /** The peer's FIN at `finSeq` is in order: its stream has ended. */
  private closed(flow: number, tcb: number, finSeq: number): void {
    const { fast } = this
    const words = fast.words
    fast.reassembly.forget(flow, tcb)
    words[tcb + TCB_RCV_NXT] = (finSeq + 1) | 0
    words[tcb + TCB_FLAGS] |= FLAG_FIN_RECEIVED
    // Mostly the application closes as well, and our FIN carries the acknowledgment (RFC 1122, 4.2.3.2). Behind our FIN nothing can.
    if ((words[tcb + TCB_FLAGS] & FLAG_FIN_QUEUED) === 0) fast.listArrival(flow, tcb)
    else {
      fast.listEvent(flow, tcb)
      fast.listAck(flow, tcb)
    }
    fast.tellSlow(flow, tcb, WHAT_FIN_RECEIVED)
  }
}
