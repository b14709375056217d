import { expect, it } from 'vitest'
import { parseRunnable, RunnableThreads } from '../../service/runnable.js'

const parse = (line: string): number => parseRunnable(Buffer.from(line), line.length)

it.each([
  ['0.31 0.52 0.60 3/271 8123\n', 3],
  ['10.31 120.52 7.60 117/2710 81230\n', 117],
  ['0.00 0.00 0.00 0/1 1\n', 0],
  ['0.31 0.52', 0],
  ['', 0],
  ['0.31 0.52 0.60 x/1 1', 0],
])('runnable threads: %j -> %i', (line, count) => {
  expect(parse(line)).toBe(count)
})

it('runnable threads: counted on this machine -> at least the one that counts; again, too', () => {
  const threads = RunnableThreads.open()
  for (let i = 0; i < 3; i++) expect(threads?.count()).toBeGreaterThanOrEqual(1)
  expect(RunnableThreads.open('/proc/no-such-file')).toBeNull()
})
