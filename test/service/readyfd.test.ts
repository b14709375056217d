import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { EventFd } from '../../native/index.js'
import { EnvironmentError } from '../../service/errors.js'
import { checkReadyFd, writeReady } from '../../service/readyfd.js'

let folder = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tasjs-ready-'))
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('--ready-fd', () => {
  it('a file -> good; "ready" is written and the file closed', () => {
    const fd = openSync(join(folder, 'ready'), 'w')
    checkReadyFd(fd)
    writeReady(fd)
    expect(readFileSync(join(folder, 'ready'), 'utf8')).toBe('ready\n')
    expect(() => closeSync(fd)).toThrow('EBADF')
  })

  it('not open -> one line that names it', () => {
    expect(() => checkReadyFd(4000)).toThrow('--ready-fd: 4000: is not open; want a descriptor that the caller has opened')
  })

  it('a descriptor of Node\'s own machinery -> refused', () => {
    const eventFd = new EventFd()
    expect(() => checkReadyFd(eventFd.fd)).toThrow(EnvironmentError)
    eventFd.close()
  })

  it('open for reading only -> one line that names it', () => {
    const fd = openSync('/dev/null', 'r')
    expect(() => writeReady(fd)).toThrow(/^--ready-fd: \d+: .*; want a descriptor that can be written$/)
    closeSync(fd)
  })
})
