import { describe, expect, it } from 'vitest'
import { PCAPNG_INBOUND, PCAPNG_OUTBOUND, PcapngWriter } from '../../tools/linkem/index.js'

interface Block { readonly type: number; readonly body: DataView }

/** The blocks of a file; checks the two lengths of each. */
function blocks(file: Uint8Array): Block[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const found: Block[] = []
  for (let at = 0; at < file.length;) {
    const length = view.getUint32(at + 4, true)
    expect(length % 4).toBe(0)
    expect(view.getUint32(at + length - 4, true)).toBe(length)
    found.push({ type: view.getUint32(at, true), body: new DataView(file.buffer, file.byteOffset + at + 8, length - 12) })
    at += length
  }
  return found
}

function options(body: DataView, start: number): Array<readonly [number, Uint8Array]> {
  const found: Array<readonly [number, Uint8Array]> = []
  for (let at = start; at < body.byteLength;) {
    const [code, length] = [body.getUint16(at, true), body.getUint16(at + 2, true)]
    found.push([code, new Uint8Array(body.buffer, body.byteOffset + at + 4, length)])
    at += 4 + ((length + 3) & ~3)
  }
  return found
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

function writeFile(snapBytes: number, body: (writer: PcapngWriter) => void): Uint8Array {
  const pieces: Uint8Array[] = []
  const writer = new PcapngWriter(['left', 'right0'], snapBytes, (bytes) => pieces.push(bytes.slice()), 'tas-linkem')
  body(writer)
  writer.flush()
  return Buffer.concat(pieces)
}

describe('pcapng', () => {
  it('no packet -> the bytes of a section header and two interfaces', () => {
    const file = Buffer.from(writeFile(65_535, () => undefined)).toString('hex')
    expect(file).toBe(
      `0a0d0d0a${'30000000'}4d3c2b1a01000000ffffffffffffffff04000a00${Buffer.from('tas-linkem').toString('hex')}0000${'00000000'}30000000`
      + `01000000${'28000000'}01000000ffff000002000400${Buffer.from('left').toString('hex')}0900010006000000${'00000000'}28000000`
      + `01000000${'2c000000'}01000000ffff000002000600${Buffer.from('right0').toString('hex')}00000900010006000000${'00000000'}2c000000`)
  })

  it('packets -> time in two words, length, direction, comment', () => {
    const atUs = 1_795_000_000_123_456
    const file = writeFile(65_535, (writer) => {
      const frame = Uint8Array.of(1, 2, 3, 4, 5, 9, 9)
      writer.beginPacket(1, atUs + 0.7, frame, 5)
      frame.fill(0)
      writer.endPacket(PCAPNG_INBOUND, 'dropped: queue full')
      writer.beginPacket(0, atUs, Uint8Array.of(7), 1)
      writer.endPacket(PCAPNG_OUTBOUND, '')
    })
    const [first, second] = blocks(file).filter(({ type }) => type === 6).map(({ body }) => body)
    expect(first.getUint32(0, true)).toBe(1)
    expect(first.getUint32(4, true) * 2 ** 32 + first.getUint32(8, true)).toBe(atUs)
    expect([first.getUint32(12, true), first.getUint32(16, true)]).toEqual([5, 5])
    expect([...new Uint8Array(first.buffer, first.byteOffset + 20, 8)]).toEqual([1, 2, 3, 4, 5, 0, 0, 0])
    expect(options(first, 28).map(([code, value]) => [code, code === 1 ? text(value) : [...value]]))
      .toEqual([[1, 'dropped: queue full'], [2, [1, 0, 0, 0]], [0, []]])
    expect(options(second, 24).map(([code, value]) => [code, [...value]])).toEqual([[2, [2, 0, 0, 0]], [0, []]])
  })

  it('longer than the snap length -> cut, with its true length', () => {
    const file = writeFile(10, (writer) => {
      writer.beginPacket(0, 0, new Uint8Array(100).fill(8), 100)
      writer.endPacket(PCAPNG_INBOUND, '')
    })
    const packet = blocks(file).at(-1)!.body
    expect([packet.getUint32(12, true), packet.getUint32(16, true)]).toEqual([10, 100])
  })

  it('more than the buffer holds -> written in pieces, nothing lost', () => {
    const file = writeFile(65_535, (writer) => {
      for (let i = 0; i < 1000; i++) {
        writer.beginPacket(i & 1, i, new Uint8Array(i * 10), i * 10)
        writer.endPacket(PCAPNG_INBOUND, 'x'.repeat(i * 2))
      }
    })
    const packets = blocks(file).filter(({ type }) => type === 6)
    expect(packets.map(({ body }) => body.getUint32(16, true))).toEqual(Array.from({ length: 1000 }, (_, i) => i * 10))
  })

  it('snap length that cannot be -> refused', () => expect(() => new PcapngWriter([], 0, () => undefined, 'test')).toThrow(RangeError))
})
