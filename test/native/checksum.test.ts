import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checksumFold, checksumFoldSoft } from '../../native/checksum.js'

/** RFC 1071, section 4.1, word by word. */
function reference(bytes: Uint8Array, initial: number): number {
  let sum = initial
  for (let i = 0; i < bytes.length; i += 2) {
    sum += bytes[i] * 256 + (i + 1 < bytes.length ? bytes[i + 1] : 0)
    if (sum > 0xffff) sum -= 0xffff
  }
  return sum
}

/** 0 and 0xffff are the same number in ones' complement. */
const canonical = (sum: number): number => sum % 0xffff

const inputs = fc.record({
  bytes: fc.uint8Array({ maxLength: 3000 }),
  skip: fc.nat(64),
  initial: fc.nat(0xffff),
})

test('checksum: any bytes, offset and initial sum -> the same as RFC 1071 word by word', () => {
  fc.assert(fc.property(inputs, ({ bytes, skip, initial }) => {
    const offset = Math.min(skip, bytes.length)
    const expected = canonical(reference(bytes.subarray(offset), initial))
    const length = bytes.length - offset
    expect(canonical(checksumFold(bytes, offset, length, initial))).toBe(expected)
    expect(canonical(checksumFoldSoft(bytes, offset, length, initial))).toBe(expected)
  }))
})

test('checksum: bytes in two calls, cut at an even place -> the same as in one', () => {
  fc.assert(fc.property(inputs, fc.nat(1500), ({ bytes, initial }, half) => {
    const cut = Math.min(half * 2, bytes.length & ~1)
    const first = checksumFold(bytes, 0, cut, initial)
    expect(checksumFold(bytes, cut, bytes.length - cut, first)).toBe(checksumFold(bytes, 0, bytes.length, initial))
  }))
})

test('checksum: 64 KiB of 0xff -> folded without overflow', () => {
  const bytes = new Uint8Array(65536).fill(0xff)
  expect(checksumFold(bytes, 0, bytes.length, 0xffff)).toBe(0xffff)
})

test('checksum: bytes outside the array -> RangeError', () => {
  const bytes = new Uint8Array(8)
  for (const [offset, length] of [[-1, 4], [0, 9], [8, 1], [4, -1], [2 ** 31 - 1, 2 ** 31 - 1]]) {
    expect(() => checksumFold(bytes, offset, length, 0)).toThrow(RangeError)
    expect(() => checksumFoldSoft(bytes, offset, length, 0)).toThrow(RangeError)
  }
})
