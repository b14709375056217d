import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FLAG_SACK, TCB_OOO_END, TCB_OOO_START, TCB_RCV_NXT, TCB_RCV_READ } from '../../lib/memif/index.js'
import { INTERVALS_MAX } from '../../service/fast/reassembly.js'
import { IRS1, ISS1, type SegmentOptions } from './frames.js'
import { FastHarness } from './harness.js'

const stream = (from: number, len: number): Uint8Array => Uint8Array.from({ length: len }, (_, i) => ((from + i) * 31 + ((from + i) >> 8)) & 0xff)
/** The segment with bytes [from, from + len) of the stream. */
const part = (from: number, len: number, more: SegmentOptions = {}): SegmentOptions => ({ seq: (IRS1 + from) | 0, data: stream(from, len), ...more })

describe('gaps (RFC 9293, 3.10.7.4, seventh)', () => {
  it('closed again -> the next 16 segments are acknowledged at once, each; then as before', () => {
    const h = new FastHarness()
    h.addFlow({ rxLog2: 16 })
    h.receive({ seq: IRS1 + 10, data: new Uint8Array(10) })
    h.receive({ data: new Uint8Array(10) })
    expect(h.sent().map(({ ack }) => ack - IRS1)).toEqual([0, 20])
    for (let i = 2; i < 20; i++) {
      h.receive({ seq: IRS1 + i * 10, data: new Uint8Array(10) })
      expect([i, ...h.sent().map(({ ack }) => ack - IRS1)]).toEqual(i < 18 ? [i, i * 10 + 10] : [i])
    }
  })

  it('closed again -> of the full segments of a pass every second is acknowledged by itself; without a gap before, all by one', () => {
    for (const hadGap of [true, false]) {
      const h = new FastHarness()
      h.addFlow({ rxLog2: 16, mss: 100 })
      h.receive(...(hadGap ? [part(100, 100), part(0, 100)] : [part(0, 200)]))
      h.sent()
      h.receive(...[2, 3, 4, 5, 6].map((nth) => part(nth * 100, 100)))
      expect(h.sent().map(({ ack }) => ack - IRS1)).toEqual(hadGap ? [400, 600, 700] : [700])
    }
  })

  it(`${INTERVALS_MAX} gaps -> all kept; one more -> dropped and counted; the stream arrives whole`, () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    for (let i = 1; i <= INTERVALS_MAX; i++) h.receive(part(i * 20, 10))
    expect(h.count('dropOutOfOrder')).toBe(0)
    h.receive(part((INTERVALS_MAX + 1) * 20, 10))
    expect(h.count('dropOutOfOrder')).toBe(1)
    for (let i = INTERVALS_MAX; i >= 0; i--) h.receive(part(i * 20, 20))
    expect(h.word(flow, TCB_RCV_NXT)).toBe(IRS1 + INTERVALS_MAX * 20 + 20)
    expect(h.received(flow, IRS1, INTERVALS_MAX * 20 + 20)).toEqual(stream(0, INTERVALS_MAX * 20 + 20))
    expect(h.hasGap(flow)).toBe(false)
  })

  it('full list -> a segment that joins two intervals is still taken', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    for (let i = 1; i <= INTERVALS_MAX; i++) h.receive(part(i * 20, 10))
    h.receive(part(30, 10), part(0, 20))
    expect(h.word(flow, TCB_RCV_NXT)).toBe(IRS1 + 50)
    expect(h.count('dropOutOfOrder')).toBe(0)
  })

  it('one flow with all its gaps -> others have theirs', () => {
    const h = new FastHarness()
    h.addFlow({ rxLog2: 12, txLog2: 12 })
    const other = h.addFlow({ rxLog2: 12, txLog2: 12 })
    for (let i = 1; i <= 60; i++) h.receive(part(i * 20, 10))
    h.receive(part(10, 10, { peerPort: 40_001 }), part(30, 10, { peerPort: 40_001 }), part(0, 10, { peerPort: 40_001 }), part(20, 10, { peerPort: 40_001 }))
    expect(h.word(other, TCB_RCV_NXT)).toBe(IRS1 + 40)
  })

  it('a segment over several intervals -> one', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.receive(part(10, 5), part(30, 5), part(50, 5), part(70, 5), part(8, 44))
    expect([h.word(flow, TCB_OOO_START), h.word(flow, TCB_OOO_END)]).toEqual([IRS1 + 8, IRS1 + 55])
    h.receive(part(0, 8))
    expect(h.word(flow, TCB_RCV_NXT)).toBe(IRS1 + 55)
    expect(h.word(flow, TCB_OOO_START)).toBe(IRS1 + 70)
  })

  it('data in order over several intervals and half of one -> all of it is in order', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.receive(part(10, 5), part(30, 10), part(60, 5))
    h.receive(part(0, 35))
    expect(h.word(flow, TCB_RCV_NXT)).toBe(IRS1 + 40)
    expect(h.received(flow, IRS1, 40)).toEqual(stream(0, 40))
  })

  it('without SACK: three segments behind gaps in a pass -> three duplicates, whatever they carry (RFC 5681, 4.2)', () => {
    const h = new FastHarness()
    h.addFlow()
    h.receive(part(10, 5), part(30, 5), part(50, 5), part(70, 5))
    expect(h.sent().map(({ ack, options }) => [ack, options.sackBlocks])).toEqual([[IRS1, undefined], [IRS1, undefined], [IRS1, undefined]])
  })

  it('without SACK: the application sends meanwhile -> the duplicates go out all the same', () => {
    const h = new FastHarness()
    const flow = h.addFlow()
    h.write(flow, stream(0, 10))
    h.receive(part(10, 5), part(30, 5))
    expect(h.sent().map(({ payloadLen }) => payloadLen)).toEqual([10, 0, 0])
  })

  it('another worker takes over -> the lowest interval is there, the others come again (RFC 2018, 8)', () => {
    const h = new FastHarness()
    const flow = h.addFlow({ flags: FLAG_SACK })
    h.receive(part(10, 5), part(30, 5), part(60, 5))
    h.worker.takeOver([])
    h.pass()
    h.sent()
    h.receive(part(40, 5))
    expect(h.sent().map(({ options }) => options.sackBlocks?.map(({ start }) => start - IRS1))).toEqual([[40, 10]])
    h.receive(part(0, 10), part(15, 15))
    expect(h.word(flow, TCB_RCV_NXT)).toBe(IRS1 + 30)
    h.receive(part(30, 10))
    expect(h.received(flow, IRS1, 45)).toEqual(stream(0, 45))
    expect(h.word(flow, TCB_RCV_NXT)).toBe(IRS1 + 45)
  })
})

/** One arrival: bytes [from, from + len) of the stream, with others in one burst or alone. */
interface Arrival { readonly from: number; readonly len: number; readonly alone: boolean }

const STREAM = 3000

const arrivals: fc.Arbitrary<Arrival[]> = fc.array(fc.record({
  from: fc.nat(STREAM - 1), len: fc.integer({ min: 1, max: 400 }), alone: fc.boolean(),
}), { minLength: 1, maxLength: 80 })

/** What a perfect receiver would hold. */
class Model {
  private readonly has = new Uint8Array(STREAM + 1)

  add({ from, len }: Arrival): void {
    this.has.fill(1, from, Math.min(from + len, STREAM))
  }

  holds(from: number, to: number): boolean {
    return from >= 0 && to <= STREAM && this.has.subarray(from, to).every((bit) => bit === 1)
  }

  get inOrder(): number {
    return this.has.indexOf(0)
  }
}

describe('any order', () => {
  it('a stream in pieces, overlapping, again and again -> every byte once and in order; SACK blocks name bytes held (RFC 2018, 4)', () => {
    fc.assert(fc.property(arrivals, fc.boolean(), fc.boolean(), fc.integer(), fc.boolean(), (list, sack, timestamps, irs1, reads) => {
      const h = new FastHarness()
      const flow = h.addFlow({ irs1, rxLog2: 12, timestamps, flags: sack ? FLAG_SACK : 0 })
      const model = new Model()
      let delivered = 0
      const step = (burst: Arrival[]): void => {
        const dropped = h.count('dropOutOfOrder')
        for (const arrival of burst) {
          const len = Math.min(arrival.len, STREAM - arrival.from)
          h.port.inject(h.frame({ seq: (irs1 + arrival.from) | 0, data: stream(arrival.from, len), ...(timestamps ? { timestamps: { value: 200, echo: 0 } } : {}) }), 2)
          model.add(arrival)
        }
        h.pass()
        // A dropped segment is not held: the model cannot know which bytes are. Such runs end here.
        fc.pre(h.count('dropOutOfOrder') === dropped)
        const rcvNxt = (h.word(flow, TCB_RCV_NXT) - irs1) | 0
        expect(rcvNxt).toBe(model.inOrder)
        expect(h.received(flow, (irs1 + delivered) | 0, rcvNxt - delivered)).toEqual(stream(delivered, rcvNxt - delivered))
        if (reads && rcvNxt > delivered) h.bump(flow, { read: (irs1 + rcvNxt) | 0 })
        delivered = rcvNxt
        for (const { options, ack } of h.sent()) {
          const blocks = options.sackBlocks ?? []
          expect(blocks.length).toBeLessThanOrEqual(sack ? (timestamps ? 3 : 4) : 0)
          blocks.forEach(({ start, end }, index) => {
            expect(model.holds((start - irs1) | 0, (end - irs1) | 0)).toBe(true)
            expect((end - start) | 0).toBeGreaterThan(0)
            if (index > 0) expect((start - ack) | 0).toBeGreaterThan(0)
          })
        }
      }
      let burst: Arrival[] = []
      for (const arrival of list) {
        burst.push(arrival)
        if (!arrival.alone && burst.length < 30) continue
        step(burst)
        burst = []
      }
      step([...burst, ...Array.from({ length: 10 }, (_, i) => ({ from: i * 300, len: 300, alone: false }))])
      expect(h.word(flow, TCB_RCV_NXT)).toBe((irs1 + STREAM) | 0)
      h.pass()
      expect(h.word(flow, TCB_OOO_START)).toBe(h.word(flow, TCB_OOO_END))
      expect(h.hasGap(flow)).toBe(false)
      expect(h.count('appBadBumps')).toBe(0)
      if (reads) expect(h.word(flow, TCB_RCV_READ)).toBe((irs1 + STREAM) | 0)
      h.sent()
      h.write(flow, stream(0, 5))
      h.pass()
      expect(h.sent()).toMatchObject([{ seq: ISS1, ack: (irs1 + STREAM) | 0, payloadLen: 5 }])
    }), { numRuns: 300 })
  })
})
