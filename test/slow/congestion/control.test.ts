/** The control loop: when flows are looked at, what their workers are told, and what idle ones cost. */
import { describe, expect, it } from 'vitest'
import {
  FLAG_CWR_OWED, SF_ACK_BLOCKS, SF_ACK_DUPLICATES, SF_ACK_EDGES, SF_ACK_SEQ, SF_FLOW, SF_GEN, TCB_SND_UNA, TO_FAST_FLOW_FLAGS, TO_FAST_FLOW_SEND,
  TO_FAST_FLOW_UNWATCH, TO_FAST_FLOW_UPDATE, TO_SLOW_ACK, WHAT_ECE,
} from '../../../lib/memif/index.js'
import { DEFAULT_DCTCP, type Algorithm } from '../../../service/slow/index.js'
import { MSS } from './flow.js'
import { acceptOn, begun, listenOn, played, type Played } from './scenes.js'
import { listConnections } from '../../connectionlist.js'

/** Looks at a flow of `algorithm`, as times since the flow began to send. */
function spy(looks: Algorithm['looks']): { readonly module: Algorithm; readonly times: number[] } {
  const times: number[] = []
  return {
    times,
    module: {
      name: 'spy', looks,
      create: () => ({
        update: (flow) => {
          times.push(flow.nowUs)
          flow.cwndBytes += MSS
        },
        onLoss: ({ cwndBytes }) => cwndBytes / 2,
      }),
    },
  }
}

/** A flow that is always held back and always acknowledged, for `us`. */
function busy(flow: Played, us: number, stepUs: number): void {
  for (let passed = 0; passed < us; passed += stepUs) {
    flow.ack(100).limited()
    flow.open.host.advance(stepUs)
    flow.orders()
  }
}

function gaps(times: readonly number[]): number[] {
  return times.slice(1).map((time, i) => time - times[i])
}

describe('interval', () => {
  it.each([[2, 1000, 2000], [1, 1000, 1000], [4, 500, 2000]])('--cc-control-interval=%i, round trip %i us -> a look every %i us', (controlIntervalRtts, rttUs, expected) => {
    const { module, times } = spy('interval')
    const flow = played({ module, cc: { algorithm: 'module', controlIntervalRtts } }).rtt(rttUs).send(1_000_000)
    busy(flow, 20_000, 50)
    expect(times.length).toBeGreaterThan(8)
    expect(new Set(gaps(times))).toEqual(new Set([expected]))
  })

  it.each([50, 300, 1000])('--cc-control-granularity=%i, round trip 1 us -> no look earlier after the last', (controlGranularityUs) => {
    const { module, times } = spy('interval')
    const flow = played({ module, cc: { algorithm: 'module', controlGranularityUs } }).rtt(1).send(1_000_000)
    busy(flow, 10_000, 10)
    expect(times.length).toBeGreaterThan(5)
    expect(Math.min(...gaps(times))).toBeGreaterThanOrEqual(controlGranularityUs)
  })

  it('several flows, each with a time of its own -> due on one grid, so that one wake-up serves all', () => {
    const { module, times } = spy('interval')
    const from = begun({ module, cc: { algorithm: 'module', controlGranularityUs: 500 } })
    listenOn(from)
    const flows = [0, 1, 2, 3].map((i) => {
      from.host.advance(37)
      return acceptOn(from, { remotePort: 1000 + i, rttUs: 10 + i }).rtt(700 + 90 * i).send(1_000_000)
    })
    for (let i = 0; i < 100; i++) {
      for (const flow of flows) flow.ack(100)
      if (i % 10 === 0) for (const flow of flows) flow.limited()
      from.host.advance(97)
    }
    const planned = times.filter((time) => time % 500 === 0)
    expect(planned.length).toBeGreaterThan(4)
    expect(new Set(planned).size).toBeLessThan(planned.length)
  })

  it('in use, neither held back nor marked -> looked at every 10 ms, and its worker told nothing while nothing changes', () => {
    const flow = played().rtt(100).send(1_000_000)
    flow.orders()
    for (let i = 0; i < 20; i++) {
      flow.ack(1000)
      flow.open.host.advance(5000)
    }
    expect(flow.orders().filter((type) => type === TO_FAST_FLOW_UPDATE)).toEqual([])
  })

  it('held back, nothing acknowledged -> looked at ever more rarely', () => {
    const flow = played().rtt(100).send(1_000_000).limited()
    const { host } = flow.open
    let looks = 0
    for (const end = host.nowUs + 100_000; host.nowUs < end; looks++) host.advance(host.slow.nextDeadlineUs() - host.nowUs)
    expect(looks).toBeLessThan(25)
  })

  it('held back, nothing acknowledged in the first interval -> the next look is one interval later, as for a flow that is a little faster', () => {
    const { module, times } = spy('interval')
    const flow = played({ module, cc: { algorithm: 'module' } }).rtt(100).send(1_000_000).limited()
    const { host } = flow.open
    host.advance(200)
    flow.ack(1000)
    const startUs = host.nowUs
    host.advance(200)
    expect(times).toEqual([startUs + 200])
  })
})

describe('limited', () => {
  it('always held back -> at most four looks in a round trip, the first at once', () => {
    const { module, times } = spy('limited')
    const flow = played({ module, cc: { algorithm: 'module' } }).rtt(1000).send(1_000_000)
    const startUs = flow.open.host.nowUs
    busy(flow, 10_000, 50)
    expect(times[0]).toBe(startUs)
    expect(new Set(gaps(times))).toEqual(new Set([250]))
  })

  it('not held back -> no look', () => {
    const { module, times } = spy('limited')
    const flow = played({ module, cc: { algorithm: 'module' } }).rtt(1000).send(1_000_000)
    for (let i = 0; i < 20; i++) {
      flow.ack(1000)
      flow.open.host.advance(5000)
    }
    expect(times).toEqual([])
  })
})

describe('idle flows', () => {
  it.each(['dctcp-rate', 'dctcp-win', 'timely', 'const-rate', 'cubic', 'reno'] as const)('%s: everything acknowledged -> no timer and no message', (algorithm) => {
    const flow = played({ cc: { algorithm } }).rtt(100).send(10_000).limited()
    flow.ackAll()
    const { host } = flow.open
    host.advance(1_000_000)
    expect(flow.orders()).toContain(TO_FAST_FLOW_UNWATCH)
    expect(host.slow.nextDeadlineUs()).toBe(Infinity)
    host.advance(1_000_000_000)
    expect(flow.orders()).toEqual([])
  })

  it('a connection that never sent -> neither', () => {
    const flow = played()
    expect(flow.open.host.slow.nextDeadlineUs()).toBe(Infinity)
    flow.open.host.advance(1_000_000_000)
    expect(flow.orders()).toEqual([])
  })

  it('the flow ends while it is looked at -> no timer is left', () => {
    const flow = played().rtt(100).send(10_000).limited()
    flow.open.host.send({ seq: 1001, flags: 4, remotePort: flow.open.remotePort }, flow.open.flow, flow.open.gen)
    flow.open.host.work()
    expect(flow.open.host.slow.nextDeadlineUs()).toBe(Infinity)
  })
})

describe('what the worker is told', () => {
  it('dctcp-rate begins -> window and rate of an initial window per round trip stand in the TCB (FLOW_ADD)', () => {
    expect([played().rateKbps, played().cwnd]).toEqual([Math.round((10 * 1500 * 8000) / 100), 30_000])
  })

  it('held back, acknowledged -> after an interval twice the rate, with TO_FAST_FLOW_UPDATE', () => {
    const flow = played({ cc: { dctcp: { ...DEFAULT_DCTCP, minPackets: 0, initKbps: 100_000 } } }).rtt(1000).send(1_000_000).limited()
    flow.orders()
    flow.ack(20_000)
    flow.open.host.advance(1999)
    expect([flow.rateKbps, flow.orders()]).toEqual([100_000, []])
    flow.open.host.advance(51)
    expect([flow.rateKbps, flow.orders()]).toEqual([200_000, [TO_FAST_FLOW_UPDATE]])
  })

  it('marks -> CWR once for each window of data, the rate reduced when the interval ends (RFC 8257, 3.3; RFC 3168, 6.1.2)', () => {
    const flow = played({ cc: { dctcp: { ...DEFAULT_DCTCP, weight: 1, minPackets: 0, initKbps: 100_000 } } }).rtt(1000).send(100_000)
    flow.orders()
    flow.ack(20_000, 10_000)
    flow.report(WHAT_ECE)
    flow.ack(1000, 500)
    flow.report(WHAT_ECE)
    const owed = flow.open.host.work().filter(({ type, first }) => type === TO_FAST_FLOW_FLAGS && (first & FLAG_CWR_OWED) !== 0)
    expect([owed.length, flow.rateKbps]).toEqual([1, 100_000])
    flow.open.host.advance(2050)
    expect(flow.rateKbps).toBe(75_000 * 0.9)
  })

  it('--tcp-rtt-init -> the interval before there is a measurement', () => {
    const { module, times } = spy('interval')
    const flow = played({ module, cc: { algorithm: 'module' } }).rtt(0).send(1_000_000)
    busy(flow, 2000, 10)
    expect(new Set(gaps(times))).toEqual(new Set([100]))
  })
})

describe('loss recovery under a rate', () => {
  const config = { cc: { dctcp: { ...DEFAULT_DCTCP, minPackets: 0, initKbps: 100_000 } } }

  /** The peer has segments [from, to) beyond a hole at the first. */
  function sack(flow: Played, from: number, to: number): void {
    const { host, flow: index, gen } = flow.open
    const una = flow.word(TCB_SND_UNA)
    host.worker.message(TO_SLOW_ACK, {
      [SF_FLOW]: index, [SF_GEN]: gen, [SF_ACK_SEQ]: una, [SF_ACK_DUPLICATES]: 1, [SF_ACK_BLOCKS]: 1, [SF_ACK_EDGES]: una + from * MSS,
      [SF_ACK_EDGES + 1]: una + to * MSS,
    })
    host.poll()
  }

  it('three segments beyond a hole -> it is sent again, the rate is half; all acknowledged -> the window is half of the flight', () => {
    const flow = played(config).rtt(1000).send(10 * MSS)
    flow.orders()
    sack(flow, 1, 4)
    expect(flow.orders()).toContain(TO_FAST_FLOW_SEND)
    expect(flow.rateKbps).toBe(50_000)
    flow.ackAll()
    sack(flow, 0, 0)
    expect([flow.cwnd, flow.rateKbps]).toEqual([5 * MSS, 50_000])
  })

  it('timeout -> one segment again, a window of one and the first rate at most', () => {
    const flow = played(config).rtt(1000).send(10 * MSS)
    flow.orders()
    flow.open.host.advance(1_000_000)
    expect(flow.orders()).toContain(TO_FAST_FLOW_SEND)
    expect(flow.rateKbps).toBeLessThanOrEqual(50_000)
    expect(listConnections(flow.open.host.slow, flow.open.host.nowUs)[0].cwndBytes).toBe(MSS)
  })
})
