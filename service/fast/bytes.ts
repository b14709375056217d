/** Byte order on the hot path: headers are loaded as little-endian words and turned with a few ALU operations. */

/** Turns a 32-bit word from network byte order or to it. Under 1 ns. */
export function swap32(word: number): number {
  return (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)
}

/** Turns the low 16 bits of a word. */
export function swap16(half: number): number {
  return ((half & 0xff) << 8) | ((half >>> 8) & 0xff)
}

/** Whether the 20-byte IPv4 header at word `ip` sums up to zero (RFC 1071; the sum does not depend on byte order). */
export function ipHeaderGood(words: Int32Array, ip: number): boolean {
  const a = words[ip]
  const b = words[ip + 1]
  const c = words[ip + 2]
  const d = words[ip + 3]
  const e = words[ip + 4]
  let sum =
    (a & 0xffff) + (a >>> 16) + (b & 0xffff) + (b >>> 16) + (c & 0xffff) + (c >>> 16) +
    (d & 0xffff) + (d >>> 16) + (e & 0xffff) + (e >>> 16)
  sum = (sum & 0xffff) + (sum >>> 16)
  return ((sum & 0xffff) + (sum >>> 16)) === 0xffff
}
