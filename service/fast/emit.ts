/**
 * Builds one segment: headers in a slot of the port, payload named by the descriptor, never copied.
 *
 *   slot   | 8 free | virtio 10 | Ethernet 14 | IPv4 20 | TCP 20 or 32 |
 *                               ^ byte 18      ^ byte 32
 */
import {
  FLAG_TIMESTAMPS,
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
  TCB_RCV_READ,
  TCB_RCV_WSCALE_U8,
  TCB_REMOTE_IP,
  TCB_RX_LOG2_U8,
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
} from '../../native/port.js'
import { swap16, swap32 } from './bytes.js'
import * as counters from './counterindex.js'
import type { FastPath } from './fastpath.js'
import { TCP_ACK } from './segment.js'

const ETHERNET_BYTES = 14
const TCP_BYTES = 20
const TIMESTAMPS_BYTES = 12
/** IPv4, 20 bytes of header, TOS 0; then no identification (RFC 6864, 4.1: atomic), do not fragment; then TTL, TCP. */
const IP_FIRST = 0x45
const IP_FRAGMENT = 0x40
const IP_TCP = 6
const ETHERTYPE_IPV4 = 0x0008
const TIMESTAMPS_ALIGNED = 0x0a080101

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
   * `tcpFlags` are added to ACK.
   */
  segment(flow: number, tcb: number, seq: number, len: number, tcpFlags: number): void {
    const fast = this.fast
    const state = fast.words
    const slot = fast.txEnd++
    const timestamps = (state[tcb + TCB_FLAGS] & FLAG_TIMESTAMPS) !== 0
    const tcpLen = timestamps ? TCP_BYTES + TIMESTAMPS_BYTES : TCP_BYTES
    this.ethernet(slot, fast.halves[tcb * 2 + TCB_NEIGHBOR_U16])
    const at = (slot * TX_SLOT_BYTES + 32) >> 2
    const words = this.words
    words[at] = IP_FIRST | (swap16(20 + tcpLen + len) << 16)
    words[at + 1] = IP_FRAGMENT << 16
    words[at + 2] = this.ttlAndProtocol
    words[at + 3] = state[STATE_LOCAL_ADDRESSES + fast.bytes[tcb * 4 + TCB_LOCAL_IP_U8]]
    words[at + 4] = state[tcb + TCB_REMOTE_IP]
    const ports = state[tcb + TCB_PORTS]
    words[at + 5] = (ports << 16) | (ports >>> 16)
    words[at + 6] = swap32(seq)
    words[at + 7] = swap32(state[tcb + TCB_RCV_NXT])
    words[at + 8] = (tcpLen << 2) | ((tcpFlags | TCP_ACK) << 8) | (swap16(this.window(tcb)) << 16)
    words[at + 9] = 0
    if (timestamps) {
      words[at + 10] = TIMESTAMPS_ALIGNED
      words[at + 11] = swap32(fast.tsNow)
      words[at + 12] = swap32(state[tcb + TCB_TS_RECENT])
    }
    this.describe(slot, tcb, seq, len, ETHERNET_BYTES + 20 + tcpLen)
    fast.lastAck[flow] = state[tcb + TCB_RCV_NXT]
    fast.ackCount[flow] = 0
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

  /** The window field, and RCV.NXT + what it promises into rcvAdv. */
  private window(tcb: number): number {
    const state = this.fast.words
    const scale = this.fast.bytes[tcb * 4 + TCB_RCV_WSCALE_U8]
    const windowEnd = state[tcb + TCB_RCV_READ] + (1 << this.fast.bytes[tcb * 4 + TCB_RX_LOG2_U8])
    const bytes = Math.max(0, (windowEnd - state[tcb + TCB_RCV_NXT]) | 0)
    const field = Math.min(bytes >>> scale, 0xffff)
    state[tcb + TCB_RCV_ADV] = (state[tcb + TCB_RCV_NXT] + (field << scale)) | 0
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
