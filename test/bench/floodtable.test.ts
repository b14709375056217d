import { expect, test } from 'vitest'
import { floodTable } from '../../bench/floodtable.js'

const ROWS = {
  tas: [{ kind: 'syn', alone: 100_000, beside: 90_000, flooded: 72_000 }, { kind: 'ack', alone: 100_000, beside: 100_000, flooded: 79_000 }],
  cEpoll: [{ kind: 'syn', alone: 50_000, beside: 45_000, flooded: 36_000 }, { kind: 'ack', alone: 50_000, beside: 45_000, flooded: Number.NaN }],
} as const

test('table: 80 % of what a flood elsewhere leaves -> met, less -> NOT met, not measured -> a dash', () => {
  const lines = floodTable(ROWS, 'conditions').split('\n')
  expect(lines[2]).toBe('| SYNs | 100.0k | 90.0k | 72.0k | 80 % | met | 80 % |')
  expect(lines[3]).toBe('| ACKs | 100.0k | 100.0k | 79.0k | 79 % | NOT met | - |')
  expect(lines.at(-1)).toBe('conditions')
})
