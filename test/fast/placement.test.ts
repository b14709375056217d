import { describe, expect, it } from 'vitest'
import { Placement } from '../../service/fast/placement.js'

/** A machine of two CPUs on which a worker handles so many packets a millisecond and loses so much of its time. */
class Machine {
  cpu = 0
  nowMs = 5_000
  packets = 0
  readonly moves: number[] = []
  readonly placement = new Placement([0, 1], () => this.cpu, (cpu) => {
    this.moves.push(cpu)
    this.cpu = cpu
  })
  private readonly rates: readonly number[]
  private readonly lostUs: number

  constructor(rates: readonly number[], lostUs: number) {
    this.rates = rates
    this.lostUs = lostUs
    this.placement.look(this.nowMs, 0)
  }

  run(ms: number): void {
    for (let i = 0; i < ms; i++) {
      this.nowMs++
      this.packets += this.rates[this.cpu]
      this.placement.lost(this.lostUs)
      this.placement.look(this.nowMs, this.packets)
    }
  }
}

describe('placement', () => {
  it('much time lost, the other CPU is better -> moves there and stays', () => {
    const machine = new Machine([100, 200], 400)
    machine.run(200)
    expect(machine.moves).toEqual([1])
    expect([machine.placement.tries, machine.placement.kept]).toEqual([1, 1])
    machine.run(300)
    expect(machine.cpu).toBe(1)
  })

  it('the other CPU is not better -> back after a moment, and tries ever more rarely', () => {
    const machine = new Machine([200, 100], 400)
    machine.run(60_000)
    expect(machine.cpu).toBe(0)
    expect(machine.placement.kept).toBe(0)
    expect(machine.placement.tries).toBeLessThan(8)
  })

  it('little time lost, or few packets -> stays where it is', () => {
    for (const machine of [new Machine([100, 200], 100), new Machine([1, 200], 800)]) {
      machine.run(5_000)
      expect(machine.moves).toEqual([])
    }
  })

  it('one CPU -> never moves', () => {
    const moves: number[] = []
    const placement = new Placement([0], () => 0, (cpu) => void moves.push(cpu))
    for (let ms = 0; ms < 1000; ms++) {
      placement.lost(900)
      placement.look(ms, ms * 100)
    }
    expect(moves).toEqual([])
  })
})
