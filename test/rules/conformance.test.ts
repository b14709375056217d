/** docs/conformance.md says something of every requirement of RFC 9293, appendix B, and of other documents; the tests and files that it names are there. */
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../..')

/** How many numbers of each kind the appendix has; all run from 1. */
const KINDS = { MUST: 69, SHLD: 31, MAY: 18, REC: 1 } as const
/** Ids that stand in more than one row of the appendix, and in how many. */
const REPEATED: Readonly<Record<string, number>> = { 'MUST-15': 2, 'MUST-20': 2, 'MUST-46': 2, 'MUST-56': 3, 'MUST-57': 2, 'SHLD-5': 2 }
/** Documents of which there must be a row. */
const DOCUMENTS = [
  '1122', '1191', '2018', '2883', '3042', '3168', '4821', '4987', '5482', '5681', '5927', '5961', '6056', '6191', '6298', '6528', '6582', '6675', '7323', '8257',
  '8899', '8985', '9438',
]

interface Row {
  readonly id: string
  readonly requirement: string
  readonly verdict: string
  /** Tests, or the reason. */
  readonly rest: string
}

function readRows(): Row[] {
  const lines = readFileSync(join(root, 'docs/conformance.md'), 'utf8').split('\n').filter((line) => line.startsWith('| '))
  return lines.map((line) => {
    const [id, requirement, verdict, ...rest] = line.split('|').slice(1, -1).map((cell) => cell.trim())
    return { id, requirement, verdict, rest: rest.join('|') }
  }).filter(({ verdict }) => verdict !== 'verdict')
}

/** The tests of a row: file and title. */
function testsOf({ rest }: Row): { readonly file: string; readonly title: string }[] {
  return rest.split('<br>').map((part) => {
    const [, file, title] = /^`([^`]+)` (.+)$/.exec(part) ?? [null, '', '']
    return { file, title }
  })
}

const rows = readRows()
const requirements = rows.filter(({ id }) => /^(MUST|SHLD|MAY|REC)-\d+$/.test(id))

describe('docs/conformance.md', () => {
  it('ids -> all of RFC 9293, appendix B, each as often as there', () => {
    const expected = Object.entries(KINDS).flatMap(([kind, count]) => Array.from({ length: count }, (_, i) => `${kind}-${i + 1}`))
    const counts = Object.fromEntries(expected.map((id) => [id, requirements.filter((row) => row.id === id).length]))
    expect(counts).toEqual(Object.fromEntries(expected.map((id) => [id, REPEATED[id] ?? 1])))
    expect(requirements).toHaveLength(Object.values(counts).reduce((sum, count) => sum + count, 0))
  })

  it('other documents -> a row each', () => {
    const found = rows.map(({ id }) => /^RFC (\d+)/.exec(id)?.[1])
    expect(DOCUMENTS.map((document) => found.filter((number) => number === document).length)).toEqual(DOCUMENTS.map(() => 1))
  })

  it.each(rows)('$id, $requirement -> a verdict, with tests or a reason', (row) => {
    const { verdict, rest } = row
    if (verdict === 'yes') expect(testsOf(row).every(({ file }) => file.startsWith('test/')), rest).toBe(true)
    else {
      expect(['no', 'n/a']).toContain(verdict)
      expect(rest.length).toBeGreaterThan(10)
    }
  })

  it('files that rows name -> there', () => {
    const named = rows.flatMap((row) => [...row.requirement.matchAll(/`((?:service|lib|native)\/[^`]+)`/g)].map(([, file]) => file))
    expect(named.length).toBeGreaterThan(DOCUMENTS.length)
    expect(named.filter((file) => !existsSync(join(root, file)))).toEqual([])
  })

  it.each(rows.filter(({ verdict }) => verdict === 'yes'))('$id, $requirement -> its tests are in the files named', (row) => {
    for (const { file, title } of testsOf(row)) {
      expect(existsSync(join(root, file)), file).toBe(true)
      expect(readFileSync(join(root, file), 'utf8'), file).toContain(`'${title}'`)
    }
  })
})
