/** What must hold of every algorithm whatever happens to its flow, and that flows under it come to equal shares. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Algorithm } from '../../../service/slow/congestion/algorithm.js'
import { constRate } from '../../../service/slow/congestion/constrate.js'
import { cubic } from '../../../service/slow/congestion/cubic.js'
import { dctcpRate } from '../../../service/slow/congestion/dctcprate.js'
import { dctcpWin } from '../../../service/slow/congestion/dctcpwin.js'
import { reno } from '../../../service/slow/congestion/reno.js'
import { timely } from '../../../service/slow/congestion/timely.js'
import { DEFAULT_DCTCP, DEFAULT_TIMELY } from '../../../service/slow/index.js'
import { Bottleneck, jain } from './bottleneck.js'
import { begin, interval, MSS } from './flow.js'

const LINK_KBPS = 10_000_000
const ALL: readonly Algorithm[] = [
  dctcpRate(DEFAULT_DCTCP, LINK_KBPS), dctcpRate({ ...DEFAULT_DCTCP, mimd: 1.5, minKbps: 0, minPackets: 0 }, LINK_KBPS), dctcpWin(DEFAULT_DCTCP, LINK_KBPS),
  timely(DEFAULT_TIMELY, LINK_KBPS), constRate(20_000), cubic(50), reno,
]

const happening = fc.record({
  kind: fc.constantFrom('update', 'update', 'update', 'loss', 'timeout', 'undo', 'echo', 'idle'),
  intervalUs: fc.integer({ min: 0, max: 10_000_000 }), ackedBytes: fc.integer({ min: 0, max: 0xffffffff }), ecnShare: fc.double({ min: 0, max: 1, noNaN: true }),
  rttUs: fc.integer({ min: 0, max: 10_000_000 }), isLimited: fc.boolean(), losses: fc.nat(3), timeouts: fc.nat(2),
  inFlightBytes: fc.integer({ min: 0, max: 2 ** 26 }),
})

describe.each(ALL.map((algorithm) => [algorithm.name, algorithm] as const))('%s', (name, algorithm) => {
  it('anything in any order -> window and rate are finite and within bounds, thresholds two segments at least', () => {
    const isPaced = name === 'dctcp-rate' || name === 'timely'
    fc.assert(fc.property(fc.array(happening, { maxLength: 60 }), fc.integer({ min: 64, max: 65_000 }), (happenings, mss) => {
      const { flow, control } = begin(algorithm, { mss, cwndBytes: 10 * mss, rttUs: 0, minRttUs: 0 })
      for (const { kind, ecnShare, rttUs, inFlightBytes, ...counts } of happenings) {
        Object.assign(flow, { rttUs, inFlightBytes, cwndBytes: Math.min(Math.max(flow.cwndBytes, mss), 2 ** 25) })
        if (kind === 'update') interval(control, flow, { ...counts, ecnBytes: Math.floor(counts.ackedBytes * ecnShare) })
        if (kind === 'loss') {
          flow.ssthreshBytes = control.onLoss(flow)
          expect(flow.ssthreshBytes).toBeGreaterThanOrEqual(name === 'const-rate' ? mss : 2 * mss)
        }
        if (kind === 'timeout') control.onTimeout?.(flow)
        if (kind === 'undo') control.onUndo?.(flow)
        if (kind === 'echo') control.onEcho?.(flow)
        if (kind === 'idle') control.onIdle?.(flow)
        expect(Number.isFinite(flow.cwndBytes) && flow.cwndBytes >= mss).toBe(true)
        expect(Number.isInteger(flow.rateKbps) && flow.rateKbps >= 0 && flow.rateKbps < LINK_KBPS).toBe(true)
        // 0 is no rate: only at the link's bandwidth, or where there is nothing to compute one from.
        if (isPaced && flow.rateKbps === 0) expect(flow.cwndBytes).toBeGreaterThanOrEqual(2 * mss)
      }
    }))
  })

  it('marked and lost without end, then a good path -> it grows again', () => {
    const { flow, control } = begin(algorithm, { rttUs: 25 })
    for (let i = 0; i < 100; i++) {
      flow.inFlightBytes = flow.cwndBytes
      flow.ssthreshBytes = control.onLoss(flow)
      control.onTimeout?.(flow)
      flow.cwndBytes = MSS
      interval(control, flow, { ackedBytes: MSS, ecnBytes: MSS, losses: 1, timeouts: 1 })
    }
    const [rate, cwnd] = [flow.rateKbps, flow.cwndBytes]
    for (let i = 0; i < 200; i++) interval(control, flow, { ackedBytes: flow.cwndBytes })
    if (name === 'const-rate') expect(flow.rateKbps).toBe(rate)
    else expect(flow.rateKbps > rate || flow.cwndBytes > cwnd || flow.rateKbps === 0).toBe(true)
  })
})

describe('flows over one bottleneck', () => {
  const path = { capacityKbps: 1_000_000, baseRttUs: 100, markBytes: 30_000, queueBytes: 300_000 }

  it.each([['dctcp-rate', 2], ['dctcp-rate', 10], ['dctcp-win', 2], ['dctcp-win', 10]] as const)(
    '%s, %i flows, the last begins late -> equal shares, full throughput, a queue around the threshold', (name, count) => {
      const algorithm = name === 'dctcp-rate' ? dctcpRate({ ...DEFAULT_DCTCP, initKbps: 10_000, minPackets: 0, stepKbps: 2000, minKbps: 1000 }, LINK_KBPS)
        : dctcpWin(DEFAULT_DCTCP, LINK_KBPS)
      const bottleneck = new Bottleneck(path)
      for (let i = 1; i < count; i++) bottleneck.add(algorithm)
      bottleneck.run(200)
      bottleneck.add(algorithm)
      bottleneck.run(1)
      expect(jain(bottleneck.rates())).toBeLessThan(0.95)
      bottleneck.run(4000)
      const sums = Array.from({ length: count }, () => 0)
      const queues: number[] = []
      bottleneck.run(500, () => {
        bottleneck.rates().forEach((rate, i) => { sums[i] += rate })
        queues.push(bottleneck.queuedBytes)
      })
      expect(jain(sums)).toBeGreaterThanOrEqual(0.95)
      expect(sums.reduce((total, sum) => total + sum, 0) / 500).toBeGreaterThan(0.9 * path.capacityKbps)
      expect(queues.reduce((total, queue) => total + queue, 0) / queues.length).toBeLessThan(4 * path.markBytes)
    })

  it('timely, two flows -> equal shares, round-trip time at Thigh and not above for long', () => {
    const bottleneck = new Bottleneck({ ...path, baseRttUs: 20, queueBytes: 3_000_000 })
    const algorithm = timely({ ...DEFAULT_TIMELY, minRttUs: 20, stepKbps: 2000, alpha: 0.5 }, LINK_KBPS)
    const flow = bottleneck.add(algorithm)
    bottleneck.run(100)
    bottleneck.add(algorithm)
    expect(jain(bottleneck.rates())).toBeLessThan(0.95)
    bottleneck.run(2000)
    const rtts: number[] = []
    bottleneck.run(500, () => rtts.push(flow.rttUs))
    expect(jain(bottleneck.rates())).toBeGreaterThanOrEqual(0.95)
    expect(rtts.reduce((total, rtt) => total + rtt, 0) / rtts.length).toBeLessThan(250)
  })

  it.each([['reno', reno], ['cubic', cubic(50)]] as const)('%s, two flows that lose at a full queue -> equal shares', (_, algorithm) => {
    const bottleneck = new Bottleneck(path)
    bottleneck.add(algorithm)
    bottleneck.run(100)
    bottleneck.add(algorithm)
    expect(jain(bottleneck.rates())).toBeLessThan(0.95)
    bottleneck.run(5000)
    expect(jain(bottleneck.rates())).toBeGreaterThanOrEqual(0.95)
  })
})
