/** What sending costs in time: exact on average at every rate, never more at once than agreed. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RATE_KBPS_MAX, RATE_KBPS_MIN } from '../../lib/memif/index.js'
import { PACE_BURST_US, PACE_LATE_US, pacedBytes, PaceRates } from '../../service/fast/pacerates.js'
import { PACE_HORIZON_US } from '../../service/fast/pacewheel.js'

const FLOW = 3
const rate = fc.oneof(fc.integer({ min: RATE_KBPS_MIN, max: RATE_KBPS_MAX }), fc.integer({ min: RATE_KBPS_MIN, max: 10_000 }))

/** One flow and its clock, full-width. */
class Flow {
  readonly rates = new PaceRates(8)
  nowUs: number

  constructor(rateKbps: number, nowUs = 5_000_000) {
    this.nowUs = nowUs
    this.set(rateKbps)
  }

  private get nowMs(): number {
    return Math.floor(this.nowUs / 1_000) | 0
  }

  set(rateKbps: number): void {
    this.rates.setRate(FLOW, rateKbps, this.nowUs | 0, this.nowMs)
  }

  get mayGo(): boolean {
    return this.rates.mayGo(FLOW, this.nowUs | 0, this.nowMs)
  }

  /** Microseconds until the next segment may go. */
  get waitUs(): number {
    return this.mayGo ? 0 : (this.rates.due32(FLOW) - (this.nowUs | 0)) | 0
  }

  charge(bytes: number): void {
    this.rates.charge(FLOW, bytes, this.nowUs | 0, this.nowMs)
  }

  /** Sends segments of `bytes` as long as it may, at most `most` bytes. Returns how many bytes. */
  burst(bytes: number, most = Infinity): number {
    let sent = 0
    for (; this.mayGo && sent < most; sent += bytes) {
      this.charge(bytes)
      this.rates.wait(FLOW)
    }
    return sent
  }
}

describe('rate: segments one after another', () => {
  it('any rate and size -> exact on average to 1 part in 10,000', () => {
    fc.assert(fc.property(rate, fc.integer({ min: 40, max: 65_535 }), (rateKbps, bytes) => {
      const flow = new Flow(rateKbps)
      const exactUs = (bytes * 8_000) / rateKbps
      if (exactUs > PACE_HORIZON_US) return
      let spentUs = 0
      // So many that a fraction of a microsecond that was lost each time would show.
      const count = Math.max(100, Math.ceil(20_000 / exactUs))
      for (let i = 0; i < count; i++) {
        const waitUs = flow.waitUs
        spentUs += waitUs
        flow.nowUs += waitUs
        flow.charge(bytes)
        flow.rates.wait(FLOW)
      }
      spentUs += flow.waitUs
      expect(Math.abs(spentUs / count / exactUs - 1)).toBeLessThan(1e-4 + 1 / (count * exactUs))
    }), { numRuns: 100 })
  })

  it('known rates -> so long until the next segment', () => {
    const known = [
      [10, 1_500, 1_200_000], [1_000, 1_500, 12_000], [8_000, 1_500, 1_500], [1_000_000, 1_500, 12], [10_000_000, 62_500, 50],
      [RATE_KBPS_MAX, 65_000, 5],
    ]
    for (const [rateKbps, bytes, waitUs] of known) {
      const flow = new Flow(rateKbps)
      expect([rateKbps, flow.burst(bytes), flow.waitUs]).toEqual([rateKbps, bytes, waitUs])
    }
  })

  it('a rate out of bounds -> counts as the nearest', () => {
    expect([-5, 1, 9].map((rateKbps) => new Flow(rateKbps).rates.rateKbps(FLOW))).toEqual([10, 10, 10])
    expect(new Flow(RATE_KBPS_MAX + 1).rates.rateKbps(FLOW)).toBe(RATE_KBPS_MAX)
  })
})

describe('rate: bytes of a segment', () => {
  it('headers of each segment of a super-segment count', () => {
    expect([pacedBytes(1, 1_448, 52), pacedBytes(1_448, 1_448, 52), pacedBytes(1_449, 1_448, 52), pacedBytes(4_344, 1_448, 52)]).toEqual([
      53, 1_500, 1_449 + 104, 4_500,
    ])
  })

  it('a super-segment -> what the rate sends in a quarter of a millisecond', () => {
    for (const [rateKbps, bytes] of [[10, 0], [1_000, 31], [100_000, 3_125], [1_000_000, 31_250], [10_000_000, 312_500]]) {
      expect([rateKbps, new Flow(rateKbps).rates.burstBytes(FLOW)]).toEqual([rateKbps, bytes])
    }
  })
})

describe('rate: after idleness', () => {
  it('however long -> a burst of PACE_BURST_US and one segment, then the rate', () => {
    for (const idleUs of [262, 1_000, 50_000, 60_000_000, 36 * 60_000_000, 71.5 * 60_000_000, 100 * 60_000_000]) {
      const flow = new Flow(1_000_000)
      flow.burst(1_500)
      flow.rates.rest(FLOW)
      flow.nowUs += idleUs
      // 31,250 bytes in 250 us.
      expect([idleUs, flow.burst(1_500)]).toEqual([idleUs, 21 * 1_500])
      let sent = 0
      for (let i = 0; i < 12; i++) {
        flow.nowUs += 100
        sent += flow.burst(1_500)
      }
      expect([idleUs, Math.abs(sent - 150_000) <= 1_500]).toEqual([idleUs, true])
    }
  })

  it('a flow that is new -> no credit', () => {
    expect(new Flow(1_000_000).burst(1_500)).toBe(1_500)
  })
})

describe('rate: set before the clock was looked at', () => {
  it('whatever the clock then shows -> the first segment may go, the next when it is due', () => {
    for (const us32 of [5, 2 ** 30, 2 ** 31 - 1, -(2 ** 31), -(2 ** 30)]) {
      for (const ms32 of [5, 2 ** 31 - 1, -1]) {
        const rates = new PaceRates(8)
        rates.setRate(FLOW, 1_000, 0, 0)
        expect([us32, ms32, rates.mayGo(FLOW, us32, ms32)]).toEqual([us32, ms32, true])
        rates.charge(FLOW, 1_500, us32, ms32)
        const waitUs = (rates.due32(FLOW) - us32) | 0
        expect([us32, ms32, waitUs >= 12_000 - PACE_BURST_US && waitUs <= 12_000]).toEqual([us32, ms32, true])
      }
    }
  })
})

describe('rate: a worker that comes late', () => {
  /** Runs for `totalUs`, looking each `everyUs` and `lateUs` later each `lateEveryUs`. Returns kbit/s and the largest burst. */
  function run(rateKbps: number, totalUs: number, lateUs: number, lateEveryUs: number): { kbps: number; burst: number } {
    const flow = new Flow(rateKbps)
    const startUs = flow.nowUs
    let sent = flow.burst(1_500)
    let burst = 0
    let nextLateUs = startUs + lateEveryUs
    while (flow.nowUs - startUs < totalUs) {
      flow.nowUs += Math.max(flow.waitUs, 1)
      if (flow.nowUs >= nextLateUs) {
        flow.nowUs += lateUs
        nextLateUs += lateEveryUs
      }
      const now = flow.burst(1_500)
      burst = Math.max(burst, now)
      sent += now
    }
    return { kbps: (sent * 8_000) / (flow.nowUs - startUs), burst }
  }

  it('up to half the time -> the rate is made up for, in bounded bursts', () => {
    for (const rateKbps of [1_000, 10_000, 100_000, 1_000_000, 10_000_000]) {
      for (const [lateUs, lateEveryUs] of [[60, 200], [1_000, 10_000], [4_000, 50_000], [15_000, 100_000]]) {
        const { kbps, burst } = run(rateKbps, 1_000_000, lateUs, lateEveryUs)
        expect([rateKbps, lateUs, Math.abs(kbps / rateKbps - 1) < 0.02]).toEqual([rateKbps, lateUs, true])
        expect(burst).toBeLessThanOrEqual((rateKbps * 2 * PACE_BURST_US) / 8_000 + 1_500)
      }
    }
  })

  it('for longer than PACE_LATE_US -> the rest is lost', () => {
    const flow = new Flow(100_000)
    flow.burst(1_500)
    flow.nowUs += 1_000_000
    let sent = flow.burst(1_500)
    const startUs = flow.nowUs
    while (flow.nowUs - startUs < 100_000) {
      flow.nowUs += flow.waitUs
      sent += flow.burst(1_500)
    }
    expect(Math.abs((sent * 8_000) / 100_000 - (100_000 + PACE_BURST_US + PACE_LATE_US))).toBeLessThan(2 * 120)
  })

  it('then has nothing more to send -> nothing is made up for', () => {
    const flow = new Flow(100_000)
    flow.burst(1_500)
    flow.nowUs += 10_000
    flow.burst(1_500)
    flow.rates.rest(FLOW)
    flow.nowUs += 10_000
    flow.burst(1_500)
    flow.rates.wait(FLOW)
    // 120 us each: three begin in the 250 us before.
    expect(flow.waitUs).toBe(110)
    flow.nowUs += flow.waitUs
    expect([flow.burst(1_500), flow.waitUs]).toEqual([1_500, 120])
  })
})

describe('rate: changed', () => {
  it('raised or lowered -> what is owed is paid at the new rate', () => {
    for (const [before, after] of [[1_000, 100_000], [100_000, 1_000], [10, RATE_KBPS_MAX], [1_000, 1_000]]) {
      const flow = new Flow(before)
      flow.charge(1_500)
      flow.set(after)
      expect([before, after, Math.abs(flow.waitUs - (1_500 * 8_000) / after) <= 1]).toEqual([before, after, true])
    }
  })

  it('again and again between segments -> no fraction is lost', () => {
    const flow = new Flow(10_000_000)
    const startUs = flow.nowUs
    let sent = 0
    for (let i = 0; i < 20_000; i++) {
      sent += flow.burst(1_500)
      flow.set(i % 2 === 0 ? 10_010_000 : 10_000_000)
      flow.nowUs += 1
    }
    expect(Math.abs((sent * 8_000) / (flow.nowUs - startUs) / 10_005_000 - 1)).toBeLessThan(0.002)
  })

  it('to none and back -> no debt', () => {
    const flow = new Flow(10)
    flow.charge(1_500)
    flow.set(0)
    flow.set(10)
    expect(flow.waitUs).toBe(0)
  })
})

describe('rate: sent out of turn', () => {
  it('more than the rate sends in PACE_HORIZON_US -> the debt ends there', () => {
    const flow = new Flow(10)
    for (let i = 0; i < 100; i++) flow.charge(60_000)
    expect(flow.waitUs).toBe(PACE_HORIZON_US)
    flow.nowUs += PACE_HORIZON_US
    expect(flow.waitUs).toBe(0)
  })

  it('a super-segment of absurdly small segments -> costs what BYTES_MAX do, not less', () => {
    const flow = new Flow(RATE_KBPS_MAX)
    flow.charge(pacedBytes(65_455, 1, 52))
    expect(flow.waitUs).toBe(Math.floor((131_071 * 8_000) / RATE_KBPS_MAX))
  })
})
