/** Algorithms of windows against the formulas of their documents. */
import { describe, expect, it } from 'vitest'
import { initialWindow, leastThreshold, rateOf, windowOf } from '../../../service/slow/congestion/bounds.js'
import { constRate } from '../../../service/slow/congestion/constrate.js'
import { cubic } from '../../../service/slow/congestion/cubic.js'
import { dctcpWin } from '../../../service/slow/congestion/dctcpwin.js'
import { MarkedShare } from '../../../service/slow/congestion/marks.js'
import { reno } from '../../../service/slow/congestion/reno.js'
import { DEFAULT_DCTCP } from '../../../service/slow/index.js'
import { begin, interval, MSS, newFlow } from './flow.js'

const LINK_KBPS = 10_000_000

describe('bounds', () => {
  it.each([[1460, 14_600], [1448, 14_480], [536, 5360], [8960, 17_920]])('initial window of segments of %i bytes -> %i (RFC 6928, 2)', (mss, bytes) => {
    expect(initialWindow(mss)).toBe(bytes)
  })

  it('a rate -> bytes of segments with headers in a time, and a window of two round trips, never below the initial one', () => {
    expect(rateOf(MSS, 12, MSS)).toBe(1_000_000)
    expect(windowOf(1_000_000, newFlow({ rttUs: 1000 }))).toBe(250_000)
    expect(windowOf(10, newFlow({ rttUs: 1000 }))).toBe(initialWindow(MSS))
    expect(windowOf(1_000_000, newFlow({ rttUs: 0 }))).toBe(initialWindow(MSS))
  })
})

describe('reno', () => {
  it('below ssthresh -> grows by what was acknowledged, at most double (RFC 5681, 3.1, equation 2)', () => {
    const { flow, control } = begin(reno)
    interval(control, flow, { ackedBytes: 3 * MSS })
    expect(flow.cwndBytes).toBe(13 * MSS)
    interval(control, flow, { ackedBytes: 1000 * MSS })
    expect(flow.cwndBytes).toBe(26 * MSS)
  })

  it('above -> a segment for each window acknowledged (RFC 5681, 3.1, equation 3)', () => {
    const { flow, control } = begin(reno, { ssthreshBytes: 10 * MSS })
    interval(control, flow, { ackedBytes: 10 * MSS })
    expect(flow.cwndBytes).toBe(11 * MSS)
    interval(control, flow, { ackedBytes: MSS })
    expect(flow.cwndBytes).toBe(11 * MSS + Math.floor(MSS / 11))
  })

  it('loss -> half of what is in flight, two segments at least (RFC 5681, 3.1, equation 4)', () => {
    const { flow, control } = begin(reno, { inFlightBytes: 9 * MSS, cwndBytes: 100 * MSS })
    expect(control.onLoss(flow)).toBe(4.5 * MSS)
    flow.inFlightBytes = MSS
    expect(control.onLoss(flow)).toBe(leastThreshold(MSS))
  })
})

describe('cubic', () => {
  const RTT_US = 100_000
  /** Rounds of one round trip each, everything acknowledged. */
  function rounds(control: ReturnType<typeof begin>['control'], flow: ReturnType<typeof newFlow>, count: number): void {
    for (let i = 0; i < count; i++) interval(control, flow, { ackedBytes: flow.cwndBytes, intervalUs: RTT_US })
  }

  it('loss -> 0.7 of the window; the next before it has recovered -> wMax shrinks as well (RFC 9438, 4.6 and 4.7)', () => {
    const { flow, control } = begin(cubic(50), { cwndBytes: 100 * MSS, rttUs: RTT_US })
    expect(control.onLoss(flow)).toBe(Math.floor(70 * MSS))
    flow.cwndBytes = flow.ssthreshBytes = 70 * MSS
    expect(control.onLoss(flow)).toBe(Math.floor(49 * MSS))
  })

  it('after a loss -> back at the window before it after K seconds, K = cbrt(0.3 wMax / 0.4) (RFC 9438, 4.2, equation 2)', () => {
    const wMax = 1000
    const { flow, control } = begin(cubic(50), { cwndBytes: wMax * MSS, rttUs: RTT_US })
    flow.ssthreshBytes = control.onLoss(flow)
    flow.cwndBytes = flow.ssthreshBytes
    const k = Math.cbrt((wMax * 0.3) / 0.4)
    rounds(control, flow, Math.round(k / 2 / (RTT_US / 1e6)))
    // Half of K: an eighth of the cube is left.
    expect(flow.cwndBytes / MSS).toBeGreaterThan(wMax - 0.4 * (k / 2) ** 3 * 1.2)
    expect(flow.cwndBytes / MSS).toBeLessThan(wMax)
    rounds(control, flow, Math.round(k / 2 / (RTT_US / 1e6)))
    expect(Math.abs(flow.cwndBytes / MSS - wMax)).toBeLessThan(0.01 * wMax)
  })

  it('a small window -> no slower than Reno (RFC 9438, 4.3)', () => {
    const { flow, control } = begin(cubic(50), { cwndBytes: 10 * MSS, rttUs: 1000 })
    flow.ssthreshBytes = control.onLoss(flow)
    flow.cwndBytes = flow.ssthreshBytes
    for (let i = 0; i < 20; i++) interval(control, flow, { ackedBytes: flow.cwndBytes, intervalUs: 1000 })
    expect(flow.cwndBytes / MSS).toBeGreaterThan(7 + 20 * 0.5)
  })
})

describe('share of marked bytes', () => {
  it('alpha -> (1 - g) alpha + g M, from 1 (RFC 8257, 3.3; SIGCOMM 2010, equation 1)', () => {
    const marks = new MarkedShare(1 / 16)
    expect(marks.remainder).toBe(0.5)
    marks.observe(1000, 0)
    expect(marks.alpha).toBe(15 / 16)
    marks.observe(1000, 250)
    expect(marks.alpha).toBe((15 / 16) ** 2 + 0.25 / 16)
  })

  it('several windows in one look -> as if they had been looked at one by one', () => {
    const [one, many] = [new MarkedShare(0.1), new MarkedShare(0.1)]
    many.observe(3000, 600, 3)
    for (let i = 0; i < 3; i++) one.observe(1000, 200)
    expect(many.alpha).toBeCloseTo(one.alpha, 12)
  })

  it('nothing acknowledged -> nothing learnt; more marked than acknowledged -> all of it', () => {
    const marks = new MarkedShare(0.5)
    marks.observe(0, 0)
    expect(marks.alpha).toBe(1)
    marks.alpha = 0
    marks.observe(10, 99)
    expect(marks.alpha).toBe(0.5)
  })
})

describe('dctcp-win', () => {
  it('marks in a window -> once cwnd (1 - alpha / 2), ssthresh with it (RFC 8257, 3.3; SIGCOMM 2010, equation 2)', () => {
    const { flow, control } = begin(dctcpWin({ ...DEFAULT_DCTCP, weight: 0.5 }, LINK_KBPS), { cwndBytes: 100 * MSS, ssthreshBytes: 100 * MSS })
    // A window without marks: alpha 0.5, and a segment more.
    interval(control, flow, { ackedBytes: 100 * MSS })
    expect(flow.cwndBytes).toBe(101 * MSS)
    Object.assign(flow, { totalAckedBytes: flow.totalAckedBytes + 10 * MSS, totalEcnBytes: 10 * MSS })
    control.onEcho?.(flow)
    expect([flow.cwndBytes, flow.ssthreshBytes]).toEqual([Math.floor(101 * MSS * 0.75), Math.floor(101 * MSS * 0.75)])
  })

  it('every window wholly marked -> halved each time, as Reno would; one in a hundred bytes -> hardly', () => {
    const all = begin(dctcpWin(DEFAULT_DCTCP, LINK_KBPS), { cwndBytes: 100 * MSS, ssthreshBytes: 100 * MSS })
    all.control.onEcho?.(all.flow)
    expect(all.flow.cwndBytes).toBe(50 * MSS)
    const few = begin(dctcpWin(DEFAULT_DCTCP, LINK_KBPS), { cwndBytes: 100 * MSS, ssthreshBytes: 100 * MSS })
    for (let i = 0; i < 200; i++) interval(few.control, few.flow, { ackedBytes: few.flow.cwndBytes, ecnBytes: few.flow.cwndBytes / 100 })
    const before = few.flow.cwndBytes
    few.control.onEcho?.(few.flow)
    expect(few.flow.cwndBytes / before).toBeCloseTo(1 - 0.01 / 2, 3)
  })

  it('loss -> half of what is in flight, whatever alpha is (RFC 8257, 3.5)', () => {
    const { flow, control } = begin(dctcpWin(DEFAULT_DCTCP, LINK_KBPS), { inFlightBytes: 40 * MSS })
    expect(control.onLoss(flow)).toBe(20 * MSS)
  })

  it('any window -> a rate above it per round trip, twice in slow start; none without a measurement, and none at the link\'s bandwidth', () => {
    const slow = begin(dctcpWin(DEFAULT_DCTCP, LINK_KBPS), { rttUs: 1000 })
    expect(slow.flow.rateKbps).toBe(2 * 10 * 12_000)
    const steady = begin(dctcpWin(DEFAULT_DCTCP, LINK_KBPS), { rttUs: 1000, ssthreshBytes: MSS })
    expect(steady.flow.rateKbps).toBe(1.2 * 10 * 12_000)
    expect(begin(dctcpWin(DEFAULT_DCTCP, LINK_KBPS), { rttUs: 0 }).flow.rateKbps).toBe(0)
    expect(begin(dctcpWin(DEFAULT_DCTCP, 10_000), { rttUs: 1000 }).flow.rateKbps).toBe(0)
    expect(begin(dctcpWin({ ...DEFAULT_DCTCP, minKbps: 400_000 }, LINK_KBPS), { rttUs: 1000 }).flow.rateKbps).toBe(400_000)
  })

  it('idle -> the initial window again (RFC 5681, 4.1)', () => {
    const { flow, control } = begin(dctcpWin(DEFAULT_DCTCP, LINK_KBPS), { cwndBytes: 100 * MSS })
    control.onIdle?.(flow)
    expect(flow.cwndBytes).toBe(10 * MSS)
  })
})

describe('const-rate', () => {
  it('losses, marks, idle times -> always the same rate, and a window that is no limit', () => {
    const { flow, control } = begin(constRate(5000))
    const before = [flow.rateKbps, flow.cwndBytes]
    expect(before).toEqual([5000, 0x7fffffff])
    expect(control.onLoss(flow)).toBe(0x7fffffff)
    control.onEcho?.(flow)
    control.onIdle?.(flow)
    interval(control, flow, { ackedBytes: MSS, ecnBytes: MSS, losses: 1 })
    expect([flow.rateKbps, flow.cwndBytes]).toEqual(before)
    expect(begin(constRate(0)).flow.rateKbps).toBe(0)
  })
})
