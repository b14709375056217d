import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checksumFoldSoft } from '../../native/checksum.js'
import { LoopPort } from '../../native/loopport.js'
import { Regions } from '../../native/memory.js'
import { MemoryPort } from '../../native/memoryport.js'
import {
  COPY_BUFFER, COPY_BUFFER_LEN, COPY_FRAME, COPY_FROM, COPY_LEN, COPY_REGION, RX_CHECKSUM_GOOD, RX_LOOPBACK, RX_SPLIT, TX_BUFFER,
  TX_BUFFER_LEN, TX_HEADER_LEN, TX_PAYLOAD_LEN, TX_REGION,
} from '../../native/port.js'
import { fillCopy, fillSlot, getRing, HEADERS, headers, MAC_A, MAC_B, pattern, putRing, type Payload } from './frames.js'

const REGION_BYTES = 1 << 18

interface Loop {
  readonly port: MemoryPort
  readonly loop: LoopPort
  readonly memory: Uint8Array
  readonly other: Uint8Array
}

/** Regions 0 and 1; the port beside sends nothing. */
function makeLoop(options: { burst?: number; queueSlots?: number } = {}): Loop {
  const [memory, other] = [new Uint8Array(REGION_BYTES), new Uint8Array(REGION_BYTES)]
  const regions = new Regions()
  regions.add(0, memory.buffer)
  regions.add(1, other.buffer)
  const port = new MemoryPort({ burst: options.burst ?? 8, txSlots: 8, memory: () => memory, onTransmit: () => undefined })
  return { port, loop: new LoopPort({ beside: port, regions, ...options }), memory, other }
}

const SOURCE: Payload = { region: 0, buffer: 4096, bufferLen: 4096, pos: 4000, len: 300 }
const TARGET: Payload = { region: 1, buffer: 1024, bufferLen: 1024, pos: 900, len: 300 }

function send({ port, loop }: Loop, payload: Payload, seq = 1, gso = 0): boolean {
  fillSlot(port, 3, headers(MAC_A, MAC_B, payload.len, seq), payload, gso)
  return loop.take(3)
}

describe('loop port', () => {
  test('a frame taken -> received: headers with IP checksum, lengths, flags', () => {
    const ends = makeLoop()
    expect([ends.loop.pending, ends.loop.receive()]).toEqual([0, 0])
    expect(send(ends, SOURCE, 7, 100)).toBe(true)
    // The slot is free for the next frame.
    ends.port.txHeaders.fill(0xff)
    expect([ends.loop.pending, ends.loop.receive()]).toEqual([1, 1])
    const { loop } = ends
    expect([loop.rxLen[0], loop.rxFlags[0], loop.rxGso[0]]).toEqual([HEADERS + 300, RX_CHECKSUM_GOOD | RX_SPLIT | RX_LOOPBACK, 100])
    const seen = loop.frames.slice(loop.rxOffset[0], loop.rxOffset[0] + HEADERS)
    expect(checksumFoldSoft(seen, 14, 20, 0)).toBe(0xffff)
    const expected = headers(MAC_A, MAC_B, 300, 7)
    expected.set(seen.subarray(24, 26), 24)
    expect(seen).toEqual(expected)
    loop.release()
    expect([loop.pending, loop.receive()]).toEqual([0, 0])
  })

  test('deliver -> any part of the frame, from ring to ring', () => {
    const lens = fc.record({
      len: fc.integer({ min: 0, max: 4096 }), pos: fc.nat(1 << 20), toPos: fc.nat(1 << 20), from: fc.nat(5000), count: fc.nat(5000),
    })
    const ends = makeLoop()
    fc.assert(fc.property(lens, ({ len, pos, toPos, from, count }) => {
      const { port, loop, memory, other } = ends
      const source = { ...SOURCE, pos, len }
      const bytes = pattern(len, pos)
      putRing(memory, source, bytes)
      send(ends, source)
      const frame = Buffer.concat([headers(MAC_A, MAC_B, len, 1), bytes])
      const start = Math.min(from, frame.length)
      const target = { region: 1, buffer: 8192, bufferLen: 8192, pos: toPos, len: Math.min(count, frame.length - start) }
      expect(loop.receive()).toBe(1)
      frame.set(loop.frames.subarray(loop.rxOffset[0] + 24, loop.rxOffset[0] + 26), 24)
      fillCopy(port, 0, 0, start, target)
      loop.deliver(1)
      loop.release()
      expect(Buffer.compare(getRing(other, target), frame.subarray(start, start + target.len))).toBe(0)
    }))
  })

  test('more frames than a burst, more than the queue -> in order, the rest refused', () => {
    const ends = makeLoop({ burst: 3, queueSlots: 4 })
    const { loop } = ends
    const seqs = (): number[] => Array.from({ length: loop.receive() }, (_, i) =>
      new DataView(loop.frames.buffer).getUint32(loop.rxOffset[i] + 38))
    for (let lap = 0; lap < 5; lap++) {
      expect([1, 2, 3, 4, 5].map((seq) => send(ends, SOURCE, seq))).toEqual([true, true, true, true, false])
      expect(seqs()).toEqual([1, 2, 3])
      expect(loop.pending).toBe(4)
      loop.release()
      expect(send(ends, SOURCE, 6)).toBe(true)
      expect(seqs()).toEqual([4, 6])
      loop.release()
    }
  })

  test('copy out of region 0 -> as with every port', () => {
    const { port, loop, memory, other } = makeLoop()
    memory.set(pattern(300, 5), 500)
    fillCopy(port, 0, -1, 500, TARGET)
    loop.deliver(1)
    expect(getRing(other, TARGET)).toEqual(pattern(300, 5))
  })

  const BAD_COPIES: readonly [string, number, readonly number[]][] = [
    ['frame', COPY_FRAME, [1, -2, 2 ** 31 - 1]],
    ['from', COPY_FROM, [HEADERS + 1, -1, -(2 ** 31)]],
    ['region', COPY_REGION, [2, -1, 256]],
    ['buffer', COPY_BUFFER, [REGION_BYTES / 64, -1]],
    ['buffer length', COPY_BUFFER_LEN, [0, 1000, -1024]],
    ['length', COPY_LEN, [301 + HEADERS, 1025, -1]],
  ]
  test.each(BAD_COPIES)('copy: bad %s -> RangeError', (_field, word, values) => {
    const ends = makeLoop()
    send(ends, SOURCE)
    ends.loop.receive()
    for (const value of values) {
      fillCopy(ends.port, 0, 0, HEADERS, TARGET)
      ends.loop.deliver(1)
      ends.port.copyDesc[word] = value
      expect(() => ends.loop.deliver(1), String(value)).toThrow(RangeError)
    }
  })

  const BAD_SOURCES: readonly [string, number, readonly number[]][] = [
    ['header length', TX_HEADER_LEN, [0, 53, 95, -1]],
    ['region', TX_REGION, [2, -1, 256]],
    ['buffer', TX_BUFFER, [REGION_BYTES / 64, -1]],
    ['buffer length', TX_BUFFER_LEN, [0, 3, 256, -(2 ** 31)]],
    ['payload length', TX_PAYLOAD_LEN, [4097, 299]],
  ]
  test.each(BAD_SOURCES)('payload: bad %s -> RangeError', (_field, word, values) => {
    for (const value of values) {
      const { port, loop } = makeLoop()
      fillSlot(port, 0, headers(MAC_A, MAC_B, SOURCE.len, 1), SOURCE)
      port.txDesc[word] = value
      loop.take(0)
      loop.receive()
      fillCopy(port, 0, 0, HEADERS, TARGET)
      expect(() => loop.deliver(1), String(value)).toThrow(RangeError)
    }
  })

  test('counts outside the arrays, a queue that is no power of two -> RangeError', () => {
    const { loop } = makeLoop()
    for (const count of [-1, 73, 2 ** 31 - 1]) expect(() => loop.deliver(count)).toThrow(RangeError)
    expect(() => makeLoop({ queueSlots: 48 })).toThrow(RangeError)
  })
})
