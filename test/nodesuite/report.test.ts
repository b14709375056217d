/** What is made of a source of Node, and of how its tests ended: `npm run nodesuite`. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { tablesOf, tablesText, withTables } from './report.js'
import type { TestResult } from './runner.js'
import { copyWithAddress, flagsOf, socketTests, versionOf } from './source.js'

describe('source', () => {
  let folder = ''
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tas-nodesuite-test-'))
    for (const name of ['parallel', 'common']) await mkdir(join(folder, 'suite', name), { recursive: true })
    await writeFile(join(folder, 'suite/parallel/test-net-a.js'), "const net = require('net')\nnet.connect(80, '127.0.0.1')")
    await writeFile(join(folder, 'suite/parallel/test-http-b.mjs'), "import http from 'node:http'")
    await writeFile(join(folder, 'suite/parallel/test-path.js'), "require('path')")
    await writeFile(join(folder, 'suite/common/index.js'), "exports.localhost = '127.0.0.1'")
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  it('tests: those that open sockets -> found by name', async () => {
    expect(await socketTests(join(folder, 'suite'))).toEqual(['parallel/test-http-b.mjs', 'parallel/test-net-a.js'])
  })

  it('a folder without tests -> an error that says what is wanted', async () => {
    await expect(socketTests(folder)).rejects.toThrow('--source: no tests in')
  })

  it('copy: tests and what they share -> our address in place of 127.0.0.1', async () => {
    await copyWithAddress(join(folder, 'suite'), join(folder, 'copy'), '10.77.0.1')
    expect(await readFile(join(folder, 'copy/parallel/test-net-a.js'), 'utf8')).toContain("net.connect(80, '10.77.0.1')")
    expect(await readFile(join(folder, 'copy/common/index.js'), 'utf8')).toBe("exports.localhost = '10.77.0.1'")
    expect(await readFile(join(folder, 'copy/parallel/test-path.js'), 'utf8')).toBe("require('path')")
  })

  it('copy: no more wanted -> what is left stays out', async () => {
    let files = 0
    await copyWithAddress(join(folder, 'suite'), join(folder, 'copy'), '10.77.0.1', () => ++files < 3)
    expect(await readdir(join(folder, 'copy'), { recursive: true })).not.toContain('common')
  })

  it('flags: comments of a test -> its command line', () => {
    expect(flagsOf("'use strict'\n// Flags: --expose-gc --no-warnings\n// Flags: --x\n")).toEqual(['--expose-gc', '--no-warnings', '--x'])
    expect(flagsOf('// no flags')).toEqual([])
  })
})

describe('version', () => {
  it.each([
    ['sources/node-v22.22.2/test', '22.22.2'], ['/2.0.1/nodejs-20.19.2+dfsg', '20.19.2'], ['/1.2.3/node/test', 'an unknown version'],
  ])('%s -> %s', (suite, version) => {
    expect(versionOf(suite)).toBe(version)
  })
})

describe('report', () => {
  const passed = { name: 'parallel/test-net-a.js', outcome: 'passed', output: '', refused: [] } as const
  const failed = { name: 'parallel/test-net-b.js', outcome: 'timeout', output: '', refused: [] } as const
  const refused = { ...failed, refused: ['... and this is a worker thread. Here ...'] }
  const tables = (name: string, results: readonly TestResult[], conditions = 'Node 20') => tablesOf({ name, results, conditions })

  it('results: passed, and failed for no known reason -> counted apart, and named', () => {
    const text = tablesText(tables('the service', [passed, failed]))
    expect(text).toContain('| the service | 2 | 1 | 0 | 1 |')
    expect(text).toContain('| the service | not known: timeout | `net-b` |')
  })

  it('failed: a thread was refused TAS -> that is the reason; passed -> none', () => {
    const text = tablesText(tables('a TAS of its own', [{ ...passed, refused: refused.refused }, refused]))
    expect(text).toContain('| a TAS of its own | 2 | 1 | 1 | 0 |')
    expect(text).toContain('worker threads: the TAS is the main thread\'s | `net-b` |')
  })

  it('failed: nobody was refused anything -> no reason, whatever it uses', () => {
    const text = tablesText(tables('a TAS of its own', [{ ...failed, name: 'parallel/test-cluster-c.js', output: 'Error: bind ENOTSUP' }]))
    expect(text).toContain('| a TAS of its own | not known: timeout | `cluster-c` |')
  })

  it('a document with rows of two runs: one is run anew -> its rows are replaced, the other\'s stay', () => {
    const service = tables('the service', [passed, failed], 'Node 20, Monday')
    const both = withTables(tablesText(service), tables('a TAS of its own', [refused], 'Node 20, Tuesday'))
    for (const row of tablesText(service).split('\n')) expect(both).toContain(row)
    const again = withTables(both, tables('the service', [passed], 'Node 20, Friday'))
    expect(again.split('\n').filter((line) => /service|its own/.test(line)).map((line) => line.trim())).toEqual([
      '| the service | 1 | 1 | 0 | 0 |', '| a TAS of its own | 1 | 0 | 1 | 0 |',
      'the service: Node 20, Friday', 'a TAS of its own: Node 20, Tuesday',
      expect.stringMatching(/^\| a TAS of its own \| opens sockets in worker threads/),
    ])
  })
})
