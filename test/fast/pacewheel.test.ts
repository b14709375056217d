/** The timing wheel alone, against a list that is sorted. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PACE_HORIZON_US, PaceWheel } from '../../service/fast/pacewheel.js'
import { SLOT_SET_SIZE, SlotSet } from '../../service/fast/slotset.js'

const EPOCH_US = 32_768

/** Takes all flows that are due at `nowUs`. */
function takeAll(wheel: PaceWheel, nowUs: number): number[] {
  const taken: number[] = []
  for (let flow = wheel.takeDue(nowUs | 0); flow >= 0; flow = wheel.takeDue(nowUs | 0)) taken.push(flow)
  return taken
}

interface WheelStep {
  readonly kind: 'put' | 'remove' | 'pass' | 'take' | 'next'
  readonly flow: number
  readonly us: number
}

function steps(kind: WheelStep['kind'], us: fc.Arbitrary<number>): fc.Arbitrary<WheelStep> {
  return fc.record({ kind: fc.constant(kind), flow: fc.nat(63), us })
}

function wheelWith(nowUs: number, waitsUs: readonly number[]): PaceWheel {
  const wheel = new PaceWheel(64)
  waitsUs.forEach((waitUs, flow) => wheel.put(flow, (nowUs + waitUs) | 0, nowUs | 0))
  return wheel
}

describe('wheel: one flow', () => {
  it('put in -> taken in its microsecond, not one sooner', () => {
    for (const waitUs of [1, 2, 31, 32, 1_023, 1_024, EPOCH_US - 1, EPOCH_US, EPOCH_US + 1, 5_000_000, PACE_HORIZON_US]) {
      for (const nowUs of [0, 1, EPOCH_US - 1, EPOCH_US, 12_345_678]) {
        const wheel = wheelWith(nowUs, [waitUs])
        expect([waitUs, wheel.waitUs(nowUs)]).toEqual([waitUs, waitUs])
        expect(wheel.takeDue((nowUs + waitUs - 1) | 0)).toBe(-1)
        expect(wheel.waitUs((nowUs + waitUs - 1) | 0)).toBe(1)
        expect(wheel.waitUs((nowUs + waitUs) | 0)).toBe(0)
        expect([waitUs, takeAll(wheel, nowUs + waitUs)]).toEqual([waitUs, [0]])
        expect([wheel.size, wheel.waitUs(nowUs)]).toEqual([0, -1])
      }
    }
  })

  it('low bits of the clock come round meanwhile -> taken in its microsecond', () => {
    for (const wrapUs of [2 ** 31, 2 ** 32]) {
      for (const waitUs of [5, 100, EPOCH_US, 40_000_000]) {
        for (const beforeUs of [1, 50, 20_000, 39_999_999]) {
          const nowUs = wrapUs - beforeUs
          const wheel = wheelWith(nowUs, [waitUs])
          expect([wheel.waitUs(nowUs | 0), wheel.takeDue((nowUs + waitUs - 1) | 0)]).toEqual([waitUs, -1])
          expect(takeAll(wheel, nowUs + waitUs)).toEqual([0])
        }
      }
    }
  })

  it('nobody has looked for minutes, or for more than half an hour -> due', () => {
    for (const minutes of [1.2, 5, 36, 60]) {
      const wheel = wheelWith(1_000, [10, 50_000, 60_000_000])
      const nowUs = 1_000 + minutes * 60_000_000
      expect([minutes, wheel.waitUs(nowUs | 0)]).toEqual([minutes, 0])
      expect([minutes, takeAll(wheel, nowUs).sort()]).toEqual([minutes, [0, 1, 2]])
    }
  })

  it('taken out -> nothing waits; taken out again -> nothing happens', () => {
    const wheel = wheelWith(77, [100])
    wheel.remove(0)
    wheel.remove(0)
    expect([wheel.size, wheel.has(0), wheel.waitUs(77), takeAll(wheel, 1_000)]).toEqual([0, false, -1, []])
  })

  it('put in once more -> waits until the later word', () => {
    const wheel = wheelWith(0, [100])
    wheel.put(0, 50_000, 10)
    expect([wheel.size, wheel.waitUs(10), takeAll(wheel, 49_999), takeAll(wheel, 50_000)]).toEqual([1, 49_990, [], [0]])
  })
})

describe('wheel: many flows', () => {
  it('of one microsecond -> in the order in which they came', () => {
    expect(takeAll(wheelWith(0, [9, 9, 9, 9]), 9)).toEqual([0, 1, 2, 3])
    expect(takeAll(wheelWith(0, [90_000, 90_000, 90_000]), 90_000)).toEqual([0, 1, 2])
  })

  it('first, middle and last of a slot taken out -> the others stay in order', () => {
    for (const removed of [0, 1, 2, 3]) {
      const wheel = wheelWith(0, [9, 9, 9, 9])
      wheel.remove(removed)
      expect(takeAll(wheel, 9)).toEqual([0, 1, 2, 3].filter((flow) => flow !== removed))
    }
  })

  it('an epoch begins before what was due in the last is taken -> that comes first', () => {
    const wheel = wheelWith(EPOCH_US - 100, [10, 20, 150, EPOCH_US])
    wheel.put(4, EPOCH_US + 50, EPOCH_US + 40)
    expect(takeAll(wheel, EPOCH_US + 50)).toEqual([0, 1, 2, 4])
    expect(wheel.waitUs(EPOCH_US + 50)).toBe(EPOCH_US - 150)
  })

  it('the first of a far slot taken out -> the worker looks once too early at most', () => {
    const wheel = wheelWith(0, [100_000, 110_000])
    wheel.remove(0)
    expect(wheel.waitUs(0)).toBe(100_000)
    expect([takeAll(wheel, 100_000), wheel.waitUs(100_000)]).toEqual([[], 10_000])
  })

  it('any sequence of puts, removals and looks -> as the sorted list has it', () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: steps('put', fc.oneof(fc.nat(40), fc.nat(70_000), fc.nat(PACE_HORIZON_US))) },
      { weight: 1, arbitrary: steps('remove', fc.constant(0)) },
      { weight: 2, arbitrary: steps('pass', fc.oneof(fc.nat(40), fc.nat(70_000), fc.nat(80_000_000))) },
      { weight: 3, arbitrary: steps('take', fc.oneof(fc.nat(40), fc.nat(70_000), fc.nat(80_000_000))) },
      { weight: 1, arbitrary: steps('next', fc.constant(0)) },
    )
    fc.assert(fc.property(fc.nat(2 ** 32 - 1), fc.array(step, { maxLength: 120 }), (startUs, plan) => {
      const wheel = new PaceWheel(64)
      const naive = new Map<number, number>()
      let nowUs = startUs
      const earliest = (): number => Math.min(...naive.values())
      const takeBoth = (): void => {
        const due = [...naive].filter(([, dueUs]) => dueUs <= nowUs).sort(([, a], [, b]) => a - b)
        const taken = takeAll(wheel, nowUs)
        // What shares a microsecond, or was due before the present epoch, comes in the order in which it came: sets are compared there.
        expect([...taken].sort()).toEqual(due.map(([flow]) => flow).sort())
        for (const [flow] of due) naive.delete(flow)
      }
      for (const { kind, flow, us } of plan) {
        if (kind === 'put') {
          wheel.put(flow, (nowUs + us) | 0, nowUs | 0)
          naive.set(flow, nowUs + us)
        } else if (kind === 'remove') {
          wheel.remove(flow)
          naive.delete(flow)
        } else if (kind === 'pass') nowUs += us
        else if (kind === 'take') {
          nowUs += us
          takeBoth()
        } else if (naive.size > 0) {
          // Waits as the worker does: never too long, and nothing is due before.
          const waitUs = wheel.waitUs(nowUs | 0)
          expect(waitUs).toBeLessThanOrEqual(Math.max(0, earliest() - nowUs))
          nowUs += waitUs
          takeBoth()
        }
        expect(wheel.size).toBe(naive.size)
      }
      for (let looks = 0; naive.size > 0; looks++) {
        expect(looks).toBeLessThan(200)
        nowUs += wheel.waitUs(nowUs | 0)
        takeBoth()
      }
      expect(wheel.waitUs(nowUs | 0)).toBe(-1)
    }), { numRuns: 400 })
  })

  it('due times that differ -> taken in their order', () => {
    fc.assert(fc.property(fc.nat(2 ** 32 - 1), fc.uniqueArray(fc.integer({ min: 1, max: 300_000 }), { maxLength: 60 }), (nowUs, waitsUs) => {
      const wheel = wheelWith(nowUs, waitsUs)
      const order: number[] = []
      let atUs = nowUs
      for (let waitUs = wheel.waitUs(atUs | 0); waitUs >= 0; waitUs = wheel.waitUs(atUs | 0)) {
        atUs += waitUs
        const taken = takeAll(wheel, atUs)
        expect(taken.map((flow) => nowUs + waitsUs[flow])).toEqual([atUs])
        order.push(...taken)
      }
      expect(order.map((flow) => waitsUs[flow])).toEqual([...waitsUs].sort((a, b) => a - b))
    }), { numRuns: 200 })
  })
})

describe('set of slots', () => {
  it('members added and deleted -> the smallest, and the next from anywhere, are found', () => {
    const slot = fc.oneof(fc.nat(SLOT_SET_SIZE - 1), fc.constantFrom(0, 31, 32, 1_023, 1_024, SLOT_SET_SIZE - 1))
    fc.assert(fc.property(fc.array(fc.tuple(slot, fc.boolean(), slot), { maxLength: 80 }), (steps) => {
      const set = new SlotSet()
      const naive = new Set<number>()
      for (const [member, isAdded, from] of steps) {
        if (isAdded) {
          set.add(member)
          naive.add(member)
        } else {
          set.delete(member)
          naive.delete(member)
        }
        const sorted = [...naive].sort((a, b) => a - b)
        expect([set.first(), set.next(from), set.next(member)]).toEqual([
          sorted[0] ?? -1, sorted.find((each) => each >= from) ?? -1, sorted.find((each) => each >= member) ?? -1,
        ])
      }
    }), { numRuns: 300 })
  })
})
