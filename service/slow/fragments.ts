/**
 * Reassembly of IPv4 fragments (RFC 791, 3.2; RFC 1122, 3.3.2; RFC 815 in spirit: a list of what there is). Memory, datagrams
 * and fragments are bounded in all and for each source, so that fragments which never become a datagram cost little:
 * where a bound is reached the oldest datagram gives way. Pieces that overlap end their datagram (RFC 5722, 4): only exact
 * repetitions are allowed, so what was checked is what is used.
 */
import {
  ECN_CE, ETHERNET_HEADER_BYTES, FRAGMENT_UNIT_BYTES, IPV4_BYTES_MAX, type Ipv4Parsed, makeIpv4Whole,
} from '../../lib/wire/index.js'
import type { Stats } from './stats.js'
import { Timer, type Timers } from './timers.js'

/** Bounds of what reassembly holds. */
export interface ReassemblyLimits {
  /** Bytes that all fragments together take here. */
  readonly bytes: number
  /** Bytes that those of one source take; enough for one datagram of any length. */
  readonly sourceBytes: number
  /** Datagrams under way. */
  readonly datagrams: number
  /** Those of one source. */
  readonly sourceDatagrams: number
  /** Fragments of one datagram. */
  readonly pieces: number
  /** How long a datagram is waited for, from its first fragment to arrive, microseconds. */
  readonly timeoutUs: number
}

/**
 * As Linux: 4 MiB and 30 s, half of what RFC 1122, 3.3.2 recommends, as memory is what an attacker is after. 256 pieces carry 64 KiB
 * over any path with an MTU of 276 and more.
 */
export const REASSEMBLY_LIMITS: ReassemblyLimits = {
  bytes: 4 << 20, sourceBytes: 1 << 20, datagrams: 1024, sourceDatagrams: 128, pieces: 256, timeoutUs: 30_000_000,
}

/** What a fragment and a datagram cost beside their bytes, about. */
const OVERHEAD_BYTES = 256

export interface ReassemblyEnv {
  readonly limits: ReassemblyLimits
  readonly timers: Timers
  readonly stats: Stats
  nowUs(): number
  /** Not all of a datagram came in time; `first` is the frame of its beginning, if that came (RFC 1122, 3.3.2). */
  timedOut(first: Uint8Array): void
}

interface Piece {
  readonly start: number
  readonly end: number
  /** Others follow: not the datagram's end. */
  readonly hasMore: boolean
  readonly bytes: Uint8Array
}

interface Source {
  bytes: number
  /** Oldest first. */
  readonly datagrams: Set<Datagram>
}

interface Datagram {
  readonly key: string
  readonly sourceIp: number
  readonly source: Source
  readonly deadlineUs: number
  /** In order, without overlaps. Empty once the datagram is lost: what still comes of it is dropped. */
  pieces: Piece[]
  isLost: boolean
  /** Payload bytes that are there, and bytes that they cost. */
  payloadBytes: number
  heldBytes: number
  /** Payload bytes of the whole, -1 as long as the last fragment is missing. */
  totalLen: number
  /** The first fragment's frame up to the end of its IP header. */
  head: Uint8Array | null
  /** Bit n: a fragment with ECN codepoint n was among them. */
  ecnSeen: number
}

export class Reassembly {
  private readonly env: ReassemblyEnv
  /** Oldest first. */
  private readonly datagrams = new Map<string, Datagram>()
  private readonly sources = new Map<number, Source>()
  private readonly timer = new Timer(() => this.expire())
  /** Bytes that fragments take here. */
  heldBytes = 0

  constructor(env: ReassemblyEnv) {
    this.env = env
  }

  /** Datagrams that are waited for. */
  get size(): number {
    return this.datagrams.size
  }

  /**
   * Takes one fragment, whose IP header `ip` begins behind the Ethernet header. Returns the whole datagram in a frame if this
   * was the last piece of it. Its checksums beyond the IP header's are those of its sender, whatever ports said of its fragments.
   */
  add(frame: Uint8Array, ip: Ipv4Parsed): Uint8Array | null {
    this.env.stats.add('fragments')
    if (!isSound(ip)) return this.drop()
    const datagram = this.datagrams.get(keyOf(ip)) ?? this.open(ip)
    if (datagram.isLost) return this.drop()
    const at = ETHERNET_HEADER_BYTES + ip.headerLen
    const { fragmentOffset: start, payloadLen, hasMore } = ip
    const piece = { start, end: start + payloadLen, hasMore, bytes: frame.subarray(at, at + payloadLen) }
    const place = placeOf(datagram.pieces, piece)
    if (isRepeated(datagram.pieces[place - 1], piece)) return this.drop()
    if (!fits(datagram, piece, place) || datagram.pieces.length >= this.env.limits.pieces) {
      this.drop()
      return this.lose(datagram)
    }
    this.keep(datagram, piece, place)
    if (!hasMore) datagram.totalLen = piece.end
    if (start === 0) datagram.head = frame.slice(0, at)
    datagram.ecnSeen |= 1 << (ip.tos & ECN_CE)
    if (datagram.payloadBytes === datagram.totalLen) return this.complete(datagram)
    this.makeRoom(datagram)
    return null
  }

  private open(ip: Ipv4Parsed): Datagram {
    const { limits } = this.env
    const source = this.sources.get(ip.sourceIp) ?? { bytes: 0, datagrams: new Set() }
    this.sources.set(ip.sourceIp, source)
    if (source.datagrams.size >= limits.sourceDatagrams) this.evict(source.datagrams)
    if (this.datagrams.size >= limits.datagrams) this.evict(this.datagrams.values())
    const datagram: Datagram = {
      key: keyOf(ip), sourceIp: ip.sourceIp, source, deadlineUs: this.env.nowUs() + limits.timeoutUs, pieces: [], isLost: false,
      payloadBytes: 0, heldBytes: 0, totalLen: -1, head: null, ecnSeen: 0,
    }
    // An eviction may have taken the source's last datagram, and the source with it.
    this.sources.set(ip.sourceIp, source)
    this.datagrams.set(datagram.key, datagram)
    source.datagrams.add(datagram)
    this.charge(datagram, OVERHEAD_BYTES)
    if (!this.timer.isSet) this.env.timers.set(this.timer, datagram.deadlineUs)
    return datagram
  }

  /** The frame's bytes are in a ring and gone after the poll: they are copied. */
  private keep(datagram: Datagram, piece: Piece, place: number): void {
    const len = piece.end - piece.start
    datagram.pieces.splice(place, 0, { ...piece, bytes: piece.bytes.slice() })
    datagram.payloadBytes += len
    this.charge(datagram, len + OVERHEAD_BYTES)
  }

  private charge(datagram: Datagram, bytes: number): void {
    datagram.heldBytes += bytes
    datagram.source.bytes += bytes
    this.heldBytes += bytes
  }

  private makeRoom(newest: Datagram): void {
    const { limits } = this.env
    while (newest.source.bytes > limits.sourceBytes) this.evict(newest.source.datagrams)
    while (this.heldBytes > limits.bytes) this.evict(this.datagrams.values())
  }

  /** Forgets the first of `oldestFirst`. */
  private evict(oldestFirst: Iterable<Datagram>): void {
    for (const datagram of oldestFirst) {
      this.forget(datagram)
      this.env.stats.add('dropFragments', datagram.pieces.length)
      return
    }
  }

  /** What is there and what is still to come of `datagram` is dropped. */
  private lose(datagram: Datagram): null {
    this.env.stats.add('dropFragments', datagram.pieces.length)
    this.charge(datagram, OVERHEAD_BYTES - datagram.heldBytes)
    datagram.isLost = true
    datagram.pieces = []
    datagram.head = null
    return null
  }

  private drop(): null {
    this.env.stats.add('dropFragments')
    return null
  }

  private complete(datagram: Datagram): Uint8Array | null {
    const { head, pieces, totalLen, ecnSeen } = datagram
    // The list has no gaps, so it begins with the first fragment.
    if (head === null || head.length - ETHERNET_HEADER_BYTES + totalLen > IPV4_BYTES_MAX) return this.lose(datagram)
    // RFC 3168, 5.3: congestion marks survive reassembly; a mark beside a fragment that could not be marked is no honest one.
    const isMarked = (ecnSeen & (1 << ECN_CE)) !== 0
    if (isMarked && (ecnSeen & 1) !== 0) return this.lose(datagram)
    this.forget(datagram)
    const frame = new Uint8Array(head.length + totalLen)
    frame.set(head)
    for (const { start, bytes } of pieces) frame.set(bytes, head.length + start)
    const tos = head[ETHERNET_HEADER_BYTES + 1]
    makeIpv4Whole(frame, ETHERNET_HEADER_BYTES, totalLen, isMarked ? tos | ECN_CE : tos)
    this.env.stats.add('datagramsReassembled')
    return frame
  }

  private forget(datagram: Datagram): void {
    const { source, sourceIp } = datagram
    this.charge(datagram, -datagram.heldBytes)
    this.datagrams.delete(datagram.key)
    source.datagrams.delete(datagram)
    if (source.datagrams.size === 0) this.sources.delete(sourceIp)
    if (this.datagrams.size === 0) this.env.timers.cancel(this.timer)
  }

  private expire(): void {
    const nowUs = this.env.nowUs()
    for (const datagram of this.datagrams.values()) {
      if (datagram.deadlineUs > nowUs) return this.env.timers.set(this.timer, datagram.deadlineUs)
      this.forget(datagram)
      if (datagram.isLost) continue
      this.env.stats.add('reassemblyTimeouts')
      const [first] = datagram.pieces
      if (datagram.head !== null) this.env.timedOut(joined(datagram.head, first.bytes))
    }
  }
}

/** Offsets count in eights, so only the last fragment may have any length; none may lie beyond what a length field can say. */
function isSound(ip: Ipv4Parsed): boolean {
  if (ip.payloadLen === 0 || (ip.hasMore && ip.payloadLen % FRAGMENT_UNIT_BYTES !== 0)) return false
  return ip.headerLen + ip.fragmentOffset + ip.payloadLen <= IPV4_BYTES_MAX
}

/** RFC 791, 3.2: source, destination, protocol and identification name a datagram. */
function keyOf(ip: Ipv4Parsed): string {
  return `${ip.sourceIp} ${ip.targetIp} ${ip.protocol} ${ip.id}`
}

/** Index behind the last piece that does not begin after `piece`. */
function placeOf(pieces: readonly Piece[], piece: Piece): number {
  let place = pieces.length
  while (place > 0 && pieces[place - 1].start > piece.start) place--
  return place
}

function isRepeated(before: Piece | undefined, { start, end, hasMore, bytes }: Piece): boolean {
  if (before === undefined || before.start !== start || before.end !== end || before.hasMore !== hasMore) return false
  return before.bytes.every((byte, i) => byte === bytes[i])
}

/** Whether `piece` overlaps none of the others and agrees with them on where the datagram ends. */
function fits({ pieces, totalLen }: Datagram, piece: Piece, place: number): boolean {
  const before = pieces[place - 1] as Piece | undefined
  const after = pieces[place] as Piece | undefined
  if (before !== undefined && before.end > piece.start) return false
  if (after !== undefined && piece.end > after.start) return false
  if (piece.hasMore) return totalLen < 0 || piece.end < totalLen
  return totalLen < 0 && after === undefined
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length)
  both.set(a)
  both.set(b, a.length)
  return both
}
