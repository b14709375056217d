/**
 * One side of a ring, in a process of its own: `ringpeer.js ROLE KIND SEED COUNT`. Descriptors: 3 the region, 4 the
 * producer's eventfd, 5 the consumer's. Both sides sleep whenever they cannot go on and wait without a time-out, so a
 * lost wake-up stops them for good. Prints what it saw as JSON.
 */
import { pathToFileURL } from 'node:url'
import {
  Doorbell, PacketRingConsumer, packetRingBytes, PacketRingProducer, placePacketRing, SleepMark,
} from '../../lib/memif/index.js'
import { EventFd, mapRegion, waitReadable } from '../../native/index.js'
import { Random } from '../e2e/seeded.js'

export type RingKind = 'entries' | 'packets'

/** Words of the sleeping marks. */
export const PRODUCER_MARK = 0
export const CONSUMER_MARK = 16
/** Few, so that both sides are often held up. */
const CAPACITY = 16
const AREA_BYTES = 4096
const RING_AT = 128
export const RING_PLACE = placePacketRing(RING_AT, CAPACITY, AREA_BYTES)
export const REGION_BYTES = 4096 * Math.ceil((RING_AT + packetRingBytes(CAPACITY, AREA_BYTES)) / 4096)
const PACKET_MAX = 300
/** Larger than the ring: some batches fill it. */
const BATCH_MAX = 2 * CAPACITY
/** Words of an entry that are ours, from the third on. */
const FIRST_WORD = 2
const LAST_WORD = 15

export interface PeerReport { readonly entries: number; readonly checksum: number; readonly sleeps: number; readonly wakes: number }

/** This side's sleeping and the other side's waking. */
class Waiting {
  sleeps = 0
  private readonly mark: SleepMark
  private readonly wake: EventFd
  private readonly other: Doorbell
  private readonly fds: Int32Array

  constructor(words: Int32Array, own: { mark: number; fd: number }, other: { mark: number; fd: number }) {
    this.mark = new SleepMark(words, own.mark)
    this.wake = new EventFd(own.fd)
    this.other = new Doorbell(words, other.mark, new EventFd(other.fd))
    this.fds = Int32Array.of(own.fd)
  }

  ring(): void {
    this.other.ring()
  }

  get wakes(): number {
    return this.other.rings
  }

  /** Sleeps until `mayGoOn`, by the protocol of lib/memif/doorbell.ts. */
  sleepUntil(mayGoOn: () => boolean): void {
    while (!mayGoOn()) {
      this.mark.set()
      if (!mayGoOn()) {
        this.sleeps++
        waitReadable(this.fds, 1, -1)
        this.wake.drain()
      }
      this.mark.clear()
    }
  }
}

/** What both sides know of entry `index`: the packet's length, or -1 for none, and all its words. */
class Contents {
  lenBytes = -1
  word = 0
  private readonly random: Random
  private readonly kind: RingKind

  constructor(seed: number, kind: RingKind) {
    this.random = new Random(seed)
    this.kind = kind
  }

  next(): void {
    this.word = this.random.u32() | 0
    this.lenBytes = this.kind === 'packets' && this.word % 4 !== 0 ? (this.word >>> 8) % PACKET_MAX : -1
  }

  at(index: number): number {
    return Math.imul(this.word + index, 0x9e3779b1) ^ index
  }
}

function produce(words: Int32Array, kind: RingKind, seed: number, count: number, waiting: Waiting): PeerReport {
  const ring = new PacketRingProducer(words, RING_PLACE)
  const bytes = new Uint8Array(words.buffer)
  const contents = new Contents(seed, kind)
  const batches = new Random(seed ^ 1)
  let checksum = 0
  for (let index = 0, left = 0; index < count; index++) {
    if (left-- === 0) {
      if (ring.publish()) waiting.ring()
      left = batches.between(0, BATCH_MAX)
    }
    contents.next()
    const { lenBytes } = contents
    const hasRoom = (): boolean => ring.reserve() >= 0 && (lenBytes < 0 || ring.reservePacket(lenBytes) >= 0)
    if (!hasRoom()) {
      if (ring.publish()) waiting.ring()
      waiting.sleepUntil(hasRoom)
    }
    const entry = ring.reserve()
    for (let at = FIRST_WORD; at <= LAST_WORD; at++) checksum = Math.imul(checksum ^ (words[entry + at] = contents.at(at)), 31)
    if (lenBytes < 0) ring.pushMessage(entry)
    else {
      const start = ring.reservePacket(lenBytes)
      words[entry + FIRST_WORD] = start
      for (let at = 0; at < lenBytes; at++) bytes[ring.areaOffset + start + at] = contents.at(at)
      ring.pushPacket(entry, lenBytes)
    }
  }
  if (ring.publish()) waiting.ring()
  return { entries: count, checksum, sleeps: waiting.sleeps, wakes: waiting.wakes }
}

function consume(words: Int32Array, kind: RingKind, seed: number, count: number, waiting: Waiting): PeerReport {
  const ring = new PacketRingConsumer(words, RING_PLACE)
  const bytes = new Uint8Array(words.buffer)
  const contents = new Contents(seed, kind)
  const batches = new Random(seed ^ 2)
  let checksum = 0
  for (let index = 0, left = 0; index < count; index++) {
    if (left-- === 0) {
      if (ring.release()) waiting.ring()
      left = batches.between(0, BATCH_MAX)
    }
    if (ring.peek() < 0) {
      if (ring.release()) waiting.ring()
      waiting.sleepUntil(() => !ring.isEmpty())
    }
    const entry = ring.peek()
    contents.next()
    const { lenBytes } = contents
    for (let at = FIRST_WORD; at <= LAST_WORD; at++) {
      const isStart = at === FIRST_WORD && lenBytes >= 0
      const word = isStart ? contents.at(at) : words[entry + at]
      if (word !== contents.at(at)) throw new Error(`entry ${index}: word ${at} is ${word}, want ${contents.at(at)}`)
      checksum = Math.imul(checksum ^ word, 31)
    }
    const start = ring.areaOffset + words[entry + FIRST_WORD]
    for (let at = 0; at < lenBytes; at++) {
      if (bytes[start + at] !== (contents.at(at) & 0xff)) throw new Error(`entry ${index}: byte ${at} of ${lenBytes} is wrong`)
    }
    ring.pass(entry)
  }
  if (ring.release()) waiting.ring()
  if (!ring.isEmpty() || ring.corrupt) throw new Error('something is left behind the last entry')
  return { entries: count, checksum, sleeps: waiting.sleeps, wakes: waiting.wakes }
}

function main(): void {
  const [role, kind, seed, count] = process.argv.slice(2)
  const words = new Int32Array(mapRegion(3, REGION_BYTES, true))
  const producer = { mark: PRODUCER_MARK, fd: 4 }
  const consumer = { mark: CONSUMER_MARK, fd: 5 }
  const [run, waiting] = role === 'produce'
    ? [produce, new Waiting(words, producer, consumer)] as const
    : [consume, new Waiting(words, consumer, producer)] as const
  const report = run(words, kind === 'packets' ? 'packets' : 'entries', Number(seed), Number(count), waiting)
  console.log(JSON.stringify(report))
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main()
