import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import * as memif from '../../lib/memif/index.js'
import * as segment from '../../service/fast/segment.js'

describe('bundle of the worker', () => {
  it('constants that are numbers -> their values, nowhere a name (docs/decisions/0007)', () => {
    const bundle = readFileSync(new URL('../../dist/service/fastprocess.js', import.meta.url), 'utf8')
    const names = Object.entries({ ...memif, ...segment }).filter(([, value]) => typeof value === 'number').map(([name]) => name)
    expect(names.length).toBeGreaterThan(200)
    const words = new Set(bundle.match(/[A-Z][A-Z0-9_]{3,}/g))
    expect(names.filter((name) => words.has(name))).toEqual([])
  })
})
