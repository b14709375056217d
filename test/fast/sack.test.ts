import { describe, expect, it } from 'vitest'
import { FLAG_SACK, TCB_RCV_NXT } from '../../lib/memif/index.js'
import { parseSegment, Segment } from '../../service/fast/segment.js'
import { TCP_ACK, TCP_FIN } from '../../lib/wire/index.js'
import { IRS1, type SegmentOptions } from './frames.js'
import { FastHarness, type Sent } from './harness.js'

const ts = { timestamps: { value: 200, echo: 0 } }
const part = (from: number, len: number, more: SegmentOptions = {}): SegmentOptions => ({ seq: IRS1 + from, data: new Uint8Array(len), ...more })
/** Blocks of an acknowledgment, counted from the first byte of the stream. */
const blocks = ({ options }: Sent): [number, number][] => (options.sackBlocks ?? []).map(({ start, end }) => [start - IRS1, end - IRS1])

function make(more: { timestamps?: boolean; rxLog2?: number } = {}): { h: FastHarness; flow: number } {
  const h = new FastHarness()
  return { h, flow: h.addFlow({ flags: FLAG_SACK, ...more }) }
}

describe('SACK blocks (RFC 2018, 4)', () => {
  it('a segment behind a gap -> its block, behind the timestamps', () => {
    const { h } = make({ timestamps: true })
    h.receive(part(10, 5, ts))
    const sent = h.sent()
    expect(sent.map(blocks)).toEqual([[[10, 15]]])
    expect(sent[0]).toMatchObject({ ack: IRS1, headerLen: 20 + 12 + 12, payloadLen: 0, options: { timestamps: { echo: 100 } } })
  })

  it('several -> the one that came last first, then those before it, four without timestamps', () => {
    const { h } = make()
    h.receiveEach(part(10, 5), part(30, 5), part(50, 5), part(70, 5), part(90, 5))
    expect(h.sent().map(blocks).at(-1)).toEqual([[90, 95], [70, 75], [50, 55], [30, 35]])
  })

  it('several -> three with timestamps', () => {
    const { h } = make({ timestamps: true })
    h.receiveEach(part(90, 5, ts), part(10, 5, ts), part(30, 5, ts), part(70, 5, ts))
    expect(h.sent().map(blocks).at(-1)).toEqual([[70, 75], [30, 35], [10, 15]])
  })

  it('an old block grows -> it comes first', () => {
    const { h } = make()
    h.receiveEach(part(10, 5), part(30, 5), part(50, 5), part(15, 3))
    expect(h.sent().map(blocks).at(-1)).toEqual([[10, 18], [50, 55], [30, 35]])
  })

  it('data in order closes the first gap -> acknowledged at once with the blocks that are left', () => {
    const { h } = make()
    h.receiveEach(part(10, 5), part(30, 5))
    h.sent()
    h.receive(part(0, 10))
    expect(h.sent().map((sent) => [sent.ack - IRS1, blocks(sent)])).toEqual([[15, [[30, 35]]]])
    h.receive(part(15, 15))
    expect(h.sent().map((sent) => [sent.ack - IRS1, blocks(sent)])).toEqual([[35, []]])
  })

  it('many segments of one block in a pass -> one acknowledgment tells all, and a second one in case it is lost', () => {
    const { h } = make()
    h.receive(part(10, 5), part(15, 5), part(20, 5), part(25, 5))
    expect(h.sent().map(blocks)).toEqual([[[10, 30]], [[10, 30]]])
  })

  it('more blocks in a pass than an option holds -> as many acknowledgments as it takes, the last changes last', () => {
    const { h } = make({ timestamps: true })
    h.receive(...[10, 30, 50, 70, 90, 110, 130].map((from) => part(from, 5, ts)))
    expect(h.sent().map(blocks)).toEqual([
      [[50, 55], [30, 35], [10, 15]], [[110, 115], [90, 95], [70, 75]], [[130, 135], [110, 115], [90, 95]],
    ])
  })

  it('a gap that closes in the same burst -> one acknowledgment without blocks', () => {
    const { h, flow } = make()
    h.receive(part(10, 5), part(0, 10))
    expect(h.sent().map((sent) => [sent.ack - IRS1, blocks(sent)])).toEqual([[15, []]])
    expect(h.hasGap(flow)).toBe(false)
  })

  it('the application sends meanwhile -> data without blocks, the acknowledgment with them behind it', () => {
    const { h, flow } = make()
    h.write(flow, new Uint8Array(10))
    h.receive(part(10, 5))
    const sent = h.sent()
    expect(sent.map(({ payloadLen }) => payloadLen)).toEqual([10, 0])
    expect(sent.map(blocks)).toEqual([[], [[10, 15]]])
  })

  it('a FIN behind a gap -> the blocks name its data only, so that a worker may forget it', () => {
    const { h, flow } = make()
    h.receive(part(10, 5, { flags: TCP_ACK | TCP_FIN }))
    expect(h.sent().map(blocks)).toEqual([[[10, 15]]])
    h.receive(part(0, 10))
    expect(h.sent().map((sent) => [sent.ack - IRS1, blocks(sent)])).toEqual([[16, []]])
    expect(h.hasGap(flow)).toBe(false)
  })

  it('SACK not agreed on -> no blocks', () => {
    const h = new FastHarness()
    h.addFlow()
    h.receive(part(10, 5))
    h.receive(part(10, 5))
    expect(h.sent().map(blocks)).toEqual([[], []])
  })
})

describe('D-SACK (RFC 2883, 4)', () => {
  it('a segment again -> its bytes as the first block, once', () => {
    const { h, flow } = make()
    h.receive(part(0, 20))
    h.receive(part(0, 20))
    expect(h.sent().map((sent) => [sent.ack - IRS1, blocks(sent)])).toEqual([[20, [[0, 20]]]])
    expect(h.hasGap(flow)).toBe(false)
    h.receive({ seq: IRS1 + 19 })
    expect(h.sent().map(blocks)).toEqual([[]])
  })

  it('a segment behind a gap again -> the duplicate, then the block that contains it', () => {
    const { h } = make()
    h.receiveEach(part(10, 5), part(15, 5), part(40, 5))
    h.sent()
    h.receive(part(15, 5))
    expect(h.sent().map(blocks)).toEqual([[[15, 20], [10, 20], [40, 45]]])
  })

  it('partly old -> the old part, the new part counts', () => {
    const { h, flow } = make()
    h.receive(part(0, 20))
    h.receive(part(10, 30))
    expect(h.sent().map((sent) => [sent.ack - IRS1, blocks(sent)])).toEqual([[40, [[10, 20]]]])
    expect(h.word(flow, TCB_RCV_NXT)).toBe(IRS1 + 40)
  })

  it('in order and over a block -> the part that was held', () => {
    const { h } = make()
    h.receive(part(10, 10))
    h.sent()
    h.receive(part(0, 15))
    expect(h.sent().map((sent) => [sent.ack - IRS1, blocks(sent)])).toEqual([[20, [[10, 15]]]])
  })

  it('segments in a row again in one pass -> one block for all', () => {
    const { h } = make()
    h.receive(part(0, 30))
    h.receive(part(0, 10), part(10, 10), part(20, 10))
    expect(h.sent().map(blocks)).toEqual([[[0, 30]]])
  })

  it('with three changed blocks besides -> in the last acknowledgment', () => {
    const { h } = make({ timestamps: true })
    h.receive(part(0, 5, ts), part(10, 5, ts), part(30, 5, ts), part(50, 5, ts), part(0, 5, ts))
    expect(h.sent().map(blocks)).toEqual([[[50, 55], [30, 35], [10, 15]], [[0, 5], [50, 55], [30, 35]]])
  })
})

describe('SACK options that arrive (RFC 2018, 3)', () => {
  function parsed(options: SegmentOptions): Segment {
    const frame = new FastHarness().frame(options)
    const bytes = new Uint8Array(2 + frame.length + 2)
    bytes.set(frame, 2)
    const segment = new Segment()
    expect(parseSegment(segment, bytes, new Int32Array(bytes.buffer, 0, bytes.length >> 2), 2, frame.length)).toBe(0)
    return segment
  }

  it('blocks behind timestamps, or four alone -> read; the next segment without -> none', () => {
    const three = [{ start: 10, end: 20 }, { start: -5, end: 5 }, { start: 30, end: 40 }]
    const segment = parsed({ sackBlocks: three, ...ts })
    expect([segment.sackBlocks, segment.tsVal]).toEqual([3, 200])
    expect([...segment.sackEdges.subarray(0, 6)]).toEqual([10, 20, -5, 5, 30, 40])
    expect(parsed({ sackBlocks: [...three, { start: 50, end: 60 }] }).sackBlocks).toBe(4)
    expect(parsed({}).sackBlocks).toBe(0)
  })
})
