/** Cutting a stream of bytes where records of TLS end. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RecordCutter } from '../../lib/interpose/handle/tlsrecords.js'
import { ends, pieces } from './cutting.js'

const HANDSHAKE = 22
const DATA = 23

function record(payloadBytes: number, type = DATA): Buffer {
  const bytes = Buffer.alloc(5 + payloadBytes, 0xee)
  bytes.set([type, 3, 3])
  bytes.writeUInt16BE(payloadBytes, 3)
  return bytes
}

describe('RecordCutter', () => {
  it('records in one read -> one piece each', () => {
    expect(pieces(new RecordCutter(), Buffer.concat([record(100, HANDSHAKE), record(0), record(5), record(16_640)]), [])).toEqual([105, 5, 10, 16_645])
  })

  it.each([
    ['a type that is none', Buffer.from('GET / HTTP/1.1\r\n')],
    ['another major version', Buffer.from([DATA, 2, 3, 0, 1, 0])],
    ['a record that is too long', Buffer.from([DATA, 3, 3, 0xff, 0xff, 0])],
  ])('%s -> from there on all as it comes', (_, odd) => {
    const stream = Buffer.concat([record(3), odd, record(1), record(2)])
    expect(pieces(new RecordCutter(), stream, [])).toEqual([8, stream.length - 8])
    expect(pieces(new RecordCutter(), stream, [9, 4])).toEqual([8, ...pieces(new RecordCutter(), stream.subarray(8), [1, 4])])
  })

  it('any records in reads of any size -> pieces end where records end and where reads end', () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 20 })
    const cuts = fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 60 })
    fc.assert(fc.property(sizes, cuts, (payloads, reads) => {
      const parts = payloads.map((payloadBytes) => record(payloadBytes))
      const stream = Buffer.concat(parts)
      const wanted = [...ends(parts.map(({ length }) => length)), ...ends(reads).filter((end) => end < stream.length)]
      expect(ends(pieces(new RecordCutter(), stream, reads))).toEqual([...new Set(wanted)].sort((a, b) => a - b))
    }))
  })
})
