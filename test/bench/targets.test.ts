import { describe, expect, it } from 'vitest'
import { SCENARIOS, type Row } from '../../bench/rows/index.js'
import { TARGETS } from '../../bench/targets.js'

const ROWS = SCENARIOS.flatMap(({ rows }) => rows)
const OF_STEP: ReadonlyArray<Pick<Row, 'id' | 'lowerIsBetter'>> = [
  { id: 'step.time', lowerIsBetter: true }, { id: 'step.garbage', lowerIsBetter: true }, { id: 'step.workers', lowerIsBetter: false },
]

describe('targets', () => {
  it('ids of rows -> each only once', () => {
    const ids = ROWS.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
  })

  it.each(TARGETS)('$row of $of: $bound $figure $times -> a row that there is, in the direction that is better', (target) => {
    const row = [...ROWS, ...OF_STEP].find(({ id }) => id === target.row)
    expect(row?.lowerIsBetter).toBe(target.bound === 'at most')
  })

  it.each(TARGETS)('$row of $of beside $times -> both servers have it', ({ row, of, times }) => {
    const scenario = SCENARIOS.find(({ rows }) => rows.some(({ id }) => id === row))
    if (scenario === undefined) return
    expect(scenario.servers).toContain(of)
    if (times !== null) expect(scenario.servers).toContain(times)
  })
})
