import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { DemoUsageError, parseOptions } from '../../tools/demo/options.js'
import { Progress } from '../../tools/demo/progress.js'
import { writeTestFile } from '../../tools/demo/testfile.js'
import { statistic } from '../../tools/netlab/service.js'

test('options: --keep -> keep; --embedded -> no service; none -> all removed, a service', () => {
  expect(parseOptions(['--keep'])).toMatchObject({ keep: true, embedded: false })
  expect(parseOptions(['--embedded'])).toMatchObject({ keep: false, embedded: true })
  expect(parseOptions([])).toMatchObject({ keep: false, help: false, embedded: false })
})

test.for([['--kep'], ['word']])('options: %j -> usage error that names it', argv => {
  expect(() => parseOptions(argv)).toThrow(DemoUsageError)
  expect(() => parseOptions(argv)).toThrow(argv[0])
})

test('progress: not a terminal -> plain lines, no control characters', () => {
  const out = new PassThrough()
  const progress = new Progress(out as unknown as NodeJS.WriteStream, 2)
  progress.begin('first')
  progress.update('too soon to be told')
  progress.done('fine')
  progress.begin('second')
  progress.failed('broken')
  progress.stop()
  progress.done('not shown')
  const text = String(out.read())
  expect(text).not.toMatch(/\x1b|\r/)
  expect(text.trimEnd().split('\n').map(line => line.replace(/\(.*\)/, '()'))).toEqual([
    '[1/2] first ...', '[1/2] ok   first: fine ()', '[2/2] second ...', '[2/2] FAIL second: broken ()',
  ])
})

test('test file: written -> its hash is that of its bytes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tas-test-'))
  try {
    const file = await writeTestFile(join(folder, 'file'), 2)
    const bytes = readFileSync(file.path)
    expect(bytes.length).toBe(file.lenBytes)
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(file.sha256)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('statistic: wherever the name stands -> summed over workers', () => {
  const statistics = { slow: { listeners: 2 }, workers: [{ flows: 3 }, { flows: 4 }] }
  expect(statistic(statistics, 'flows')).toBe(7)
  expect(statistic(statistics, 'listeners')).toBe(2)
  expect(statistic(statistics, 'none')).toBe(0)
})
