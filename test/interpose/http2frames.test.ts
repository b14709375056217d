/** Cutting a stream of bytes where frames of HTTP/2 end. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FrameCutter } from '../../lib/interpose/handle/http2frames.js'

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

const SETTINGS = 4
const PING = 6

function frame(payloadBytes: number, type = 0): Buffer {
  const bytes = Buffer.alloc(9 + payloadBytes, 0xee)
  bytes.writeUIntBE(payloadBytes, 0, 3)
  bytes.writeUInt8(type, 3)
  return bytes
}

/** Lengths of the pieces that a cutter makes of `stream`, which comes in reads of `reads` bytes each. */
function pieces(stream: Buffer, reads: readonly number[]): number[] {
  const cutter = new FrameCutter()
  const lengths: number[] = []
  let from = 0
  for (const read of [...reads, stream.length]) {
    const to = Math.min(stream.length, from + read)
    while (from < to) {
      const len = cutter.take(stream, from, to - from)
      lengths.push(len)
      from += len
    }
  }
  return lengths
}

/** Positions where pieces end. */
const ends = (lengths: readonly number[]): number[] => lengths.map((_, i) => lengths.slice(0, i + 1).reduce((sum, len) => sum + len, 0))

describe('FrameCutter', () => {
  it('frames in one read -> one piece each', () => {
    expect(pieces(Buffer.concat([frame(0), frame(5), frame(70_000)]), [])).toEqual([9, 14, 70_009])
  })

  it('preface -> a piece of its own', () => {
    expect(pieces(Buffer.concat([PREFACE, frame(0), frame(3)]), [])).toEqual([24, 9, 12])
  })

  it('PING and SETTINGS in a row -> one piece, without the frames around it', () => {
    const stream = Buffer.concat([frame(1), frame(8, PING), frame(8, PING), frame(0, SETTINGS), frame(1)])
    expect(pieces(stream, [])).toEqual([10, 43, 10])
    // A read may end within a header, before its type.
    expect(pieces(stream, [10 + 17 + 2])).toEqual([10, 17, 2, 7 + 8 + 9, 10])
  })

  it('any frames in reads of any size -> pieces end where frames end and where reads end', () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 20 })
    const cuts = fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 60 })
    fc.assert(fc.property(sizes, cuts, fc.boolean(), (payloads, reads, isClient) => {
      // The first read of a client has the whole preface, as http2frames.ts expects.
      const first = isClient ? [PREFACE.length + (reads[0] ?? 0), ...reads.slice(1)] : reads
      const parts = [...(isClient ? [PREFACE] : []), ...payloads.map(frame)]
      const stream = Buffer.concat(parts)
      const wanted = [...ends(parts.map(({ length }) => length)), ...ends(first).filter((end) => end < stream.length)]
      expect(ends(pieces(stream, first))).toEqual([...new Set(wanted)].sort((a, b) => a - b))
    }))
  })
})
