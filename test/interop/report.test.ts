import { expect, test } from 'vitest'
import { reportTable } from './report.js'

const ROW = { peer: 'lwIP', what: 'bulk', passed: 2, failures: [], skipped: null }

test('report: passed, failed, skipped -> a row each, conditions below', () => {
  const rows = [ROW, { ...ROW, failures: ['x'] }, { ...ROW, skipped: 'not installed' }]
  expect(reportTable(rows, ['Linux 6']).split('\n').slice(2)).toEqual([
    '| lwIP | bulk | 2 of 2 |', '| lwIP | bulk | 2 of 3, FAILED 1 |', '| lwIP | bulk | skipped: not installed |', '', 'Linux 6',
  ])
})
