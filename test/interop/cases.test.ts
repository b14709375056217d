import { expect, test } from 'vitest'
import { allCases, groupCases, pairsOf, pairwiseCases } from './cases.js'

test('cases: all -> each once', () => {
  const all = allCases()
  expect(all).toHaveLength(3 * 2 ** 7)
  expect(new Set(all.map(one => JSON.stringify(one))).size).toBe(all.length)
})

test('cases: few -> every pair of values occurs', () => {
  const few = pairwiseCases()
  expect(few.length).toBeLessThanOrEqual(12)
  expect(new Set(few.flatMap(pairsOf))).toEqual(new Set(allCases().flatMap(pairsOf)))
})

test('cases: grouped -> none lost, one link and one TAS for each group', () => {
  const few = pairwiseCases()
  const groups = groupCases(few)
  expect(groups.flatMap(group => group.cases)).toHaveLength(few.length)
  for (const { mtu, tasOffload, cases } of groups) expect(cases.every(one => one.mtu === mtu && one.tasOffload === tasOffload)).toBe(true)
})
