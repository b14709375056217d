/**
 * Which packets a worker passes up to the slow path when there are too many. Packets of known flows: so many a millisecond for
 * each flow. Packets of no flow, by kind, so that a flood of one kind does not starve the others:
 *
 *   from an address that has had a connection lately   tokens for peers first, then those of its kind
 *   a SYN that was refused and comes again              tokens of its own: made-up ones come once, a client tries again
 *   a segment for another worker (slowlink.ts)          tokens of its own, enough for all that comes while groups move
 *   SYNs | other TCP | ARP | echo requests | all else  tokens of the kind
 *
 * One kind stays well below what a CPU does in the slow path, and where the slow path lags all the same there are no new tokens: so
 * its queue stays short, and flow events do not wait long behind junk. Tokens come for several milliseconds at once: what a flood brings up
 * then comes in one go, and wakes the slow path once where it woke it each millisecond.
 */
import { ETHERNET_BYTES } from './segment.js'

/** Tokens a millisecond, and most that gather, for each kind below. */
const PEER = 0
const SYN = 1
const TCP = 2
const ARP = 3
const OTHER = 4
const AGAIN = 5
const STRAY = 6
const ECHO = 7
const RATE_PER_MS = Uint16Array.of(32, 6, 8, 2, 4, 6, 256, 2)
const BURST = Uint16Array.of(4096, 4096, 4096, 512, 2048, 1024, 8192, 1024)
/** Milliseconds between two refills while there is no lack of packets. */
const REFILL_EVERY_MS = 4
/** Longest time that tokens are added up for, in milliseconds: fills every bucket. */
const REFILL_MAX_MS = 1_000

/**
 * What a handshake takes of the tokens for peers: its SYN, its ACK and a first segment with data may find no flow. Who brings it to an end gets
 * them back, so that only what leads to nothing is limited, and not how many connections a second there are.
 */
const HANDSHAKE_PACKETS = 3

/** Packets of one known flow in a millisecond. */
const FLOW_PER_MS = 16

/** Addresses are remembered by 16 bits of a hash. */
const PEERS_LOG2 = 16
/** log2 of milliseconds in an epoch; addresses are remembered for PEER_EPOCHS of them, about an hour. */
const EPOCH_SHIFT = 16
const PEER_EPOCHS = 55
/** Stamps are 1 to 255; 0 stands for never. */
const EPOCHS = 255

/** Refused SYNs are remembered by 16 bits of a hash, in a place that the rest of it gives: 2 MiB, enough for a second of a million. */
const REFUSED_LOG2 = 20

/** Ethernet, IPv4 without options, TCP without options. */
const TCP_FRAME_BYTES = 54
const SOURCE_AT = 26
/** Behind source and target address, ports and sequence number. */
const SYN_NAME_END = 42
const TCP_FLAGS_AT = 47
/** Upper byte of "more fragments" and fragment offset, and the type behind a header without options (RFC 792). */
const FRAGMENT_AT = 20
const ICMP_TYPE_AT = 34
const ICMP_FRAME_BYTES = 42
const ICMP_ECHO_REQUEST = 8
/** SYN, RST and ACK; a SYN that opens a connection has the first alone. */
const OPENING_MASK = 0x16
const OPENING = 0x02

export class Admission {
  private readonly tokens = Int32Array.from(BURST)
  private filledMs = 0
  private readonly peers = new Uint8Array(1 << PEERS_LOG2)
  private readonly refused = new Uint16Array(1 << REFUSED_LOG2)
  /** For each flow: packets passed up in the millisecond `flowMs`. */
  private readonly flowCount: Uint8Array
  private readonly flowMs: Int32Array

  /** `flows`: entries of the TCB table. */
  constructor(flows: number) {
    this.flowCount = new Uint8Array(flows)
    this.flowMs = new Int32Array(flows)
  }

  /** A connection with `remoteIp` (raw word) has been established: its owner is no figment. */
  learn(remoteIp: number, nowMs: number): void {
    this.peers[peerSlot(remoteIp)] = stampOf(nowMs)
    this.tokens[PEER] = Math.min(BURST[PEER], this.tokens[PEER] + HANDSHAKE_PACKETS)
  }

  /** Whether one more packet of `flow` may go up now (milliseconds, low 32 bits). */
  admitsFlow(flow: number, nowMs: number): boolean {
    if (this.flowMs[flow] !== nowMs) {
      this.flowMs[flow] = nowMs
      this.flowCount[flow] = 0
    }
    if (this.flowCount[flow] >= FLOW_PER_MS) return false
    this.flowCount[flow]++
    return true
  }

  /** Whether `refill` is due before the next stranger is asked about. */
  isStale(nowMs: number): boolean {
    const sinceMs = (nowMs - this.filledMs) | 0
    return sinceMs < 0 || sinceMs >= REFILL_EVERY_MS
  }

  /** Whether the frame of `len` bytes at byte `eth`, which belongs to no flow, may go up now. */
  admitsStranger(bytes: Uint8Array, eth: number, len: number, nowMs: number): boolean {
    const kind = kindOf(bytes, eth, len)
    if ((kind === SYN || kind === TCP) && this.isPeer(bytes, eth, nowMs) && this.take(PEER)) return true
    if (this.take(kind)) return true
    return kind === SYN && this.isRepeated(bytes, eth) && this.take(AGAIN)
  }

  /** Whether one more frame may go up that is for another worker: its way there. Only what a flow can want; a SYN is a stranger's anywhere. */
  admitsStray(bytes: Uint8Array, eth: number, len: number): boolean {
    return kindOf(bytes, eth, len) === TCP && this.take(STRAY)
  }

  /** Whether this SYN was refused before; remembers it. Addresses, ports and sequence number are the same in all its copies. */
  private isRepeated(bytes: Uint8Array, eth: number): boolean {
    let h = 0
    for (let at = eth + SOURCE_AT; at < eth + SYN_NAME_END; at += 2) {
      h = Math.imul(h ^ (bytes[at] | (bytes[at + 1] << 8)), 0x9e3779b1)
      h ^= h >>> 15
    }
    const place = h >>> (32 - REFUSED_LOG2)
    const mark = (Math.imul(h, 0x85ebca6b) >>> 16) | 1
    if (this.refused[place] === mark) return true
    this.refused[place] = mark
    return false
  }

  private take(kind: number): boolean {
    if (this.tokens[kind] === 0) return false
    this.tokens[kind]--
    return true
  }

  /** New tokens for the time that has passed; with `keepsUp` false the time is forfeit. */
  refill(nowMs: number, keepsUp: boolean): void {
    const passedMs = (nowMs - this.filledMs) | 0
    // A clock that was not set before, or has wrapped, fills everything.
    const ms = passedMs < 0 || passedMs > REFILL_MAX_MS ? REFILL_MAX_MS : passedMs
    this.filledMs = nowMs
    if (!keepsUp) return
    for (let kind = PEER; kind <= ECHO; kind++) {
      this.tokens[kind] = Math.min(BURST[kind], this.tokens[kind] + ms * RATE_PER_MS[kind])
    }
  }

  private isPeer(bytes: Uint8Array, eth: number, nowMs: number): boolean {
    const at = eth + SOURCE_AT
    const stamp = this.peers[peerSlot(bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24))]
    return stamp !== 0 && (stampOf(nowMs) - stamp + EPOCHS) % EPOCHS < PEER_EPOCHS
  }
}

function stampOf(nowMs: number): number {
  return ((nowMs >>> EPOCH_SHIFT) % EPOCHS) + 1
}

function peerSlot(remoteIp: number): number {
  return Math.imul(remoteIp, 0x9e3779b1) >>> (32 - PEERS_LOG2)
}

function kindOf(bytes: Uint8Array, eth: number, len: number): number {
  if (len < ETHERNET_BYTES || bytes[eth + 12] !== 8) return OTHER
  if (bytes[eth + 13] === 6) return ARP
  if (len < ICMP_FRAME_BYTES || bytes[eth + 13] !== 0 || bytes[eth + 14] !== 0x45) return OTHER
  if (bytes[eth + 23] === 1) return isEcho(bytes, eth) ? ECHO : OTHER
  if (len < TCP_FRAME_BYTES || bytes[eth + 23] !== 6) return OTHER
  return (bytes[eth + TCP_FLAGS_AT] & OPENING_MASK) === OPENING ? SYN : TCP
}

/** Fragments are all else, whatever they carry. */
function isEcho(bytes: Uint8Array, eth: number): boolean {
  return (bytes[eth + FRAGMENT_AT] & 0x3f) === 0 && bytes[eth + FRAGMENT_AT + 1] === 0 && bytes[eth + ICMP_TYPE_AT] === ICMP_ECHO_REQUEST
}
