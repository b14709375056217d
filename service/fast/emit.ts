/**
 * Builds one segment: headers in a slot of the port, payload named by the descriptor, never copied.
 *
 *   slot   | 8 free | virtio 10 | Ethernet 14 | IPv4 20 | TCP 20 or 32 | SACK |
 *                               ^ byte 18      ^ byte 32
 *
 * A source route goes between IPv4 and TCP header at the end (sourceroute.ts).
 */
import {
  FLAG_CWR_OWED,
  FLAG_ECE_OWED,
  FLAG_ECN,
  FLAG_EXTRA,
  FLAG_GAP,
  FLAG_LOOPBACK,
  FLAG_SACK,
  FLAG_TIMESTAMPS,
  FLAGS_TOS_SHIFT,
  NEIGHBOR_WORDS,
  STATE_LOCAL_ADDRESSES,
  STATE_MAC,
  STATE_TTL,
  TCB_APP_U16,
  TCB_FLAGS,
  TCB_LOCAL_IP_U8,
  TCB_MSS_U16,
  TCB_NEIGHBOR_U16,
  TCB_PORTS,
  TCB_RCV_ADV,
  TCB_RCV_NXT,
  TCB_RCV_WSCALE_U8,
  TCB_REMOTE_IP,
  TCB_TS_RECENT,
  TCB_TX_BASE,
  TCB_TX_BUFFER,
  TCB_TX_LOG2_U8,
} from '../../lib/memif/index.js'
import {
  TX_BUFFER,
  TX_BUFFER_LEN,
  TX_DESC_WORDS,
  TX_GSO,
  TX_HEADER_LEN,
  TX_PAYLOAD_LEN,
  TX_POS,
  TX_REGION,
  TX_SLOT_BYTES,
  TX_SLOT_ETHERNET,
} from '../../native/port.js'
import { swap16, swap32 } from './bytes.js'
import * as counters from './counterindex.js'
import type { FastPath } from './fastpath.js'
import { BLOCKS_MAX, BLOCKS_MAX_TIMESTAMPS } from './sackblocks.js'
import {
  ETHERNET_BYTES, ETHERTYPE_IPV4, IP_BYTES, SEGMENT_NEW_DATA, TCP_ACK, TCP_BYTES, TCP_CWR, TCP_ECE, TCP_URG,
  TIMESTAMPS_ALIGNED, TIMESTAMPS_BYTES, WINDOW_FIELD_MAX,
} from './segment.js'
import { insertRoute, routeBytes } from './sourceroute.js'
import { urgentPointer } from './urgent.js'

/** IPv4, 20 bytes of header, behind them the TOS byte; then no identification (RFC 6864, 4.1: atomic), do not fragment; then TTL, TCP. */
const IP_FIRST = 0x45
const IP_FRAGMENT = 0x40
const IP_TCP = 6
/** NOP, NOP, SACK; the option's length goes into the upper byte. */
const SACK_ALIGNED = 0x00050101
const SACK_START_BYTES = 4
/** Options of IP and TCP that a header slot has room for. */
const SLOT_OPTION_BYTES = TX_SLOT_BYTES - TX_SLOT_ETHERNET - ETHERNET_BYTES - IP_BYTES - TCP_BYTES
/** DSCP in a TOS byte; the two bits below are ECN's (RFC 3168, 5), of which ECT(0) is set in data. */
const DSCP_MASK = 0xfc
const ECT_0 = 2
const FLAG_BITS = 0xff

/** Writes headers into the port's slots. */
export class Emitter {
  private readonly fast: FastPath
  private readonly words: Int32Array
  private readonly halves: Uint16Array
  private readonly desc: Int32Array
  private readonly slots: number
  private readonly neighborsWord: number
  /** Our MAC address does not change while the worker runs: its bytes 0 to 3, then 4 and 5 with the EtherType. */
  private readonly macFirst: number
  private readonly macRestAndType: number
  /** The half word of the IP header with time to live (RFC 9293, 3.9.2: MUST-49) and protocol. */
  private readonly ttlAndProtocol: number

  constructor(fast: FastPath) {
    this.fast = fast
    const port = fast.port
    this.words = port.txHeaderWords
    this.halves = new Uint16Array(this.words.buffer, this.words.byteOffset, this.words.length * 2)
    this.desc = port.txDesc
    this.slots = port.txSlots
    this.neighborsWord = fast.state.places.neighborsWord
    this.macFirst = fast.words[STATE_MAC]
    this.ttlAndProtocol = (fast.words[STATE_TTL] & 0xff) | (IP_TCP << 8)
    this.macRestAndType = (fast.words[STATE_MAC + 1] & 0xffff) | (ETHERTYPE_IPV4 << 16)
  }

  /** Free header slots. */
  get room(): number {
    return this.slots - this.fast.txEnd
  }

  /**
   * Emits the segment [seq, seq + len) with an acknowledgment. Only if there is room. About 25 ns.
   * `tcpFlags` are added to ACK; SEGMENT_NEW_DATA may be among them. May clear FLAG_GAP and FLAG_CWR_OWED of the flow.
   */
  segment(flow: number, tcb: number, seq: number, len: number, tcpFlags: number): void {
    const fast = this.fast
    const state = fast.words
    const slot = fast.txEnd++
    const flags = state[tcb + TCB_FLAGS]
    if ((flags & FLAG_LOOPBACK) !== 0) fast.loopback.mark(slot)
    const timestamps = (flags & FLAG_TIMESTAMPS) !== 0
    const tcpLen = timestamps ? TCP_BYTES + TIMESTAMPS_BYTES : TCP_BYTES
    this.ethernet(slot, fast.halves[tcb * 2 + TCB_NEIGHBOR_U16])
    const at = (slot * TX_SLOT_BYTES + 32) >> 2
    const words = this.words
    words[at] = IP_FIRST | (((flags >>> FLAGS_TOS_SHIFT) & DSCP_MASK) << 8) | (swap16(IP_BYTES + tcpLen + len) << 16)
    words[at + 1] = IP_FRAGMENT << 16
    words[at + 2] = this.ttlAndProtocol
    words[at + 3] = state[STATE_LOCAL_ADDRESSES + fast.bytes[tcb * 4 + TCB_LOCAL_IP_U8]]
    words[at + 4] = state[tcb + TCB_REMOTE_IP]
    const ports = state[tcb + TCB_PORTS]
    words[at + 5] = (ports << 16) | (ports >>> 16)
    words[at + 6] = swap32(seq)
    words[at + 7] = swap32(state[tcb + TCB_RCV_NXT])
    words[at + 8] = (tcpLen << 2) | (((tcpFlags & FLAG_BITS) | TCP_ACK) << 8) | (swap16(this.window(tcb)) << 16)
    words[at + 9] = 0
    if (timestamps) {
      words[at + 10] = TIMESTAMPS_ALIGNED
      words[at + 11] = swap32(fast.tsNow)
      words[at + 12] = swap32(state[tcb + TCB_TS_RECENT])
    }
    this.describe(slot, tcb, seq, len, ETHERNET_BYTES + IP_BYTES + tcpLen)
    fast.lastAck[flow] = state[tcb + TCB_RCV_NXT]
    if ((flags & (FLAG_GAP | FLAG_ECN | FLAG_EXTRA)) === 0) fast.ackCount[flow] = 0
    else this.uncommon(flow, tcb, slot, at, seq, len, tcpFlags, flags)
  }

  /** The segment emitted last leaves as one packet, however long it is. */
  keepWhole(): void {
    this.desc[(this.fast.txEnd - 1) * TX_DESC_WORDS + TX_GSO] = 0
  }

  /** What a segment needs besides on a flow with ECN, a gap, urgent data or a route; the rest stands in the slot, IP header at word `at`. */
  private uncommon(flow: number, tcb: number, slot: number, at: number, seq: number, len: number, tcpFlags: number, flags: number): void {
    const { fast } = this
    if ((flags & FLAG_EXTRA) !== 0) this.urgent(flow, tcb, at, seq)
    if ((flags & FLAG_ECN) !== 0) this.ecn(tcb, at, len > 0 && (tcpFlags & SEGMENT_NEW_DATA) !== 0, flags)
    if ((flags & FLAG_GAP) === 0) fast.ackCount[flow] = 0
    // A data segment is no duplicate acknowledgment (RFC 5681, 2) and has no blocks: what is owed goes out behind it.
    else if (len === 0) this.gap(flow, tcb, slot, at, flags)
    if ((flags & FLAG_EXTRA) !== 0) insertRoute(fast, flow, this.words, at, slot)
  }

  /**
   * ECT(0) on new data only, since a retransmission or probe must not carry it (RFC 3168, 6.1.5 and 6.1.6), with it CWR
   * once (6.1.2); ECE on everything until the peer's CWR (6.1.3).
   */
  private ecn(tcb: number, at: number, newData: boolean, flags: number): void {
    const { words } = this
    let bits = (flags & FLAG_ECE_OWED) === 0 ? 0 : TCP_ECE
    if (newData) {
      words[at] |= ECT_0 << 8
      if ((flags & FLAG_CWR_OWED) !== 0) {
        bits |= TCP_CWR
        this.fast.words[tcb + TCB_FLAGS] &= ~FLAG_CWR_OWED
      }
    }
    words[at + 8] |= bits << 8
  }

  private urgent(flow: number, tcb: number, at: number, seq: number): void {
    const pointer = urgentPointer(this.fast, flow, tcb, seq)
    if (pointer === 0) return
    this.words[at + 8] |= TCP_URG << 8
    this.words[at + 9] = swap16(pointer) << 16
  }

  /**
   * A pure acknowledgment while something waits behind a gap, or a duplicate has come. FLAG_GAP stays for QUICK_ACKS more: where data is
   * lost so are acknowledgments, the peer's window is small, and one that is missing costs it a timeout. With 5 % loss both ways twice as
   * much arrives.
   */
  private gap(flow: number, tcb: number, slot: number, at: number, flags: number): void {
    const { fast } = this
    fast.ackCount[flow] = 0
    const blocks = (flags & FLAG_SACK) === 0 ? 0 : this.blocksMax(flow, flags)
    if (blocks === 0) fast.reassembly.forgetTwice(flow)
    else this.sack(flow, slot, at, (flags & FLAG_TIMESTAMPS) !== 0, blocks)
    if (fast.reassembly.isWaiting(flow)) return
    if (fast.quickAcks[flow] > 0) fast.quickAcks[flow]--
    else fast.words[tcb + TCB_FLAGS] &= ~FLAG_GAP
  }

  /** SACK blocks that a segment has room for: those of RFC 2018, 3, and beside a source route what the slot leaves. */
  private blocksMax(flow: number, flags: number): number {
    const timestamps = (flags & FLAG_TIMESTAMPS) !== 0
    const most = timestamps ? BLOCKS_MAX_TIMESTAMPS : BLOCKS_MAX
    if ((flags & FLAG_EXTRA) === 0) return most
    const room = SLOT_OPTION_BYTES - routeBytes(this.fast, flow) - (timestamps ? TIMESTAMPS_BYTES : 0)
    return Math.min(most, (room - SACK_START_BYTES) >> 3)
  }

  /** Adds a SACK option of up to `most` blocks behind the options there are (RFC 2018, 3), if there is something to report. */
  private sack(flow: number, slot: number, at: number, timestamps: boolean, most: number): void {
    const { words } = this
    const option = at + ((IP_BYTES + TCP_BYTES) >> 2) + (timestamps ? TIMESTAMPS_BYTES >> 2 : 0)
    const blocks = this.fast.sackBlocks.write(flow, words, option + 1, most)
    if (blocks === 0) return
    words[option] = SACK_ALIGNED | ((2 + 8 * blocks) << 24)
    const optionBytes = SACK_START_BYTES + 8 * blocks
    words[at] = (words[at] & 0xffff) | (swap16(swap16(words[at] >>> 16) + optionBytes) << 16)
    words[at + 8] += optionBytes << 2
    this.desc[slot * TX_DESC_WORDS + TX_HEADER_LEN] += optionBytes
  }

  /**
   * The Ethernet header stands at 2 modulo 4: a half word, then three words.
   *
   *   18: to 0-1 | 20: to 2-5 | 24: from 0-3 | 28: from 4-5, type |
   */
  private ethernet(slot: number, neighbor: number): void {
    const { words } = this
    const state = this.fast.words
    const to = this.neighborsWord + neighbor * NEIGHBOR_WORDS
    const first = state[to]
    const at = (slot * TX_SLOT_BYTES + 20) >> 2
    this.halves[at * 2 - 1] = first
    words[at] = (first >>> 16) | (state[to + 1] << 16)
    words[at + 1] = this.macFirst
    words[at + 2] = this.macRestAndType
  }

  /**
   * The window field, and RCV.NXT + what it promises into rcvAdv. A scaled field is rounded up where rounding down would take
   * back what was promised (RFC 9293, 3.8.6: SHLD-14); what that can add at the buffer's end is not promised at first.
   */
  private window(tcb: number): number {
    const state = this.fast.words
    const scale = this.fast.bytes[tcb * 4 + TCB_RCV_WSCALE_U8]
    const slack = (1 << scale) - 1
    const rcvNxt = state[tcb + TCB_RCV_NXT]
    const most = Math.max(0, (this.fast.rcvWindowEnd(tcb) - slack - rcvNxt) | 0)
    const promised = Math.min((state[tcb + TCB_RCV_ADV] - rcvNxt) | 0, most)
    const bytes = (most & ~slack) < promised ? promised + slack : most
    const field = Math.min(bytes >>> scale, WINDOW_FIELD_MAX)
    state[tcb + TCB_RCV_ADV] = (rcvNxt + (field << scale)) | 0
    return field
  }

  /** Without payload the port looks at the header's length only. */
  private describe(slot: number, tcb: number, seq: number, len: number, headerLen: number): void {
    const { fast, desc } = this
    const at = slot * TX_DESC_WORDS
    desc[at + TX_HEADER_LEN] = headerLen
    desc[at + TX_PAYLOAD_LEN] = len
    desc[at + TX_GSO] = 0
    if (len === 0) return
    const mss = fast.halves[tcb * 2 + TCB_MSS_U16]
    const size = 1 << fast.bytes[tcb * 4 + TCB_TX_LOG2_U8]
    desc[at + TX_REGION] = fast.halves[tcb * 2 + TCB_APP_U16]
    desc[at + TX_BUFFER] = fast.words[tcb + TCB_TX_BUFFER]
    desc[at + TX_BUFFER_LEN] = size
    desc[at + TX_POS] = (seq - fast.words[tcb + TCB_TX_BASE]) & (size - 1)
    if (len > mss) desc[at + TX_GSO] = mss
    fast.count(counters.TX_BYTES, len)
  }
}
