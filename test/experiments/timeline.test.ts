import { describe, expect, it } from 'vitest'
import { Timeline } from '../../experiments/engine/index.js'
import type { Timer } from '../../service/slow/timers.js'
import { SeededRandom } from '../../tools/linkem/index.js'

/** Actors that note when they acted. */
function scene(count: number): { readonly timeline: Timeline; readonly turns: Timer[]; readonly acted: [number, number][] } {
  const timeline = new Timeline(100)
  const acted: [number, number][] = []
  const turns = Array.from({ length: count }, (_, i) => timeline.add({ act: (nowUs) => void acted.push([i, nowUs]) }))
  return { timeline, turns, acted }
}

describe('timeline', () => {
  it('actors due at different times -> in order, those of one moment in the order in which they said so', () => {
    const { acted, timeline, turns } = scene(4)
    timeline.set(turns[3], 110)
    timeline.set(turns[0], 120.5)
    timeline.set(turns[2], 110)
    timeline.run(200)
    expect(acted).toEqual([[3, 110], [2, 110], [0, 120.5]])
    expect(timeline.nowUs).toBe(200)
  })

  it('due in the past -> now; until before it is due -> not yet', () => {
    const { acted, timeline, turns } = scene(2)
    timeline.set(turns[0], 5)
    timeline.set(turns[1], 150)
    timeline.run(149)
    expect(acted).toEqual([[0, 100]])
    timeline.run(150)
    expect(acted).toEqual([[0, 100], [1, 150]])
  })

  it('hastened -> the earlier of both; set to Infinity -> not at all', () => {
    const { acted, timeline, turns } = scene(2)
    timeline.set(turns[0], 150)
    timeline.hasten(turns[0], 170)
    timeline.hasten(turns[0], 120)
    timeline.set(turns[1], 130)
    timeline.set(turns[1], Infinity)
    timeline.run(200)
    expect(acted).toEqual([[0, 120]])
  })

  it('any changes, any order -> as a sorted list would do it', () => {
    const random = new SeededRandom(7)
    const { acted, timeline, turns } = scene(60)
    const due = turns.map(() => Infinity)
    const saidAt = turns.map(() => 0)
    for (let i = 0; i < 2000; i++) {
      const which = random.below(turns.length)
      due[which] = random.chance(0.2) ? Infinity : 100 + random.below(500)
      saidAt[which] = i
      timeline.set(turns[which], due[which])
    }
    timeline.run(1000)
    const wanted = due.map((dueUs, i): [number, number] => [i, dueUs]).filter(([, dueUs]) => dueUs < Infinity)
    expect(acted).toEqual(wanted.sort(([i, a], [j, b]) => a - b || saidAt[i] - saidAt[j]))
  })
})
