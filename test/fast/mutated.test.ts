import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TCB_RCV_NXT, TCB_SND_UNA } from '../../lib/memif/index.js'
import { IRS1, ISS1, type SegmentOptions } from './frames.js'
import { FastHarness } from './harness.js'

/** What is done to a frame: bytes changed, its end cut off or garbage behind it. */
interface Mutation {
  readonly changes: readonly (readonly [number, number])[]
  readonly cut: number
  readonly extra: number
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  changes: fc.array(fc.tuple(fc.nat(120), fc.nat(255)), { maxLength: 4 }),
  cut: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(100)),
  extra: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(50)),
})

const segment: fc.Arbitrary<SegmentOptions> = fc.record({
  seq: fc.oneof(fc.integer({ min: -3000, max: 40_000 }).map((d) => (IRS1 + d) | 0), fc.integer()),
  ack: fc.oneof(fc.integer({ min: -3000, max: 3000 }).map((d) => (ISS1 + d) | 0), fc.integer()),
  flags: fc.oneof({ weight: 4, arbitrary: fc.constantFrom(0x10, 0x18, 0x11) }, fc.nat(255)),
  window: fc.nat(65535),
  data: fc.uint8Array({ maxLength: 1460 }),
  timestamps: fc.record({ value: fc.integer(), echo: fc.integer() }),
})

function mutate(frame: Uint8Array, { changes, cut, extra }: Mutation): Uint8Array {
  const bytes = new Uint8Array(Math.max(14, frame.length - cut) + extra)
  bytes.set(frame.subarray(0, Math.max(14, frame.length - cut)))
  for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value
  return bytes
}

describe('frames from hell', () => {
  it.each([[0, 'unverified'], [1, 'checksum said to be partial'], [2, 'checksum said to be good']])(
    'random and mutated frames, rxFlags %i (%s) -> no exception, no impossible state, the flow still works',
    (flags) => {
      fc.assert(fc.property(fc.array(fc.tuple(segment, mutation), { minLength: 1, maxLength: 30 }), fc.boolean(), fc.boolean(), (frames, timestamps, vlanStrip) => {
        const h = new FastHarness({ vlanStrip })
        const flow = h.addFlow({ timestamps })
        h.write(flow, new Uint8Array(2000))
        let rcvNxt = h.word(flow, TCB_RCV_NXT)
        let una = h.word(flow, TCB_SND_UNA)
        for (const [options, mutated] of frames) {
          h.port.inject(mutate(h.frame(options), mutated), flags)
          h.pass()
          expect((h.word(flow, TCB_RCV_NXT) - rcvNxt) | 0).toBeGreaterThanOrEqual(0)
          expect((h.word(flow, TCB_SND_UNA) - una) | 0).toBeGreaterThanOrEqual(0)
          rcvNxt = h.word(flow, TCB_RCV_NXT)
          una = h.word(flow, TCB_SND_UNA)
          h.told()
          h.seen()
        }
        h.sent()
        expect(h.count('rxPackets')).toBe(frames.length)
        const other = h.addFlow()
        h.receive({ peerPort: 40_000 + other, data: 'alive' })
        expect(h.seen()).toContainEqual(expect.objectContaining({ flow: other, rcvEnd: IRS1 + 5 }))
      }), { numRuns: 150 })
    },
  )
})
