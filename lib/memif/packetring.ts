/**
 * A ring of 64-byte entries with an area of packet bytes beside it: what travels between fast path
 * and slow path. Every entry may own one packet; packets stand in the area in entry order, each
 * in one piece.
 *
 *   area   |.....| packet 7 | packet 8 | packet 9 |..........|  (skipped tail if one does not fit)
 *                ^ freed by the consumer           ^ next
 *
 * The consumer publishes the position behind the last released packet in the ring's header beside
 * its head, before the head.
 */
import { RingConsumer, RingProducer, ringBytes, type RingPlace } from './ring.js'

/** Words of an entry. Words 0 and 1 belong to the ring (below), the rest to the message. */
export const PACKET_ENTRY_WORDS = 16
/** Entry word: area position behind this entry's packet, the same as before for entries without one. */
const ENTRY_AREA_END = 1
/** Header word, in the consumer's cache line: area position up to which packets are freed. */
const FREED_WORD = 17

/** Packets start at this remainder of 16, so that the IP header behind an Ethernet header is aligned. */
const PACKET_SKEW = 2

/** A packet ring's place in a region. */
export interface PacketRingPlace {
  readonly ring: RingPlace
  /** Byte offset of the packet area in the region; a multiple of 64. */
  readonly areaOffset: number
  /** Bytes of the area; a power of two. */
  readonly areaBytes: number
}

/** Bytes that a packet ring takes; a multiple of 64. */
export function packetRingBytes(capacity: number, areaBytes: number): number {
  return ringBytes(capacity, PACKET_ENTRY_WORDS) + areaBytes
}

/** Lays a packet ring out at byte `offset` of a region, a multiple of 64. */
export function placePacketRing(offset: number, capacity: number, areaBytes: number): PacketRingPlace {
  return {
    ring: { firstWord: offset / 4, capacity, entryWords: PACKET_ENTRY_WORDS },
    areaOffset: offset + ringBytes(capacity, PACKET_ENTRY_WORDS),
    areaBytes,
  }
}

/** Writing side. `reserve`, fill words 2 to 15 of the entry, `push`; `publish` once a batch. */
export class PacketRingProducer extends RingProducer {
  /** Byte offset of the area in the region. */
  readonly areaOffset: number
  readonly areaBytes: number
  private readonly freedIndex: number
  /** Positions count bytes modulo 2^32; the place in the area is the position modulo its size. */
  private position: number
  private freed: number

  constructor(words: Int32Array, place: PacketRingPlace) {
    super(words, place.ring)
    this.areaOffset = place.areaOffset
    this.areaBytes = place.areaBytes
    this.freedIndex = place.ring.firstWord + FREED_WORD
    this.freed = Atomics.load(words, this.freedIndex)
    this.position = this.lastEnd(place)
  }

  /** A new producer goes on behind the last packet its predecessor pushed, if that one is still in the ring. */
  private lastEnd(place: PacketRingPlace): number {
    const { firstWord, capacity, entryWords } = place.ring
    const tail = Atomics.load(this.words, firstWord)
    const head = Atomics.load(this.words, firstWord + 16)
    if (tail === head) return this.freed
    const last = ((tail - 1) & (capacity - 1)) * entryWords
    return this.words[firstWord + 32 + last + ENTRY_AREA_END]
  }

  /**
   * Finds room for a packet of `lenBytes` for the entry that `reserve` returned. Returns its byte offset
   * from the start of the area, or -1 if there is no room now, or not enough to leave `spareBytes` of the area free. The
   * room is taken by `pushPacket`.
   */
  reservePacket(lenBytes: number, spareBytes = 0): number {
    const start = this.packetStart(lenBytes)
    const most = this.areaBytes - spareBytes
    if (((start + lenBytes - this.freed) | 0) > most) {
      this.freed = Atomics.load(this.words, this.freedIndex)
      if (((start + lenBytes - this.freed) | 0) > most) return -1
    }
    return start & (this.areaBytes - 1)
  }

  private packetStart(lenBytes: number): number {
    const aligned = ((this.position + 15) & ~15) + PACKET_SKEW
    const place = aligned & (this.areaBytes - 1)
    if (place + lenBytes <= this.areaBytes) return aligned | 0
    return (aligned - place + this.areaBytes + PACKET_SKEW) | 0
  }

  /** Takes the entry at `entry` with its packet of `lenBytes`, whose room `reservePacket` found. */
  pushPacket(entry: number, lenBytes: number): void {
    this.position = (this.packetStart(lenBytes) + lenBytes) | 0
    this.words[entry + ENTRY_AREA_END] = this.position
    this.push()
  }

  /** Takes the entry at `entry`, which has no packet. */
  pushMessage(entry: number): void {
    this.words[entry + ENTRY_AREA_END] = this.position
    this.push()
  }
}

/** Reading side. A packet's bytes are the producer's again after `release`. */
export class PacketRingConsumer extends RingConsumer {
  readonly areaOffset: number
  readonly areaBytes: number
  private readonly freedIndex: number
  private freed: number

  constructor(words: Int32Array, place: PacketRingPlace) {
    super(words, place.ring)
    this.areaOffset = place.areaOffset
    this.areaBytes = place.areaBytes
    this.freedIndex = place.ring.firstWord + FREED_WORD
    this.freed = Atomics.load(words, this.freedIndex)
  }

  /** Goes on to the next entry; `entry` is what `peek` returned. */
  pass(entry: number): void {
    this.freed = this.words[entry + ENTRY_AREA_END]
    this.next()
  }

  override release(): boolean {
    Atomics.store(this.words, this.freedIndex, this.freed)
    return super.release()
  }
}
