import { describe, expect, it } from 'vitest'
import { copyBytes } from '../../native/index.js'

describe('copyBytes', () => {
  it('between arrays, also over shared memory, and within one -> bytes in place', () => {
    const source = new Uint8Array(new SharedArrayBuffer(8))
    source.set([1, 2, 3, 4, 5, 6, 7, 8])
    const target = new Uint8Array(6)
    copyBytes(target, 1, source, 3, 4)
    expect([...target]).toEqual([0, 4, 5, 6, 7, 0])
    copyBytes(target, 2, target, 1, 4)
    expect([...target]).toEqual([0, 4, 4, 5, 6, 7])
  })

  it.each([[0, 0, 9], [5, 0, 4], [0, 6, 3], [-1, 0, 1], [0, -1, 1], [0, 0, -1]])('at %i from %i, %i bytes of eight -> RangeError', (to, from, len) => {
    expect(() => copyBytes(new Uint8Array(8), to, new Uint8Array(8), from, len)).toThrow(RangeError)
  })
})
