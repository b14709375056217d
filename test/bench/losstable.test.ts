import { expect, test } from 'vitest'
import { lossTable } from '../../bench/losstable.js'

const CELL = { rate: '1gbit', rtt: '10ms', loss: '1%', direction: 'send' } as const

test('table: at the goal -> counted; below -> named; medians with their spread, conditions last', () => {
  const rows = [
    { ...CELL, tas: [180, 200, 210], linux: [100, 100, 100] },
    { ...CELL, loss: '3%', tas: [8], linux: [10] },
  ]
  const lines = lossTable(rows, 0.9, 'conditions').split('\n')
  expect(lines[2]).toBe('| 1gbit | 10ms | 1% | send | 200 ±8% | 100 ±0% | 2.00 |  |')
  expect(lines[3]).toBe('| 1gbit | 10ms | 3% | send | 8.00 ±0% | 10.0 ±0% | 0.80 | below the goal |')
  expect(lines.at(-1)).toBe('1 of 2 cells at 0.9 or better. conditions')
})

test('table: a run that failed -> says so', () => {
  const row = { ...CELL, tas: [Number.NaN], linux: [10] }
  expect(lossTable([row], 0.9, '')).toContain('| failed |')
})
