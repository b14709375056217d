import { describe, expect, it } from 'vitest'
import {
  type DirectionOptions, directionOptions, FATE_DROPPED_MTU, FATE_DROPPED_QUEUE, FATE_GONE, FATE_LOST, FATE_MARKED, fateText, HEAP_FRAMES,
  LinkModel, SeededRandom,
} from '../../tools/linkem/index.js'
import * as wire from '../../lib/wire/index.js'
import { areSumsGood, frameOf, IP_AT, nthOf, tcpFrame } from './frames.js'

const ECT0 = 2
const ECT1 = 1
const CE = 3

function model(options: Partial<DirectionOptions>, seed = 1): LinkModel {
  return new LinkModel(directionOptions(options), new SeededRandom(seed), HEAP_FRAMES)
}

interface Arrival { readonly atUs: number; readonly nth: number; readonly good: boolean; readonly tos: number }

/** Everything that still comes out, each at the moment that it is due. */
function drain(link: LinkModel): Arrival[] {
  const arrivals: Arrival[] = []
  for (let atUs = link.nextDepartureUs(); atUs !== Infinity; atUs = link.nextDepartureUs()) {
    const frame = link.take(atUs)
    if (frame === null) throw new Error('nothing at the time that was named')
    arrivals.push({ atUs, nth: nthOf(frame), good: areSumsGood(frame), tos: frame.bytes[IP_AT + 1] })
  }
  return arrivals
}

/** Offers `count` frames of `len` bytes, one every `gapUs`. Returns their fates. */
function offer(link: LinkModel, count: number, len: number, gapUs: number, tos = 0): number[] {
  return Array.from({ length: count }, (_, i) => link.offer(frameOf(tcpFrame(len, i, tos)), i * gapUs))
}

describe('link model: delay', () => {
  it('a packet -> out after the delay, not before', () => {
    const link = model({ delayUs: 500 })
    link.offer(frameOf(tcpFrame(60)), 100)
    expect(link.nextDepartureUs()).toBe(600)
    expect(link.take(599.9)).toBeNull()
    expect(link.take(600)).not.toBeNull()
    expect(link.nextDepartureUs()).toBe(Infinity)
    expect(link.inFlight).toBe(0)
  })

  it('jitter -> delays spread over both sides, order kept', () => {
    const link = model({ delayUs: 1000, jitterUs: 300 })
    offer(link, 500, 60, 1000)
    const arrivals = drain(link)
    const delays = arrivals.map(({ atUs, nth }) => atUs - nth * 1000)
    expect(arrivals.map(({ nth }) => nth)).toEqual(arrivals.map((_, i) => i))
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(700)
    expect(Math.min(...delays)).toBeLessThan(710)
    expect(Math.max(...delays)).toBeLessThanOrEqual(1300)
    expect(Math.max(...delays)).toBeGreaterThan(1290)
  })

  it('delay made shorter -> packets keep their order', () => {
    const link = model({ delayUs: 1000 })
    link.offer(frameOf(tcpFrame(60, 0)), 0)
    link.options = directionOptions({ delayUs: 10 })
    link.offer(frameOf(tcpFrame(60, 1)), 1)
    expect(drain(link).map(({ atUs, nth }) => [atUs, nth])).toEqual([[1000, 0], [1000, 1]])
  })
})

describe('link model: rate and queue', () => {
  it('packets back to back -> spaced by their transmission time', () => {
    const link = model({ rateKbps: 10_000, delayUs: 100 })
    offer(link, 3, 1250, 0)
    // 10,000 bits at 10 Mbit/s take 1 ms.
    expect(drain(link).map(({ atUs }) => atUs)).toEqual([1100, 2100, 3100])
  })

  it('Ethernet overhead -> a short frame counts as 84 bytes', () => {
    const link = model({ rateKbps: 8000, overheadBytes: 24, minFrameBytes: 60 })
    offer(link, 2, 54, 0)
    expect(drain(link).map(({ atUs }) => atUs)).toEqual([84, 168])
  })

  it('more offered than the rate -> what comes out has the rate, the rest is dropped', () => {
    const link = model({ rateKbps: 100_000, queue: { packets: 50, bytes: Infinity } })
    const fates = offer(link, 10_000, 1250, 50)
    const arrivals = drain(link)
    // 100 us a packet: by the last arrival 5,000 have begun to be sent, and 50 wait.
    expect(arrivals.length).toBe(5000 + 50)
    expect(arrivals.at(-1)!.atUs).toBeCloseTo(arrivals.length * 100, 5)
    expect(fates.filter((fate) => fate === FATE_DROPPED_QUEUE).length).toBe(10_000 - arrivals.length)
    expect(link.counters).toMatchObject({ packets: 10_000, delivered: 5050, droppedQueue: 4950, queuePacketsMax: 50 })
  })

  it.each([
    ['3 packets', { packets: 3, bytes: Infinity }, 4],
    ['2,600 bytes', { packets: Infinity, bytes: 2600 }, 3],
    ['no packet', { packets: 0, bytes: Infinity }, 1],
  ] as const)('queue of %s -> one in transmission and what fits behind it', (_, queue, passed) => {
    const link = model({ rateKbps: 10_000, queue })
    expect(offer(link, 6, 1250, 0)).toEqual(Array.from({ length: 6 }, (_, i) => (i < passed ? 0 : FATE_DROPPED_QUEUE)))
    // The first is done at 1 ms: the next in the queue starts, and there is room for one more, if there is a queue.
    expect(link.offer(frameOf(tcpFrame(1250)), 1000)).toBe(0)
    expect(drain(link).length).toBe(passed + 1)
  })

  it('thousands under way -> all come out in order', () => {
    const link = model({ rateKbps: 1_000_000, delayUs: 100_000, queue: { packets: 1e6, bytes: Infinity } })
    offer(link, 20_000, 100, 0)
    expect(link.inFlight).toBe(20_000)
    expect(drain(link).map(({ nth }) => nth)).toEqual(Array.from({ length: 20_000 }, (_, i) => i))
  })

  it('a clock that goes back -> taken for the same time', () => {
    const link = model({ delayUs: 10 })
    link.offer(frameOf(tcpFrame(60, 0)), 100)
    link.offer(frameOf(tcpFrame(60, 1)), 50)
    expect(drain(link).map(({ atUs }) => atUs)).toEqual([110, 110])
  })
})

describe('link model: ECN', () => {
  it.each([ECT0, ECT1])('ECN field %i above the threshold -> CE, IP checksum right (RFC 3168, RFC 1624)', (tos) => {
    const link = model({ rateKbps: 10_000, ecn: { packets: 2, bytes: Infinity } })
    expect(offer(link, 5, 1250, 0, tos)).toEqual([0, 0, 0, FATE_MARKED, FATE_MARKED])
    expect(drain(link).map((arrival) => [arrival.tos, arrival.good])).toEqual([tos, tos, tos, CE, CE].map((field) => [field, true]))
    expect(link.counters.marked).toBe(2)
  })

  it('not ECN-capable above the threshold -> not marked', () => {
    const link = model({ rateKbps: 10_000, ecn: { packets: Infinity, bytes: 1000 } })
    expect(offer(link, 3, 1250, 0)).toEqual([0, 0, 0])
    expect(drain(link).map(({ tos }) => tos)).toEqual([0, 0, 0])
    expect(link.counters).toMatchObject({ marked: 0, notEcnCapable: 1 })
  })

  it('any DSCP and header -> the checksum stays right', () => {
    const link = model({ ecn: { packets: 0, bytes: Infinity } })
    for (let dscp = 0; dscp < 64; dscp++) for (const ecn of [1, 2, 3]) link.offer(frameOf(tcpFrame(60 + dscp, dscp, (dscp << 2) | ecn)), 0)
    const arrivals = drain(link)
    expect(arrivals.length).toBe(192)
    expect(arrivals.every(({ good, tos, nth }) => good && tos === ((nth << 2) | CE))).toBe(true)
  })
})

describe('link model: loss', () => {
  it('random loss -> as many as said, and they have taken their place in the rate', () => {
    const link = model({ rateKbps: 10_000, loss: 0.1, queue: { packets: 1e6, bytes: Infinity } }, 7)
    const fates = offer(link, 20_000, 1250, 0)
    expect(fates.every((fate) => fate === 0 || fate === FATE_LOST)).toBe(true)
    expect(link.counters.lost / 20_000).toBeCloseTo(0.1, 2)
    const arrivals = drain(link)
    expect(arrivals.every(({ atUs, nth }) => Math.abs(atUs - (nth + 1) * 1000) < 1e-3)).toBe(true)
  })

  it('Gilbert-Elliott -> share of losses and length of bursts as the chain has them', () => {
    const burstLoss = { p: 0.01, r: 0.25, lossBad: 1, lossGood: 0 }
    const link = model({ burstLoss }, 11)
    const fates = offer(link, 200_000, 60, 1)
    const bursts = fates.map((fate) => ((fate & FATE_GONE) === 0 ? '.' : 'x')).join('').match(/x+/g) ?? []
    // Stationary: p / (p + r); mean length of a stay in the bad state: 1 / r.
    expect(link.counters.lostBurst / 200_000).toBeCloseTo(0.01 / 0.26, 2)
    expect(link.counters.lostBurst / bursts.length).toBeGreaterThan(3.8)
    expect(link.counters.lostBurst / bursts.length).toBeLessThan(4.2)
  })

  it('Gilbert-Elliott with loss in both states -> both count', () => {
    const link = model({ burstLoss: { p: 0.02, r: 0.18, lossBad: 0.5, lossGood: 0.1 } }, 3)
    offer(link, 100_000, 60, 1)
    expect(link.counters.lostBurst / 100_000).toBeCloseTo(0.1 * 0.5 + 0.9 * 0.1, 2)
  })
})

describe('link model: other faults', () => {
  it('reordering -> those held back are late by at most what was said, the others on time', () => {
    const link = model({ delayUs: 100, reorder: 0.2, reorderUs: 5000 }, 5)
    offer(link, 1000, 60, 100)
    const late = drain(link).map(({ atUs, nth }) => atUs - nth * 100 - 100)
    expect(late.filter((us) => us > 0).length).toBe(link.counters.heldBack)
    expect(link.counters.heldBack / 1000).toBeCloseTo(0.2, 1)
    expect(Math.max(...late)).toBeLessThanOrEqual(5000)
    expect(Math.min(...late)).toBe(0)
  })

  it('duplication -> twice the same bytes in memory of their own', () => {
    const link = model({ duplicate: 1 })
    const sent = frameOf(tcpFrame(100, 9))
    link.offer(sent, 0)
    const [first, second] = [link.take(0), link.take(0)]
    expect(link.take(0)).toBeNull()
    expect(first?.bytes).toEqual(second?.bytes)
    expect(first?.bytes === second?.bytes).toBe(false)
    expect(link.counters).toMatchObject({ delivered: 2, duplicated: 1 })
  })

  it('no memory for a duplicate -> the packet alone arrives, counted', () => {
    const link = new LinkModel(directionOptions({ duplicate: 1 }), new SeededRandom(1), { copy: () => null })
    link.offer(frameOf(tcpFrame(60)), 0)
    expect(link.take(0)).not.toBeNull()
    expect(link.take(0)).toBeNull()
    expect(link.counters).toMatchObject({ duplicated: 0, noMemory: 1 })
  })

  it('corruption -> one bit, always where a checksum shows it', () => {
    const link = model({ corrupt: 1 }, 2)
    for (let i = 0; i < 2000; i++) {
      const bytes = tcpFrame(54 + (i % 40), i)
      const before = bytes.slice()
      link.offer(frameOf(bytes), 0)
      const frame = link.take(0)!
      const changed = before.reduce((bits, byte, at) => bits + (byte ^ frame.bytes[at]).toString(2).replaceAll('0', '').length, 0)
      expect(changed).toBe(1)
      expect(frame.bytes.subarray(0, IP_AT)).toEqual(before.subarray(0, IP_AT))
      expect(areSumsGood(frame)).toBe(false)
    }
  })

  it.each([
    ['ARP', (frame: Uint8Array) => wire.writeU16(frame, 12, wire.ETHERTYPE_ARP), -1],
    ['UDP without checksum', (frame: Uint8Array) => { frame[IP_AT + 9] = 17; wire.writeU16(frame, IP_AT + 26, 0) }, IP_AT + 20],
    ['a fragment', (frame: Uint8Array) => wire.writeU16(frame, IP_AT + 6, 0x2000), IP_AT + 20],
    ['another protocol', (frame: Uint8Array) => { frame[IP_AT + 9] = 47 }, IP_AT + 20],
    ['trailing padding', (frame: Uint8Array) => wire.writeU16(frame, IP_AT + 2, 40), IP_AT + 40],
  ] as const)('corruption of %s -> only bytes with a checksum change', (_, change, end) => {
    const link = model({ corrupt: 1 })
    for (let i = 0; i < 200; i++) {
      const bytes = tcpFrame(100, i)
      change(bytes)
      const before = bytes.slice()
      link.offer(frameOf(bytes), 0)
      const at = link.take(0)!.bytes.findIndex((byte, index) => byte !== before[index])
      expect(at).toBeLessThan(Math.max(end, 0))
      expect(at >= IP_AT || end < 0).toBe(true)
    }
  })

  it('longer than the MTU -> dropped; the Ethernet header and tags do not count', () => {
    const link = model({ mtu: 1000 })
    const tagged = new Uint8Array(1018)
    tagged.set(tcpFrame(1014).subarray(0, 12))
    wire.writeU16(tagged, 12, 0x8100)
    tagged.set(tcpFrame(1014).subarray(12), 16)
    expect(link.offer(frameOf(tcpFrame(1014)), 0)).toBe(0)
    expect(link.offer(frameOf(tagged), 0)).toBe(0)
    expect(link.offer(frameOf(tcpFrame(1015)), 0)).toBe(FATE_DROPPED_MTU)
    expect(link.counters.droppedMtu).toBe(1)
  })

  it('fates -> words', () => {
    expect(fateText(0)).toBe('')
    expect(fateText(FATE_MARKED | FATE_LOST)).toBe('lost, marked CE')
  })
})

describe('link model: seed', () => {
  const everything: Partial<DirectionOptions> = {
    rateKbps: 50_000, delayUs: 3000, jitterUs: 500, loss: 0.02, burstLoss: { p: 0.01, r: 0.3, lossBad: 0.9, lossGood: 0.001 }, reorder: 0.05,
    reorderUs: 4000, duplicate: 0.03, corrupt: 0.02, ecn: { packets: 5, bytes: Infinity }, queue: { packets: 40, bytes: Infinity },
  }
  const run = (seed: number): unknown => {
    const link = model(everything, seed)
    const fates = offer(link, 3000, 600, 80, ECT0)
    return { fates, arrivals: drain(link), counters: link.counters }
  }

  it('the same seed and packets -> exactly the same', () => expect(run(42)).toEqual(run(42)))
  it('another seed -> something else', () => expect(run(42)).not.toEqual(run(43)))
})

describe('link settings', () => {
  it.each([
    [{ loss: 1.1 }, 'loss: a probability is from 0 to 1'], [{ corrupt: Number.NaN }, 'corrupt: a probability is from 0 to 1'],
    [{ rateKbps: -1 }, 'rateKbps: a number that is not negative is wanted'], [{ jitterUs: 5 }, 'jitterUs: at most the delay'],
    [{ mtu: 20 }, 'mtu: at least 68'], [{ burstLoss: { p: 2, r: 0, lossBad: 1, lossGood: 0 } }, 'burstLoss: probabilities are from 0 to 1'],
    [{ queue: { packets: -1, bytes: 0 } }, 'queue: a length that is not negative is wanted'],
    [{ delayUs: Infinity }, 'delayUs: a number that is not negative is wanted'],
  ] as const)('%j -> refused', (changes, message) => expect(() => directionOptions(changes)).toThrow(message))
})
