import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addBytes, checksum, foldChecksum, seqAdd, seqDiff, seqInWindow, seqLeq, seqLt } from '../../lib/wire/index.js'

describe('sequence numbers', () => {
  it('comparison: across the wrap -> by distance (RFC 9293, 3.4)', () => {
    expect(seqLt(0x7fffffff, -0x80000000)).toBe(true)
    expect(seqLt(-1, 0)).toBe(true)
    expect(seqLeq(5, 5)).toBe(true)
    expect(seqDiff(2, -3)).toBe(5)
  })

  it('window: start is in, end is out, also across the wrap', () => {
    expect(seqInWindow(-2, -2, 4)).toBe(true)
    expect(seqInWindow(1, -2, 4)).toBe(true)
    expect(seqInWindow(2, -2, 4)).toBe(false)
    expect(seqInWindow(-3, -2, 4)).toBe(false)
    expect(seqInWindow(0, 0, 0)).toBe(false)
  })

  it('add: any start, any step below 2^31 -> the difference is the step', () => {
    fc.assert(fc.property(fc.integer(), fc.integer({ min: -0x7fffffff, max: 0x7fffffff }), (a, step) => {
      return seqDiff(seqAdd(a, step), a) === step
    }))
  })
})

describe('checksum', () => {
  it('the example of RFC 1071 section 3', () => {
    expect(checksum(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7), 0, 8)).toBe(0xffff - 0xddf2)
  })

  it('any bytes with their checksum behind them -> 0', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const even = bytes.subarray(0, bytes.length & ~1)
      return foldChecksum(addBytes(0, even, 0, even.length) + checksum(even, 0, even.length)) === 0
    }))
  })

  it('a sum beyond 32 bits -> folded exactly', () => {
    const bytes = new Uint8Array(70_000).fill(0xff)
    expect(foldChecksum(addBytes(2 ** 33, bytes, 0, bytes.length))).toBe(~2 & 0xffff)
  })
})
