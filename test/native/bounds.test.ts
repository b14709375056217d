/** Every field of a descriptor that comes from a hostile region must be caught, by the native ports and the one in memory alike. */
import { describe, expect, test } from 'vitest'
import { addon, type PacketHandle } from '../../native/addon.js'
import { Regions } from '../../native/memory.js'
import { MemoryPort } from '../../native/memoryport.js'
import {
  COPY_BUFFER, COPY_BUFFER_LEN, COPY_FRAME, COPY_FROM, COPY_LEN, COPY_REGION, TX_BUFFER, TX_BUFFER_LEN, TX_DESC_WORDS, TX_GSO,
  TX_HEADER_LEN, TX_PAYLOAD_LEN, TX_REGION,
} from '../../native/port.js'
import { PortArrays } from '../../native/portarrays.js'
import { fillCopy, fillSlot, headers, MAC_A, MAC_B, type Payload } from './frames.js'

const REGION_BYTES = 4096

interface Subject {
  readonly desc: Int32Array
  readonly tx: Int32Array
  deliver(count: number): void
  transmit(first: number, count: number): void
  good(): void
}

/** A payload or target that is right in every field. */
const GOOD: Payload = { region: 1, buffer: 1024, bufferLen: 1024, pos: 1000, len: 100 }

/** The native half of a port without a socket: nothing gets as far as a system call here. */
function nativeSubject(): Subject {
  const regions = new Regions()
  regions.add(0, new ArrayBuffer(REGION_BYTES))
  regions.add(1, new ArrayBuffer(REGION_BYTES))
  const arrays = new PortArrays(4, 4)
  const options = { ...arrays, regions: regions.handle, frames: new Uint8Array(new ArrayBuffer(8192)), offload: false, slots: 4, slotBytes: 2048 }
  const hot: PacketHandle = addon().packetPort(-1, -1, options)
  const view = { ...arrays } as unknown as MemoryPort
  arrays.rxLen[0] = 500
  return {
    desc: arrays.copyDesc,
    tx: arrays.txDesc,
    deliver: (count) => hot.deliver(count, 1, 0),
    transmit: (first, count) => { hot.transmit(first, count) },
    good: () => fill(view),
  }
}

function memorySubject(): Subject {
  const regions = [new Uint8Array(REGION_BYTES), new Uint8Array(REGION_BYTES)]
  const port = new MemoryPort({ burst: 4, txSlots: 4, memory: (region) => regions[region], onTransmit: () => undefined })
  port.inject(new Uint8Array(500))
  port.receive()
  return {
    desc: port.copyDesc,
    tx: port.txDesc,
    deliver: (count) => port.deliver(count),
    transmit: (first, count) => { port.transmit(first, count) },
    good: () => fill(port),
  }
}

function fill(port: MemoryPort): void {
  fillCopy(port, 0, 0, 54, GOOD)
  fillSlot(port, 0, headers(MAC_A, MAC_B, GOOD.len, 1), GOOD)
}

const BAD_COPIES: readonly [string, number, readonly number[]][] = [
  ['frame', COPY_FRAME, [1, -2, 4, 2 ** 31 - 1, -(2 ** 31)]],
  ['from', COPY_FROM, [401, -1, -(2 ** 31), 2 ** 31 - 1]],
  ['region', COPY_REGION, [2, -1, 255, 256, -(2 ** 31)]],
  ['buffer', COPY_BUFFER, [49, 64, -1, -(2 ** 31), 2 ** 31 - 1]],
  ['buffer length', COPY_BUFFER_LEN, [0, 1000, 8192, -1024, -(2 ** 31)]],
  ['length', COPY_LEN, [447, 1025, -1, -(2 ** 31), 2 ** 31 - 1]],
]

const BAD_SLOTS: readonly [string, number, readonly number[]][] = [
  ['header length', TX_HEADER_LEN, [0, 53, 95, 128, -1, 2 ** 31 - 1]],
  ['region', TX_REGION, [2, -1, 256]],
  ['buffer', TX_BUFFER, [49, -1, 2 ** 31 - 1]],
  ['buffer length', TX_BUFFER_LEN, [0, 3, 8192, -(2 ** 31)]],
  ['payload length', TX_PAYLOAD_LEN, [1025, -1, 2 ** 31 - 1]],
  ['segment size', TX_GSO, [1, -1, 65536]],
]

describe.each([['native', nativeSubject], ['memory', memorySubject]])('%s port', (_, make) => {
  test.each(BAD_COPIES)('copy: bad %s -> RangeError', (_field, word, values) => {
    const subject = make()
    subject.good()
    subject.deliver(1)
    for (const value of values) {
      subject.good()
      subject.desc[word] = value
      expect(() => subject.deliver(1), String(value)).toThrow(RangeError)
    }
  })

  test.each(BAD_SLOTS)('transmit: bad %s -> RangeError', (_field, word, values) => {
    const subject = make()
    for (const value of values) {
      subject.good()
      subject.tx[word] = value
      expect(() => subject.transmit(0, 1), String(value)).toThrow(RangeError)
    }
  })

  test('counts outside the arrays -> RangeError', () => {
    const subject = make()
    for (const count of [-1, 69, 2 ** 31 - 1]) expect(() => subject.deliver(count)).toThrow(RangeError)
    for (const [first, count] of [[-1, 1], [0, 5], [4, 1], [1, -1], [2 ** 31 - 1, 2 ** 31 - 1]]) {
      expect(() => subject.transmit(first, count)).toThrow(RangeError)
    }
  })

  test('copy from region 0: bytes beyond its end -> RangeError', () => {
    const subject = make()
    subject.good()
    subject.desc[COPY_FRAME] = -1
    subject.desc[COPY_FROM] = REGION_BYTES - 100
    subject.deliver(1)
    subject.desc[COPY_FROM] = REGION_BYTES - 99
    expect(() => subject.deliver(1)).toThrow(RangeError)
  })

  test('buffer at the very end of the region -> taken', () => {
    const subject = make()
    subject.good()
    subject.desc[COPY_BUFFER] = (REGION_BYTES - 1024) / 64
    subject.deliver(1)
    expect(subject.tx.length).toBe(4 * TX_DESC_WORDS)
  })
})
