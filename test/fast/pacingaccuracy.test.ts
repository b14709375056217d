/** Rates set and rates achieved by a whole worker in virtual time, alone and among ten thousand. */
import { describe, expect, it } from 'vitest'
import { TCB_SND_NXT } from '../../lib/memif/index.js'
import { ISS1 } from './frames.js'
import { FastHarness } from './harness.js'

const OPEN = 1 << 29
const ENOUGH = 1 << 30
const HEADERS = 40

/** Bytes of IP packets that went out since the last call. */
function sentBytes(h: FastHarness): number {
  let bytes = 0
  for (const { len, gso } of h.sentLengths()) bytes += gso === 0 ? len : len + (Math.ceil((len - HEADERS) / gso) - 1) * HEADERS
  return bytes
}

interface Run {
  /** From the first segment to the last, which does not count: its time is what follows. */
  readonly kbps: number
  /** Most bytes that left at one moment, behind the first. */
  readonly burst: number
}

/** A flow that always has something to send; the worker looks as soon as something is due, and `lateUs(n)` later. */
function run(options: {
  rateKbps: number; mss: number; offload: boolean; departures: number; lateUs?: (n: number) => number; startUs?: number
}): Run {
  const h = new FastHarness({ offload: options.offload })
  h.nowUs = options.startUs ?? h.nowUs
  h.addFlow({ ...options, txLog2: 20, toSend: ENOUGH, sndWnd: OPEN, cwnd: OPEN })
  const startUs = h.nowUs
  h.settle()
  let bytes = sentBytes(h)
  let last = 0
  let burst = 0
  for (let n = 0; n < options.departures; n++) {
    h.nowUs += h.worker.departureWaitUs(h.nowUs | 0) + (options.lateUs?.(n) ?? 0)
    h.settle()
    last = sentBytes(h)
    bytes += last
    burst = Math.max(burst, last)
  }
  return { kbps: ((bytes - last) * 8_000) / (h.nowUs - startUs), burst }
}

const RATES = [10, 64, 100, 1_000, 10_000, 33_333, 100_000, 1_000_000, 10_000_000, 40_000_000, 100_000_000]

describe('achieved rate', () => {
  for (const mss of [536, 1_448, 8_948]) {
    for (const offload of [false, true]) {
      it(`MSS ${mss}, offload ${offload ? 'on' : 'off'}: 10 kbit/s to 100 Gbit/s -> within 2 % of what is set`, () => {
        for (const rateKbps of RATES) {
          const { kbps } = run({ rateKbps, mss, offload, departures: 150 })
          expect([rateKbps, Math.abs(kbps / rateKbps - 1) < 0.02, kbps]).toEqual([rateKbps, true, kbps])
        }
      })
    }
  }

  it('the worker comes late now and then -> within 2 %, and bursts of half a millisecond and one segment at most', () => {
    for (const rateKbps of [1_000, 100_000, 1_000_000, 10_000_000]) {
      const segmentUs = (1_488 * 8_000) / rateKbps
      // Each 30 ms late by 3 ms, and always by up to 40 us.
      const every = Math.max(2, Math.ceil(30_000 / Math.max(segmentUs, 40)))
      const { kbps, burst } = run({
        rateKbps, mss: 1_448, offload: false, departures: 5 * every, lateUs: (n) => (n % every === 0 ? 3_000 : (n * 7) % 41),
      })
      expect([rateKbps, Math.abs(kbps / rateKbps - 1) < 0.02, kbps]).toEqual([rateKbps, true, kbps])
      expect(burst).toBeLessThanOrEqual((rateKbps * 500) / 8_000 + 2 * 1_488)
    }
  })

  it('the low bits of the clock come round -> as if they had not', () => {
    for (const wrapUs of [2 ** 31, 2 ** 32]) {
      for (const rateKbps of [10, 1_000, 1_000_000]) {
        const startUs = wrapUs - Math.ceil((50 * 1_488 * 8_000) / rateKbps)
        const { kbps } = run({ rateKbps, mss: 1_448, offload: false, departures: 100, startUs })
        expect([rateKbps, Math.abs(kbps / rateKbps - 1) < 0.02, kbps]).toEqual([rateKbps, true, kbps])
      }
    }
  })
})

describe('ten thousand flows', () => {
  it('each of another rate, 160 to 260 kbit/s -> each gets its own; the worker looks only when one is due', () => {
    const h = new FastHarness({ flows: 16_384 })
    const flows = 10_000
    const rateOf = (flow: number): number => 160 + (flow % 101)
    for (let flow = 0; flow < flows; flow++) h.addFlow({ rateKbps: rateOf(flow), toSend: ENOUGH, sndWnd: OPEN, cwnd: OPEN, mss: 960 })
    h.settle()
    h.sentLengths()
    const before = Array.from({ length: flows }, (_, flow) => h.word(flow, TCB_SND_NXT))
    const endUs = h.nowUs + 300_000
    while (h.departNext(endUs - h.nowUs)) {
      if (h.sentLengths().length === 0) expect.fail(`nothing was due at ${h.nowUs} us`)
    }
    for (let flow = 0; flow < flows; flow++) {
      // 1,000 bytes a segment, more or less one segment.
      const segments = (h.word(flow, TCB_SND_NXT) - before[flow]) / 960
      const share = (rateOf(flow) * 300) / 8_000
      if (Math.abs(segments - share) > 1) expect.fail(`flow ${flow}: ${segments} segments, ${share} are its share`)
    }
    expect(before[0]).toBeGreaterThan(ISS1)
  }, 60_000)
})
