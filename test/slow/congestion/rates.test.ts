/** Algorithms of rates against the formulas of their papers. */
import { describe, expect, it } from 'vitest'
import { initialWindow } from '../../../service/slow/congestion/bounds.js'
import { dctcpRate } from '../../../service/slow/congestion/dctcprate.js'
import { timely } from '../../../service/slow/congestion/timely.js'
import { DEFAULT_DCTCP, DEFAULT_TIMELY, type DctcpConfig, type TimelyConfig } from '../../../service/slow/index.js'
import { begin, carried, interval, MSS } from './flow.js'

const LINK_KBPS = 10_000_000

describe('dctcp-rate', () => {
  function start(config: Partial<DctcpConfig> = {}, linkKbps = LINK_KBPS): ReturnType<typeof begin> {
    return begin(dctcpRate({ ...DEFAULT_DCTCP, initKbps: 100_000, minPackets: 0, stepKbps: 10_000, ...config }, linkKbps))
  }
  type Started = ReturnType<typeof start>
  /** An interval in which the flow was held back and had its whole rate. */
  function full({ control, flow }: Started, ecnShare = 0): number {
    const kbps = flow.rateKbps
    interval(control, flow, { ackedBytes: carried(kbps, 200), ecnBytes: carried(kbps, 200) * ecnShare })
    return flow.rateKbps
  }

  /** `kbps` and a step. */
  function grown(kbps: number, stepKbps = 10_000): number {
    return kbps + stepKbps * Math.sqrt(Math.max(kbps / 10_000, 1))
  }

  it('nothing marked -> doubles each interval (EuroSys 2019, 3.2)', () => {
    const started = start()
    expect([full(started), full(started), full(started)]).toEqual([200_000, 400_000, 800_000])
  })

  it('the first marks -> no doubling any more, rate (1 - alpha / 2), then a step in each interval (RFC 8257, 3.3; EuroSys 2019, 3.2)', () => {
    const started = start({ weight: 0.5 })
    full(started)
    // Alpha was 1, is 0.5 after an interval without marks and 0.75 after one with all marked. A tenth less is sent until nothing is marked.
    expect(full(started, 1)).toBe(200_000 * (1 - 0.75 / 2) * 0.9)
    expect(full(started)).toBe(Math.round(grown(125_000)))
    expect(full(started)).toBe(Math.round(grown(grown(125_000))))
  })

  it('later marks -> rate (1 - alpha / 4) and a step, of which nine tenths are sent until nothing is marked', () => {
    const started = start({ weight: 0, stepKbps: 1_000 })
    full(started, 1)
    const first = full(started)
    const before = grown(50_000, 1_000)
    const reduced = grown(before, 1_000) - before / 4
    expect([first, full(started, 1)]).toEqual([Math.round(before), Math.round(reduced * 0.9)])
    interval(started.control, started.flow, { ackedBytes: MSS, isLimited: false })
    expect(started.flow.rateKbps).toBe(Math.round(reduced))
  })

  it('a step that is large beside the rate, marks without end -> gives back three quarters at most, so the rate falls to its least', () => {
    const started = start({ weight: 0, minKbps: 100, stepKbps: 50_000 })
    full(started, 1)
    expect(full(started, 1)).toBe(Math.round(50_000 * (1 - 1 / 16) * 0.9))
    for (let i = 0; i < 200; i++) full(started, 1)
    expect(started.flow.rateKbps).toBe(100)
  })

  it('marked, not held back -> reduced without a step: what is not used says nothing', () => {
    const { control, flow } = start({ weight: 0 })
    for (const kbps of [50_000, 37_500]) {
      interval(control, flow, { ackedBytes: MSS, ecnBytes: MSS, isLimited: false })
      expect(flow.rateKbps).toBe(kbps * 0.9)
    }
  })

  it('two flows of thousands, one with half as many packets unmarked -> more than a third of the other (chance must not starve)', () => {
    /** Where a rate comes to rest of which one packet in `every` is not marked. */
    const rest = (every: number): number => {
      const started = start({ initKbps: 5_000, stepKbps: 500, minKbps: 1_000, minPackets: 1 })
      let sum = 0
      for (let i = 0; i < 4_000; i++) {
        interval(started.control, started.flow, { ackedBytes: MSS, ecnBytes: i % every === 0 ? 0 : MSS, intervalUs: (MSS * 8000) / started.flow.rateKbps })
        sum += started.flow.rateKbps
      }
      return sum / 4_000
    }
    const [half, most] = [rest(2), rest(4)]
    expect(most / half).toBeGreaterThan(1 / 3)
    expect(most / half).toBeLessThan(0.7)
  })

  it('--cc-dctcp-weight -> how much a share of marks counts', () => {
    const after = (weight: number): number => {
      const started = start({ weight, initKbps: 1_000_000, stepKbps: 0 })
      for (let i = 0; i < 3; i++) full(started, 0.1)
      return started.flow.rateKbps
    }
    expect(after(1)).toBeCloseTo(1_000_000 * 0.95 * 0.975 ** 2 * 0.9, -1)
    expect(after(0)).toBeCloseTo(1_000_000 * 0.5 * 0.75 ** 2 * 0.9, -1)
  })

  it('--cc-dctcp-step, --cc-dctcp-mimd -> growth after the first marks; the step of a rate above 10 Mbit/s grows with its root', () => {
    const after = (config: Partial<DctcpConfig>): number => {
      const started = start({ weight: 0, ...config })
      full(started, 1)
      return full(started)
    }
    expect(after({ stepKbps: 1234, initKbps: 18_000 })).toBe(9_000 + 1234)
    expect(after({ stepKbps: 1234, initKbps: 80_000 })).toBe(40_000 + 2 * 1234)
    expect(after({ mimd: 1.1 })).toBe(55_000)
  })

  it('--cc-dctcp-init -> first rate; left out: an initial window in each round trip (RFC 6928), the least rate where that is not known', () => {
    expect(start({ initKbps: 12_345 }).flow.rateKbps).toBe(12_345)
    const auto = begin(dctcpRate(DEFAULT_DCTCP, LINK_KBPS), { rttUs: 1000 })
    expect(auto.flow.rateKbps).toBe(10 * 12_000)
    expect(begin(dctcpRate(DEFAULT_DCTCP, LINK_KBPS), { rttUs: 0 }).flow.rateKbps).toBe(DEFAULT_DCTCP.minKbps)
  })

  it('--cc-dctcp-min -> no rate below it, whatever is marked or lost', () => {
    const started = start({ minKbps: 60_000 })
    for (let i = 0; i < 10; i++) full(started, 1)
    started.control.onLoss(started.flow)
    started.control.onTimeout?.(started.flow)
    expect(started.flow.rateKbps).toBe(60_000)
  })

  it('--cc-dctcp-minpkts -> marks are answered once so many packets are acknowledged, meanwhile the rate stays', () => {
    const started = start({ minPackets: 50, weight: 1, stepKbps: 1_000 })
    const { control, flow } = started
    interval(control, flow, { ackedBytes: 20 * MSS, ecnBytes: 10 * MSS })
    interval(control, flow, { ackedBytes: 20 * MSS })
    expect(flow.rateKbps).toBe(100_000)
    interval(control, flow, { ackedBytes: 10 * MSS, ecnBytes: 15 * MSS })
    expect(flow.rateKbps).toBe(Math.round((grown(100_000, 1_000) - (100_000 * 0.5) / 4) * 0.9))
  })

  it('--tcp-link-bw -> a rate that has come there is no rate any more; marks bring one back', () => {
    const started = start({}, 150_000)
    expect(full(started)).toBe(0)
    interval(started.control, started.flow, { ackedBytes: 100 * MSS, ecnBytes: 100 * MSS })
    expect(started.flow.rateKbps).toBeLessThan(150_000)
    expect(started.flow.rateKbps).toBeGreaterThan(0)
  })

  it('held back at less than the rate -> 1.2 of what was achieved at most, before it grows (EuroSys 2019, 3.2)', () => {
    const started = start({ weight: 0 })
    full(started, 1)
    interval(started.control, started.flow, { ackedBytes: carried(20_000, 200) })
    expect(started.flow.rateKbps).toBeCloseTo(grown(20_000 * 1.2), -1)
  })

  it('not held back -> the rate stays: what was achieved says nothing', () => {
    const { control, flow } = start()
    interval(control, flow, { ackedBytes: carried(100_000, 200) })
    for (let i = 0; i < 5; i++) interval(control, flow, { ackedBytes: 100, isLimited: false })
    expect(flow.rateKbps).toBe(200_000)
  })

  it('loss -> half the rate at once; marks of the same interval do not take more (RFC 8257, 3.5; RFC 3168, 6.1.2)', () => {
    const { control, flow } = start()
    flow.inFlightBytes = 8 * MSS
    expect(control.onLoss(flow)).toBe(4 * MSS)
    expect(flow.rateKbps).toBe(50_000)
    interval(control, flow, { ackedBytes: carried(50_000, 200), ecnBytes: 100, losses: 1 })
    expect(flow.rateKbps).toBe(50_000)
    interval(control, flow, { ackedBytes: carried(50_000, 200) })
    expect(flow.rateKbps).toBe(Math.round(grown(50_000)))
  })

  it('loss without reason -> the rate before it (RFC 4015)', () => {
    const { control, flow } = start()
    control.onLoss(flow)
    control.onUndo?.(flow)
    expect(flow.rateKbps).toBe(100_000)
  })

  it('timeout -> the first rate again, doubling to half of what it was (RFC 5681, 3.1)', () => {
    const started = start({ initKbps: 20_000 })
    const { control, flow } = started
    for (let i = 0; i < 4; i++) full(started)
    expect(flow.rateKbps).toBe(320_000)
    control.onLoss(flow)
    control.onTimeout?.(flow)
    expect(flow.rateKbps).toBe(20_000)
    expect([full(started), full(started), full(started), full(started)]).toEqual([40_000, 80_000, 160_000, grown(160_000)])
  })

  it('idle -> the first rate again, doubling to where it was', () => {
    const started = start({ initKbps: 20_000, weight: 0 })
    for (let i = 0; i < 4; i++) full(started)
    full(started, 1)
    expect(started.flow.rateKbps).toBe(160_000 * 0.9)
    started.control.onIdle?.(started.flow)
    expect(started.flow.rateKbps).toBe(20_000)
    expect([full(started), full(started), full(started), full(started)]).toEqual([40_000, 80_000, 160_000, grown(160_000)])
  })

  it('nothing marked for 32 intervals -> grows by a 32nd of the rate where that is more than a step (hyper increase)', () => {
    const started = start({ weight: 0, initKbps: 1_000_000, stepKbps: 1_000 })
    full(started, 1)
    for (let i = 0; i < 32; i++) full(started)
    const { rateKbps } = started.flow
    expect(rateKbps).toBeLessThan(500_000 + 32 * 9_000)
    expect(full(started)).toBeCloseTo(rateKbps * (1 + 1 / 32), -1)
  })

  it('marked -> the window is an average round trip of the rate and a segment; 64 intervals without marks -> two round trips again', () => {
    const started = start({ weight: 0, initKbps: 1_000_000, stepKbps: 1 })
    full(started, 1)
    const { flow } = started
    // Not that of what is sent while it drains.
    expect(flow.cwndBytes).toBe(Math.ceil((500_000 * flow.rttUs * MSS) / (8000 * (MSS + 52))) + MSS)
    // A longer round trip makes room for itself only slowly.
    const before = flow.cwndBytes
    flow.rttUs *= 2
    full(started, 1)
    expect(flow.cwndBytes).toBeLessThan(before)
    for (let i = 0; i < 64; i++) full(started)
    expect(flow.cwndBytes).toBe(Math.ceil((2 * flow.rateKbps * flow.rttUs) / 8000))
  })

  it('marked, a rate of less than a segment in a round trip -> a window of two segments', () => {
    const started = start({ minKbps: 10, stepKbps: 1 })
    for (let i = 0; i < 40; i++) full(started, 1)
    expect(started.flow.cwndBytes).toBe(2 * MSS)
  })

  it('any rate, nothing marked -> a window of two round trips of it, never below the initial one', () => {
    expect(start({ initKbps: 1_000_000 }).flow.cwndBytes).toBe(25_000)
    expect(start({ initKbps: 10_000 }).flow.cwndBytes).toBe(initialWindow(MSS))
  })

  it('from another algorithm -> its window becomes the rate, its threshold the end of doubling', () => {
    const { flow, control } = begin(dctcpRate({ ...DEFAULT_DCTCP, stepKbps: 10_000 }, LINK_KBPS), {
      rttUs: 1000, cwndBytes: 50 * MSS, ssthreshBytes: 40 * MSS,
    })
    expect(flow.rateKbps).toBe(600_000)
    interval(control, flow, { ackedBytes: carried(600_000, 2000), intervalUs: 2000 })
    expect(flow.rateKbps).toBe(Math.round(grown(600_000)))
  })
})

describe('timely (SIGCOMM 2015, Algorithm 1)', () => {
  /** A flow that has had a sample of `rttUs`. */
  function start(config: Partial<TimelyConfig> = {}, rttUs = 100): ReturnType<typeof begin> {
    const started = begin(timely({ ...DEFAULT_TIMELY, initKbps: 1_000_000, alpha: 0.5, ...config }, LINK_KBPS), { rttUs })
    return started
  }
  /** A sample, with the whole rate achieved. */
  function sample({ control, flow }: ReturnType<typeof begin>, rttUs: number, isLimited = true): number {
    interval(control, flow, { ackedBytes: carried(flow.rateKbps, 200), rttUs, isLimited })
    return flow.rateKbps
  }

  it('below Tlow -> a step, whatever the gradient (line 6)', () => {
    const started = start({ stepKbps: 5000 })
    expect([sample(started, 10), sample(started, 29)]).toEqual([1_005_000, 1_010_000])
  })

  it('--cc-timely-tlow -> from where on the gradient counts', () => {
    const after = (tlowUs: number): number => {
      const started = start({ tlowUs })
      sample(started, 40)
      return sample(started, 50)
    }
    expect(after(60)).toBe(1_020_000)
    expect(after(30)).toBe(1_005_000)
  })

  it('--cc-timely-thigh, --cc-timely-beta: above Thigh -> rate (1 - beta (1 - Thigh / rtt)) (line 9)', () => {
    expect(sample(start(), 300)).toBe(1_000_000 * (1 - 0.8 * (1 - 150 / 300)))
    expect(sample(start({ beta: 0.5 }), 300)).toBe(750_000)
    expect(sample(start({ thighUs: 240 }), 300)).toBe(840_000)
  })

  it('gradient 0 at the target -> half a step, from the fifth time in a row on five of them (4.3; CoNEXT 2016, algorithm 2)', () => {
    const started = start({}, 90)
    const steps: number[] = []
    for (let i = 0, before = 1_000_000; i < 6; i++) {
      const now = sample(started, 90)
      steps.push(now - before)
      before = now
    }
    expect(steps).toEqual([5000, 5000, 5000, 5000, 25_000, 25_000])
  })

  it('gradient from -1/4 down -> growth alone; from 1/4 up -> decrease alone, by beta times what the target is exceeded by', () => {
    const config = { minRttUs: 20 }
    const falling = start(config)
    sample(falling, 140)
    const before = falling.flow.rateKbps
    expect(sample(falling, 100) - before).toBe(10_000)
    const rising = start(config)
    sample(rising, 90)
    const kbps = rising.flow.rateKbps
    expect(sample(rising, 120)).toBeCloseTo(kbps * (1 - 0.8 * (120 / 90 - 1)), -1)
  })

  it('gradient between -> growth and decrease by its weight, gradient = EWMA of differences / least round trip (lines 1 to 3)', () => {
    const started = start({ minRttUs: 20 })
    sample(started, 96)
    const before = started.flow.rateKbps
    // Differences 0, 4: EWMA with alpha 0.5 is 2; 2 / 20 = 0.1, whose weight is (0.1 / 0.25 + 1) / 2 = 0.7.
    expect(sample(started, 100)).toBeCloseTo(before * (1 - 0.8 * 0.7 * (100 / 90 - 1)) + 0.3 * 10_000, -1)
  })

  it('--cc-timely-alpha, --cc-timely-minrtt -> weight and scale of the gradient', () => {
    const after = (config: Partial<TimelyConfig>): number => {
      const started = start(config, 80)
      sample(started, 80)
      return sample(started, 84) - 1_005_000
    }
    // Below the target nothing but growth, by one less the weight.
    expect(after({ minRttUs: 20, alpha: 0.25 })).toBeCloseTo(10_000 * (1 - 0.6), -1)
    expect(after({ minRttUs: 40, alpha: 0.25 })).toBeCloseTo(10_000 * (1 - 0.55), -1)
    expect(after({ minRttUs: 20, alpha: 0.5 })).toBeCloseTo(10_000 * (1 - 0.7), -1)
  })

  it('a band of any width -> at most half the rate at once', () => {
    const started = start({ tlowUs: 0, thighUs: 1_000, beta: 1 })
    sample(started, 31)
    const before = started.flow.rateKbps
    expect(sample(started, 1_000)).toBe(Math.round(before / 2))
  })

  it('least round trip above Tlow, no jitter -> grows all the same', () => {
    const started = start({ alpha: 0.02 }, 43)
    sample(started, 45)
    for (let i = 0; i < 50; i++) sample(started, 45)
    expect(started.flow.rateKbps).toBeGreaterThan(1_500_000)
  })

  it('above Tlow -> the window is an average round trip of the rate and a segment', () => {
    const started = start({}, 90)
    sample(started, 90)
    expect(started.flow.cwndBytes).toBe(Math.ceil((1_005_000 * 90 * MSS) / (8000 * (MSS + 52))) + MSS)
    expect(start({}, 10).flow.cwndBytes).toBeGreaterThanOrEqual(initialWindow(MSS))
  })

  it('--cc-timely-init, --cc-timely-minrate, --cc-timely-step -> first and least rate, and the step', () => {
    expect(begin(timely(DEFAULT_TIMELY, LINK_KBPS)).flow.rateKbps).toBe(10_000)
    const started = start({ minKbps: 300_000, stepKbps: 7 })
    for (let i = 0; i < 10; i++) sample(started, 10_000)
    expect(started.flow.rateKbps).toBe(300_000)
    expect(sample(started, 10)).toBe(300_007)
  })

  it('not held back -> no growth, but reductions; no sample or nothing acknowledged -> nothing', () => {
    const started = start()
    expect(sample(started, 10, false)).toBe(1_000_000)
    expect(sample(started, 300, false)).toBe(600_000)
    interval(started.control, started.flow, { ackedBytes: 0, rttUs: 10 })
    interval(started.control, started.flow, { ackedBytes: MSS, rttUs: 0 })
    expect(started.flow.rateKbps).toBe(600_000)
  })

  it('loss, its undoing, timeout, idle -> half, back, the first rate, and what was compared is forgotten', () => {
    const started = start()
    const { control, flow } = started
    control.onLoss(flow)
    expect(flow.rateKbps).toBe(500_000)
    control.onUndo?.(flow)
    expect(flow.rateKbps).toBe(1_000_000)
    for (let i = 0; i < 5; i++) sample(started, 60)
    control.onIdle?.(flow)
    // Neither five calm events nor a difference to the sample before.
    const before = flow.rateKbps
    expect(sample(started, 80) - before).toBe(5_000)
    control.onLoss(flow)
    control.onTimeout?.(flow)
    expect(flow.rateKbps).toBeLessThanOrEqual(1_000_000)
  })
})
