/** Huge pages: what the log says, and that memory is the same with them and without. */
import { readFileSync, writeFileSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { closeFd, createRegion, mapRegion, unmapRegion } from '../../native/index.js'
import { hugePagesText, readShmemEnabled, useHugePages } from '../../service/hugepages.js'

const SETTING = '/sys/kernel/mm/transparent_hugepage/shmem_enabled'
/** Eight huge pages, and some small ones: no multiple. */
const LEN_BYTES = (16 << 20) + 8192

/** The setting's words, the one in force among them. */
function modeOf(text: string): string {
  return /\[(\w+)\]/.exec(text)?.[1] ?? ''
}

/** Why the setting cannot be changed here, or ''. */
function refused(): string {
  const text = readShmemEnabled()
  if (text === null) return 'this kernel has no huge pages for shared memory'
  try {
    writeFileSync(SETTING, modeOf(text))
    return ''
  } catch {
    return `${SETTING} may not be written here`
  }
}

/** KiB of the mapping of region `name` that lie in huge pages; with `all`, KiB of it that take memory. */
function kibOf(name: string, all = false): number {
  const entry = readFileSync('/proc/self/smaps', 'latin1').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m).find((each) => each.includes(`memfd:${name}`)) ?? ''
  return Number((all ? /^Rss: +(\d+)/m : /^ShmemPmdMapped: +(\d+)/m).exec(entry)?.[1] ?? 0)
}

describe('what the log says', () => {
  it.each([
    ['always within_size advise [never] deny force', `no: ${SETTING} is never, not advise`],
    ['always within_size [advise] never deny force', 'yes'],
    ['[always] within_size advise never deny force', 'yes'],
    [null, 'no: this kernel has none for shared memory'],
    ['', 'no: this kernel has none for shared memory'],
  ])('%s -> %s', (enabled, text) => {
    expect(hugePagesText(false, enabled)).toBe(text)
  })

  it('--fp-no-hugepages -> off, whatever the kernel has', () => {
    expect(hugePagesText(true, '[always]')).toBe('off')
  })
})

describe('a region', () => {
  const why = refused()
  let before: string | null = null
  const set = (mode: string): void => {
    before ??= modeOf(readShmemEnabled() ?? '')
    writeFileSync(SETTING, mode)
  }
  afterEach(() => {
    if (before !== null) writeFileSync(SETTING, before)
    before = null
  })

  /** Writes the last byte of each MiB of a new region and reads it by another mapping. Returns the KiB in huge pages, and all. */
  const use = (name: string, isForbidden: boolean): [hugeKiB: number, allKiB: number] => {
    const { fd, buffer } = createRegion(name, LEN_BYTES)
    useHugePages(buffer, isForbidden)
    const bytes = new Uint8Array(buffer)
    for (let at = (1 << 20) - 1; at < LEN_BYTES; at += 1 << 20) bytes[at] = at >> 20
    const sizes: [number, number] = [kibOf(name), kibOf(name, true)]
    unmapRegion(buffer)
    const again = mapRegion(fd, LEN_BYTES, true)
    const other = new Uint8Array(again)
    for (let at = (1 << 20) - 1; at < LEN_BYTES; at += 1 << 20) expect(other[at]).toBe(at >> 20)
    expect(other[LEN_BYTES - 1]).toBe(0)
    unmapRegion(again)
    closeFd(fd)
    return sizes
  }

  it('forbidden -> small pages, as many as were written', () => {
    expect(use('th-forbidden', true)).toEqual([0, 16 * 4])
  })

  it.skipIf(why !== '')(`the kernel has none -> small pages${why === '' ? '' : ` (skipped: ${why})`}`, () => {
    set('never')
    expect(use('th-none', false)).toEqual([0, 16 * 4])
  })

  it.skipIf(why !== '').each(['advise', 'always'])(
    `the kernel gives them (%s) -> huge pages for who asks, for nobody else${why === '' ? '' : ` (skipped: ${why})`}`, (mode) => {
      set(mode)
      // Memory may be too much in pieces for all of them.
      expect(use('th-asked', false)[0]).toBeGreaterThan(0)
      expect(use('th-quiet', true)).toEqual([0, 16 * 4])
    })
})
