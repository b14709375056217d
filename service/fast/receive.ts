/**
 * The receive step: one frame to the flow it belongs to (RFC 9293, 3.10.7.4, for synchronized connections).
 * Whatever is not common goes to the slow path with its packet.
 */
import {
  FLAG_FIN_RECEIVED,
  FLAG_LOOPBACK,
  FLAG_REMOVING,
  FLAG_RX_SHUT,
  FLAG_TIMESTAMPS,
  TCB_APP_U16,
  TCB_BUFFER,
  TCB_FLAGS,
  TCB_HEARD_MS,
  TCB_MSS_U16,
  TCB_OOO_END,
  TCB_OOO_START,
  TCB_RCV_NXT,
  TCB_RCV_READ,
  TCB_RX_BASE,
  TCB_RX_LOG2_U8,
  TCB_TS_RECENT,
  WHAT_FIN_RECEIVED,
} from '../../lib/memif/index.js'
import {
  COPY_BUFFER,
  COPY_BUFFER_LEN,
  COPY_DESC_WORDS,
  COPY_FRAME,
  COPY_FROM,
  COPY_LEN,
  COPY_POS,
  COPY_REGION,
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
import { PARSED, PARSED_MALFORMED, parseSegment, Segment, TCP_FIN } from './segment.js'
import type { SlowLink } from './slowlink.js'

const ETHERNET_BYTES = 14
/** 802.1Q, 9.6: the tag stands between addresses and type. */
const VLAN_TAG_BYTES = 4
const VLAN_TAG_AT = 12

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
  private readonly copyDesc: Int32Array
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
    this.copyDesc = fast.port.copyDesc
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
    if (parsed !== PARSED) {
      this.slow.packet(frame, eth, len, rxFlags, gso, this.flowOfUncommon(bytes, words, eth, len))
      return
    }
    const local = fast.localIndex(segment.localIp)
    const flow = local < 0 ? -1 : fast.flows.lookup(segment.remoteIp, segment.ports, local)
    if (flow < 0) {
      this.slow.packet(frame, eth, len, rxFlags, gso, -1)
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

  /** A packet with unusual flags still belongs to a flow if it is TCP for one: the slow path wants to know which. */
  private flowOfUncommon(bytes: Uint8Array, words: Int32Array, eth: number, len: number): number {
    if (len < ETHERNET_BYTES + 40 || bytes[eth + 12] !== 8 || bytes[eth + 13] !== 0) return -1
    const ip = (eth + ETHERNET_BYTES) >> 2
    if ((words[ip] & 0xff) !== 0x45 || (words[ip + 1] & 0xff3f0000) !== 0 || bytes[eth + 23] !== 6) return -1
    const local = this.fast.localIndex(words[ip + 4])
    return local < 0 ? -1 : this.fast.flows.lookup(words[ip + 3], words[ip + 5], local)
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
      if (((segment.tsVal - words[tcb + TCB_TS_RECENT]) | 0) < 0) {
        fast.count(counters.DROP_PAWS, 1)
        fast.listAck(flow, tcb)
        return false
      }
    }
    const old = (words[tcb + TCB_RCV_NXT] - segment.seq) | 0
    const sequenceLen = segment.payloadLen + (segment.flags & TCP_FIN)
    if (old > 0 && old >= sequenceLen) {
      fast.count(counters.RX_DUPLICATE_DATA, 1)
      fast.listAck(flow, tcb)
      return false
    }
    const windowEnd = words[tcb + TCB_RCV_READ] + (1 << fast.bytes[tcb * 4 + TCB_RX_LOG2_U8])
    if (old < 0 && ((segment.seq - windowEnd) | 0) > 0) {
      fast.count(counters.RX_WINDOW_FULL, 1)
      fast.listAck(flow, tcb)
      return false
    }
    return true
  }

  private step(flow: number, tcb: number, frame: number, eth: number, len: number, rxFlags: number, gso: number): void {
    const { fast, segment } = this
    const words = fast.words
    if (segment.payloadLen > 0 && (words[tcb + TCB_FLAGS] & FLAG_RX_SHUT) !== 0) {
      this.slow.packet(frame, eth, len, rxFlags, gso, flow)
      return
    }
    words[tcb + TCB_HEARD_MS] = fast.tsNow
    if (!processAck(fast, flow, tcb, segment)) return
    // RFC 7323, 4.3: TS.Recent follows segments that cover the last acknowledgment we sent.
    if (segment.hasTimestamps && ((segment.seq - words[tcb + TCB_RCV_NXT]) | 0) <= 0) {
      words[tcb + TCB_TS_RECENT] = segment.tsVal
    }
    if (segment.payloadLen > 0) this.payload(flow, tcb, frame, frame < 0 ? eth : 0)
    if ((segment.flags & TCP_FIN) !== 0) this.fin(flow, tcb)
  }

  /** Places payload in the receive buffer. `base` is added to the payload's offset in the copy descriptor. */
  private payload(flow: number, tcb: number, frame: number, base: number): void {
    const { fast, segment } = this
    const words = fast.words
    if ((words[tcb + TCB_FLAGS] & FLAG_FIN_RECEIVED) !== 0) {
      fast.listAck(flow, tcb)
      return
    }
    const rcvNxt = words[tcb + TCB_RCV_NXT]
    const trim = Math.max(0, (rcvNxt - segment.seq) | 0)
    const start = (segment.seq + trim) | 0
    const windowEnd = (words[tcb + TCB_RCV_READ] + (1 << fast.bytes[tcb * 4 + TCB_RX_LOG2_U8])) | 0
    let len = segment.payloadLen - trim
    const room = (windowEnd - start) | 0
    if (len > room) {
      // Beyond the window: keep what fits; a FIN behind it is not ours yet.
      fast.count(counters.RX_WINDOW_FULL, 1)
      segment.flags &= ~TCP_FIN
      len = room
      fast.listAck(flow, tcb)
      if (len <= 0) return
    }
    if (start !== rcvNxt) {
      this.outOfOrder(flow, tcb, frame, base + segment.payloadFrom, start, len)
      return
    }
    this.copy(tcb, frame, base + segment.payloadFrom + trim, start, len)
    const end = (start + len) | 0
    words[tcb + TCB_RCV_NXT] = end
    // Frames arrive out of order even on lossless links: a gap that closes within the burst causes no duplicates.
    if (fast.ackCount[flow] > 1) fast.ackCount[flow] = 1
    if (words[tcb + TCB_OOO_START] !== words[tcb + TCB_OOO_END]) this.closeGap(flow, tcb, end)
    const unacked = (words[tcb + TCB_RCV_NXT] - fast.lastAck[flow]) | 0
    if (unacked >= 2 * fast.halves[tcb * 2 + TCB_MSS_U16]) fast.listAck(flow, tcb)
    fast.listArrival(flow, tcb)
  }

  /** RCV.NXT reached `end`: the interval behind the gap may now be in order. RFC 5681, 4.2: acknowledge at once. */
  private closeGap(flow: number, tcb: number, end: number): void {
    const words = this.fast.words
    if (((words[tcb + TCB_OOO_START] - end) | 0) <= 0) {
      const oooEnd = words[tcb + TCB_OOO_END]
      if (((oooEnd - end) | 0) > 0) words[tcb + TCB_RCV_NXT] = oooEnd
      words[tcb + TCB_OOO_START] = 0
      words[tcb + TCB_OOO_END] = 0
    }
    this.fast.listAck(flow, tcb)
  }

  /** One interval behind a gap is kept; a segment that does not touch it is dropped. Either way a duplicate ACK goes out. */
  private outOfOrder(flow: number, tcb: number, frame: number, from: number, start: number, len: number): void {
    const { fast } = this
    const words = fast.words
    const end = (start + len) | 0
    const oooStart = words[tcb + TCB_OOO_START]
    const oooEnd = words[tcb + TCB_OOO_END]
    fast.count(counters.RX_OUT_OF_ORDER, 1)
    fast.listDuplicateAck(flow, tcb)
    // The FIN of an out-of-order segment comes again once the gap is closed.
    this.segment.flags &= ~TCP_FIN
    if (oooStart === oooEnd) {
      words[tcb + TCB_OOO_START] = start
      words[tcb + TCB_OOO_END] = end
    } else if (((start - oooEnd) | 0) <= 0 && ((end - oooStart) | 0) >= 0) {
      if (((start - oooStart) | 0) < 0) words[tcb + TCB_OOO_START] = start
      if (((end - oooEnd) | 0) > 0) words[tcb + TCB_OOO_END] = end
    } else {
      fast.count(counters.DROP_OUT_OF_ORDER, 1)
      return
    }
    this.copy(tcb, frame, from, start, len)
  }

  private copy(tcb: number, frame: number, from: number, seq: number, len: number): void {
    const { fast } = this
    const desc = this.copyDesc
    fast.journal.note(tcb)
    const at = fast.copies * COPY_DESC_WORDS
    const size = 1 << fast.bytes[tcb * 4 + TCB_RX_LOG2_U8]
    desc[at + COPY_FRAME] = frame
    desc[at + COPY_FROM] = from
    desc[at + COPY_REGION] = fast.halves[tcb * 2 + TCB_APP_U16]
    desc[at + COPY_BUFFER] = fast.words[tcb + TCB_BUFFER]
    desc[at + COPY_BUFFER_LEN] = size
    desc[at + COPY_POS] = (seq - fast.words[tcb + TCB_RX_BASE]) & (size - 1)
    desc[at + COPY_LEN] = len
    fast.copies++
  }

  /** RFC 9293, 3.10.7.4, eighth: the FIN counts once everything before it is there. */
  private fin(flow: number, tcb: number): void {
    const { fast, segment } = this
    const words = fast.words
    const flags = words[tcb + TCB_FLAGS]
    const finSeq = (segment.seq + segment.payloadLen) | 0
    if ((flags & FLAG_FIN_RECEIVED) !== 0 || finSeq !== words[tcb + TCB_RCV_NXT]) {
      fast.listAck(flow, tcb)
      return
    }
    words[tcb + TCB_RCV_NXT] = (finSeq + 1) | 0
    words[tcb + TCB_FLAGS] = flags | FLAG_FIN_RECEIVED
    fast.listEvent(flow, tcb)
    fast.listAck(flow, tcb)
    fast.tellSlow(flow, tcb, WHAT_FIN_RECEIVED)
  }
}
