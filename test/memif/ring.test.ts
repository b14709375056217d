import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  PacketRingConsumer,
  PacketRingProducer,
  packetRingBytes,
  placePacketRing,
  RingConsumer,
  ringBytes,
  RingProducer,
  type RingPlace,
} from '../../lib/memif/index.js'

const TAIL = 0
const HEAD = 16

function ring(capacity: number, startAt = 0): { words: Int32Array; place: RingPlace } {
  const words = new Int32Array(ringBytes(capacity, 4) / 4)
  words[TAIL] = startAt
  words[HEAD] = startAt
  return { words, place: { firstWord: 0, capacity, entryWords: 4 } }
}

describe('ring', () => {
  it('any order of pushes, publishes, reads and releases, counters wrapping -> every entry once and in order', () => {
    const steps = fc.array(fc.constantFrom('push', 'publish', 'read', 'release', 'reattach'), { maxLength: 400 })
    fc.assert(fc.property(steps, fc.constantFrom(0, -3, 0x7ffffffe | 0), (ops, startAt) => {
      const { words, place } = ring(8, startAt)
      let producer = new RingProducer(words, place)
      let consumer = new RingConsumer(words, place)
      let pushed = 0
      let published = 0
      let read = 0
      let released = 0
      for (const op of ops) {
        if (op === 'push') {
          const entry = producer.reserve()
          expect(entry < 0).toBe(pushed - released >= 8)
          if (entry < 0) continue
          words[entry] = pushed++
          producer.push()
        } else if (op === 'publish') {
          producer.publish()
          published = pushed
        } else if (op === 'read') {
          const entry = consumer.peek()
          expect(entry < 0).toBe(read >= published)
          if (entry < 0) continue
          expect(words[entry]).toBe(read++)
          consumer.next()
        } else if (op === 'release') {
          consumer.release()
          released = read
        } else {
          // Both processes are replaced; what was neither published nor released is done again.
          producer = new RingProducer(words, place)
          consumer = new RingConsumer(words, place)
          pushed = published
          read = released
        }
      }
    }))
  })

  it('consumer: a tail that cannot be -> corrupt, and nothing is read', () => {
    for (const tail of [9, -1, 1 << 30]) {
      const { words, place } = ring(8)
      const consumer = new RingConsumer(words, place)
      words[TAIL] = tail
      expect(consumer.peek()).toBe(-1)
      expect(consumer.corrupt).toBe(true)
    }
  })

  it('producer: a head that cannot be -> the ring counts as full', () => {
    const { words, place } = ring(8)
    const producer = new RingProducer(words, place)
    for (let i = 0; i < 8; i++) {
      expect(producer.reserve()).toBeGreaterThanOrEqual(0)
      producer.push()
    }
    for (const head of [9, 1 << 30, -5]) {
      words[HEAD] = head
      expect(producer.reserve()).toBe(-1)
    }
  })

  it('place: not a power of two, not at a cache line, or too long -> RangeError', () => {
    const words = new Int32Array(256)
    expect(() => new RingProducer(words, { firstWord: 0, capacity: 6, entryWords: 4 })).toThrow(RangeError)
    expect(() => new RingProducer(words, { firstWord: 4, capacity: 8, entryWords: 4 })).toThrow(RangeError)
    expect(() => new RingConsumer(words, { firstWord: 0, capacity: 128, entryWords: 4 })).toThrow(RangeError)
  })
})

describe('packet ring', () => {
  it('any mix of packets and messages -> whole, in order, never over an unread one', () => {
    const lengths = fc.array(fc.tuple(fc.integer({ min: 0, max: 900 }), fc.boolean()), { minLength: 1, maxLength: 300 })
    fc.assert(fc.property(lengths, (packets) => {
      const place = placePacketRing(0, 16, 2048)
      const words = new Int32Array(packetRingBytes(16, 2048) / 4)
      const bytes = new Uint8Array(words.buffer)
      const producer = new PacketRingProducer(words, place)
      const consumer = new PacketRingConsumer(words, place)
      const waiting: [number, number, number][] = []
      const readOne = (): void => {
        const entry = consumer.peek()
        const [mark, pos, len] = waiting.shift() ?? [-1, 0, 0]
        expect(words[entry + 2]).toBe(mark)
        for (let i = 0; i < len; i++) expect(bytes[place.areaOffset + pos + i]).toBe(mark & 0xff)
        consumer.pass(entry)
        consumer.release()
      }
      packets.forEach(([len, isMessage], mark) => {
        let entry = producer.reserve()
        let pos = entry < 0 ? -1 : isMessage ? 0 : producer.reservePacket(len)
        while (entry < 0 || pos < 0) {
          expect(waiting.length).toBeGreaterThan(0)
          readOne()
          entry = producer.reserve()
          pos = entry < 0 ? -1 : isMessage ? 0 : producer.reservePacket(len)
        }
        words[entry + 2] = mark
        if (isMessage) producer.pushMessage(entry)
        else {
          expect(pos % 16).toBe(2)
          expect(pos + len).toBeLessThanOrEqual(2048)
          bytes.fill(mark & 0xff, place.areaOffset + pos, place.areaOffset + pos + len)
          producer.pushPacket(entry, len)
        }
        producer.publish()
        waiting.push([mark, isMessage ? 0 : pos, isMessage ? 0 : len])
      })
      while (waiting.length > 0) readOne()
      expect(consumer.peek()).toBe(-1)
    }))
  })

  it('producer: replaced while packets wait -> goes on behind the last one', () => {
    const place = placePacketRing(0, 4, 256)
    const words = new Int32Array(packetRingBytes(4, 256) / 4)
    const first = new PacketRingProducer(words, place)
    const pos = first.reservePacket(100)
    first.pushPacket(first.reserve(), 100)
    first.publish()
    const second = new PacketRingProducer(words, place)
    expect(second.reservePacket(100)).toBeGreaterThanOrEqual(pos + 100)
    expect(second.reservePacket(200)).toBe(-1)
  })
})
