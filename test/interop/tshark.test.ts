/** Reading what tshark prints; tshark itself is not needed. */
import { expect, test } from 'vitest'
import { readAnalysis } from './tshark.js'

const ANALYSES = 12

interface Line {
  readonly from: string
  readonly seq: number
  readonly ack: number
  readonly len: number
  readonly window?: number
  readonly checksum?: string
  /** Index of the analysis that is set. */
  readonly set?: number
}

let frame = 0
function line({ from, seq, ack, len, window = 1000, checksum = '1', set = -1 }: Line): string {
  const marks = Array.from({ length: ANALYSES }, (_, i) => (i === set ? '1' : ''))
  return [++frame, '0.5', from, seq, ack, len, checksum, '1', '', window, '0x0010', '0', ...marks].join('\t')
}

test('analysis: nothing odd -> no remarks, data segments counted', () => {
  const { packets, dataSegments, remarks } = readAnalysis([
    line({ from: 'b', seq: 1, ack: 1, len: 0 }), line({ from: 'a', seq: 1, ack: 1, len: 1000 }), line({ from: 'b', seq: 1, ack: 1001, len: 0 }),
  ])
  expect([packets, dataSegments.get('a'), dataSegments.get('b')]).toEqual([3, 1, undefined])
  expect(remarks).toEqual([])
})

test('analysis: marks, a bad checksum -> one remark each, with the packet', () => {
  const { remarks } = readAnalysis([line({ from: 'a', seq: 7, ack: 1, len: 5, set: 0 }), line({ from: 'b', seq: 1, ack: 1, len: 0, checksum: '0' })])
  expect(remarks.map(({ finding, source, seq }) => [finding, source, seq])).toEqual([['spurious retransmission', 'a', 7], ['bad checksum', 'b', 1]])
})

test('analysis: payload behind the right edge of the window -> remark; a window that shrinks takes nothing back', () => {
  const opened = line({ from: 'b', seq: 1, ack: 1, len: 0 })
  const shrunk = line({ from: 'b', seq: 1, ack: 1, len: 0, window: 10 })
  const found = (lines: string[]): string[] => readAnalysis(lines).remarks.map(({ finding }) => finding)
  expect(found([opened, shrunk, line({ from: 'a', seq: 1, ack: 1, len: 1000 })])).toEqual([])
  expect(found([opened, line({ from: 'a', seq: 1, ack: 1, len: 1001 })])).toEqual(['beyond the window'])
})
