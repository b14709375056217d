/** Cutting a stream of bytes where frames of HTTP/2 end. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FrameCutter } from '../../lib/interpose/handle/http2frames.js'
import { ends, pieces } from './cutting.js'

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

const SETTINGS = 4
const PING = 6

function frame(payloadBytes: number, type = 0): Buffer {
  const bytes = Buffer.alloc(9 + payloadBytes, 0xee)
  bytes.writeUIntBE(payloadBytes, 0, 3)
  bytes.writeUInt8(type, 3)
  return bytes
}

describe('FrameCutter', () => {
  it('frames in one read -> one piece each', () => {
    expect(pieces(new FrameCutter(), Buffer.concat([frame(0), frame(5), frame(70_000)]), [])).toEqual([9, 14, 70_009])
  })

  it('preface -> a piece of its own', () => {
    expect(pieces(new FrameCutter(), Buffer.concat([PREFACE, frame(0), frame(3)]), [])).toEqual([24, 9, 12])
  })

  it('PING and SETTINGS in a row -> one piece, without the frames around it', () => {
    const stream = Buffer.concat([frame(1), frame(8, PING), frame(8, PING), frame(0, SETTINGS), frame(1)])
    expect(pieces(new FrameCutter(), stream, [])).toEqual([10, 43, 10])
    // A read may end within a header, before its type.
    expect(pieces(new FrameCutter(), stream, [10 + 17 + 2])).toEqual([10, 17, 2, 7 + 8 + 9, 10])
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
      expect(ends(pieces(new FrameCutter(), stream, first))).toEqual([...new Set(wanted)].sort((a, b) => a - b))
    }))
  })
})
