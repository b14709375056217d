import { describe, expect, it } from 'vitest'
import { allToAll, exponentialUs, incastQueries } from '../../experiments/workload/arrivals.js'
import { cutAt, DATA_MINING, drawLength, lengthAt, meanBytes, shareUpTo, WEB_SEARCH } from '../../experiments/workload/sizes.js'
import { mean } from '../../experiments/measure/statistics.js'
import { SeededRandom } from '../../tools/linkem/index.js'

describe('sizes of flows', () => {
  it('web search -> the mean that simulations of DCTCP and pFabric state, 1138 packets of 1460 bytes, within 5 %', () => {
    expect(meanBytes(WEB_SEARCH) / (1138 * 1460)).toBeGreaterThan(0.95)
    expect(meanBytes(WEB_SEARCH) / (1138 * 1460)).toBeLessThan(1.05)
  })

  it('data mining -> half of the flows fit one packet, 80 % have at most 10 kB, nearly all bytes are in the rest (VL2, figure 2)', () => {
    expect(lengthAt(DATA_MINING, 0.5)).toBeLessThanOrEqual(1460)
    expect(shareUpTo(DATA_MINING, 10_000)).toBe(0.8)
    expect(meanBytes(DATA_MINING)).toBeGreaterThan(5_000_000)
  })

  it.each([WEB_SEARCH, DATA_MINING])('$name: shares rise to 1, and length and share are inverse', (sizes) => {
    const shares = sizes.table.map(([, share]) => share)
    expect([shares[0], shares[shares.length - 1]]).toEqual([0, 1])
    expect([...shares].sort((a, b) => a - b)).toEqual(shares)
    for (const share of [0.05, 0.33, 0.5, 0.77, 0.96, 0.995]) expect(shareUpTo(sizes, lengthAt(sizes, share))).toBeCloseTo(share, 2)
  })

  it('drawn lengths -> their mean is that of the table', () => {
    const random = new SeededRandom(11)
    const drawn = Array.from({ length: 20_000 }, () => drawLength(WEB_SEARCH, random))
    expect(mean(drawn) / meanBytes(WEB_SEARCH)).toBeGreaterThan(0.95)
    expect(mean(drawn) / meanBytes(WEB_SEARCH)).toBeLessThan(1.05)
  })

  it('cut -> nothing is longer, what is shorter is as likely as before, the mean is right', () => {
    const cut = cutAt(WEB_SEARCH, 1_500_000)
    expect(lengthAt(cut, 1)).toBe(1_500_000)
    expect(lengthAt(cut, 0.9)).toBe(1_500_000)
    expect(shareUpTo(cut, 30_000)).toBe(0.3)
    const random = new SeededRandom(12)
    const drawn = Array.from({ length: 20_000 }, () => Math.min(drawLength(WEB_SEARCH, random), 1_500_000))
    expect(mean(drawn) / meanBytes(cut)).toBeGreaterThan(0.97)
    expect(mean(drawn) / meanBytes(cut)).toBeLessThan(1.03)
    expect(cutAt(WEB_SEARCH, 10 ** 9)).toBe(WEB_SEARCH)
  })
})

describe('arrivals', () => {
  it('Poisson process -> mean and deviation of the times between are alike', () => {
    const random = new SeededRandom(13)
    const gaps = Array.from({ length: 20_000 }, () => exponentialUs(0.02, random))
    const deviation = Math.sqrt(mean(gaps.map((gap) => (gap - mean(gaps)) ** 2)))
    expect(mean(gaps)).toBeGreaterThan(49)
    expect(mean(gaps)).toBeLessThan(51)
    expect(deviation / mean(gaps)).toBeCloseTo(1, 1)
  })

  it('all to all -> the load asked for, nobody sends to itself, all send and receive', () => {
    const options = { hosts: 10, rateKbps: 10_000_000, load: 0.5, sizes: WEB_SEARCH, flows: 20_000 }
    const arrivals = allToAll(options, new SeededRandom(14))
    const bits = arrivals.reduce((sum, { lenBytes }) => sum + lenBytes * 8, 0)
    const load = bits / (arrivals[arrivals.length - 1].atUs * 1e-6) / (10 * 1e10)
    expect(load).toBeGreaterThan(0.47)
    expect(load).toBeLessThan(0.53)
    expect(arrivals.filter(({ from, to }) => from === to)).toEqual([])
    expect([new Set(arrivals.map(({ from }) => from)).size, new Set(arrivals.map(({ to }) => to)).size]).toEqual([10, 10])
  })

  it('queries -> each answered at once by so many different hosts, not by the one that asks', () => {
    const arrivals = incastQueries({ hosts: 8, queries: 5, responders: 6, answerBytes: 20_000, everyUs: 100 }, new SeededRandom(15))
    const times = [...new Set(arrivals.map(({ atUs }) => atUs))]
    expect(times).toHaveLength(5)
    for (const time of times) {
      const answers = arrivals.filter(({ atUs }) => atUs === time)
      expect(new Set(answers.map(({ to }) => to)).size).toBe(1)
      expect(new Set(answers.map(({ from }) => from)).size).toBe(6)
      expect(answers.some(({ from, to }) => from === to)).toBe(false)
    }
  })

  it('more responders than hosts -> all others', () => {
    expect(incastQueries({ hosts: 3, queries: 1, responders: 9, answerBytes: 1, everyUs: 1 }, new SeededRandom(16))).toHaveLength(2)
  })
})
