/** What is made of a source of Node, and of how its tests ended: `npm run nodesuite`. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { reportTables } from './report.js'
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
  it('results: passed, and failed for no known reason -> counted apart, and named', () => {
    const results = [
      { name: 'parallel/test-net-a.js', outcome: 'passed', output: '' }, { name: 'parallel/test-net-b.js', outcome: 'timeout', output: '' },
    ] as const
    const tables = reportTables([{ name: 'the service', results }], ['Node 20'])
    expect(tables).toContain('| the service | 2 | 1 | 0 | 1 |')
    expect(tables).toContain('| the service | not known: timeout | `net-b` |')
  })
})
