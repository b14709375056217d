/** Internet checksum (RFC 1071). */
import { addon } from './addon.js'

/**
 * Adds `len` bytes of `bytes` from `offset` on to the ones' complement sum `initial` (0 to begin). Returns the sum folded to
 * 16 bits, not inverted, as a number in network order. An odd last byte counts as if a zero followed. Throws RangeError.
 */
export function checksumFold(bytes: Uint8Array, offset: number, len: number, initial: number): number {
  return addon().checksumFold(bytes, offset, len, initial)
}

/** The same in TypeScript, about ten times slower: for ports that need no native code. */
export function checksumFoldSoft(bytes: Uint8Array, offset: number, len: number, initial: number): number {
  if (offset < 0 || len < 0 || offset + len > bytes.length) {
    throw new RangeError(`checksum of bytes ${offset} to ${offset + len} of ${bytes.length}`)
  }
  let sum = initial
  const even = offset + (len & ~1)
  for (let i = offset; i < even; i += 2) sum += (bytes[i] << 8) | bytes[i + 1]
  if ((len & 1) !== 0) sum += bytes[even] << 8
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000)
  return sum
}
