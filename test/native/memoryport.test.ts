import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MemoryPort, type MemoryPortOptions } from '../../native/memoryport.js'
import { RX_CHECKSUM_GOOD, RX_CHECKSUM_PARTIAL, RX_SPLIT, RX_TRUNCATED } from '../../native/port.js'
import {
  field16, fillCopy, fillSlot, frameBytes, getRing, HEADERS, headers, MAC_A, MAC_B, pattern, pseudoSum, putRing, tcpSum,
} from './frames.js'

interface Wire {
  readonly sender: MemoryPort
  readonly receiver: MemoryPort
  readonly memory: Uint8Array
  readonly sent: { frame: Uint8Array; gso: number }[]
}

/** Two ports, one memory as region 0: what the first sends the second receives. */
function wire(offload: boolean, options: Partial<MemoryPortOptions> = {}): Wire {
  const memory = new Uint8Array(1 << 18)
  const sent: { frame: Uint8Array; gso: number }[] = []
  const receiver = new MemoryPort({ memory: () => memory, onTransmit: () => undefined, ...options })
  const onTransmit = (frame: Uint8Array, gso: number): void => {
    sent.push({ frame, gso })
    receiver.inject(frame, offload ? RX_CHECKSUM_PARTIAL : 0, gso)
  }
  const sender = new MemoryPort({ offload, memory: () => memory, onTransmit })
  return { sender, receiver, memory, sent }
}

const trips = fc.record({
  len: fc.nat(4000), txPos: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), rxPos: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  offload: fc.boolean(), split: fc.boolean(), seed: fc.nat(255),
})

test('round trip: any length and positions, wraps included -> the same bytes, right checksums', () => {
  fc.assert(fc.property(trips, ({ len, txPos, rxPos, offload, split, seed }) => {
    const { sender, receiver, memory, sent } = wire(offload, split ? { splitAbove: 300 } : {})
    const from = { region: 0, buffer: 4096, bufferLen: 4096, pos: txPos, len }
    const to = { region: 0, buffer: 65536, bufferLen: 8192, pos: rxPos, len }
    putRing(memory, from, pattern(len, seed))
    fillSlot(sender, 3, headers(MAC_B, MAC_A, len, 1), from)
    expect(sender.transmit(3, 1)).toBe(1)
    expect(receiver.receive()).toBe(1)
    expect(receiver.rxLen[0]).toBe(HEADERS + len)
    expect(receiver.rxOffset[0] % 4).toBe(2)
    expect((receiver.rxFlags[0] & RX_SPLIT) !== 0).toBe(split && HEADERS + len > 300)
    if (offload) expect(field16(sent[0].frame, 50)).toBe(pseudoSum(sent[0].frame))
    else expect(tcpSum(sent[0].frame)).toBe(0xffff)
    fillCopy(receiver, 0, 0, HEADERS, to)
    receiver.deliver(1)
    receiver.release()
    expect(getRing(memory, to)).toEqual(pattern(len, seed))
  }))
})

test('receive: more frames than a burst -> in order, the rest next time', () => {
  const { receiver } = wire(false, { burst: 2, queueMax: 3 })
  for (let i = 0; i < 3; i++) expect(receiver.inject(new Uint8Array(60).fill(i))).toBe(true)
  expect(receiver.inject(new Uint8Array(60))).toBe(false)
  expect(receiver.takeDrops()).toBe(1)
  expect(receiver.takeDrops()).toBe(0)
  expect(receiver.receive()).toBe(2)
  expect(frameBytes(receiver, 1)[0]).toBe(1)
  receiver.release()
  expect(receiver.receive()).toBe(1)
  expect(frameBytes(receiver, 0)[0]).toBe(2)
  receiver.release()
  expect(receiver.receive()).toBe(0)
})

test('super-segment: with offload -> one frame and its segment size; without -> RangeError', () => {
  const { sender, receiver } = wire(true)
  const payload = { region: 0, buffer: 131072, bufferLen: 65536, pos: 0, len: 60_000 }
  fillSlot(sender, 0, headers(MAC_B, MAC_A, payload.len, 1), payload, 1448)
  sender.transmit(0, 1)
  expect(receiver.receive()).toBe(1)
  expect(receiver.rxGso[0]).toBe(1448)
  const plain = wire(false).sender
  fillSlot(plain, 0, headers(MAC_B, MAC_A, payload.len, 1), payload, 1448)
  expect(() => plain.transmit(0, 1)).toThrow(RangeError)
})

test('verifyTcp: right, one bit wrong, marked, truncated, no TCP at all', () => {
  const { sender, receiver, sent } = wire(false)
  fillSlot(sender, 0, headers(MAC_B, MAC_A, 33, 1), { region: 0, buffer: 0, bufferLen: 64, pos: 60, len: 33 })
  sender.transmit(0, 1)
  const wrong = sent[0].frame.slice()
  wrong[60] ^= 1
  receiver.inject(wrong)
  receiver.inject(wrong, RX_CHECKSUM_PARTIAL)
  receiver.inject(wrong, RX_CHECKSUM_GOOD)
  receiver.inject(wrong, RX_CHECKSUM_GOOD | RX_TRUNCATED)
  receiver.inject(new Uint8Array(14))
  expect(receiver.receive()).toBe(6)
  expect([0, 1, 2, 3, 4, 5, 6, -1].map((index) => receiver.verifyTcp(index)))
    .toEqual([true, false, true, true, false, false, false, false])
})

test('sendFrame: bytes as they are; longer than the array -> RangeError', () => {
  const { sender, sent } = wire(false)
  const frame = pattern(100, 1)
  expect(sender.sendFrame(frame, 90)).toBe(true)
  expect(sent[0].frame).toEqual(frame.subarray(0, 90))
  expect(() => sender.sendFrame(frame, 101)).toThrow(RangeError)
})
