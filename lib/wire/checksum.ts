/** The Internet checksum (RFC 1071). Sums are kept unfolded in a double: exact for far more than 64 KiB. */

/** Adds `length` bytes from `start`, taken as big-endian 16-bit words (an odd last byte is padded), to `sum`. */
export function addBytes(sum: number, bytes: Uint8Array, start: number, length: number): number {
  const even = start + (length & ~1)
  for (let i = start; i < even; i += 2) sum += (bytes[i] << 8) | bytes[i + 1]
  return (length & 1) !== 0 ? sum + (bytes[even] << 8) : sum
}

/** Adds the pseudo-header of `protocol` with `length` bytes behind the IP header (RFC 9293, 3.1). */
export function addPseudoHeader(sum: number, sourceIp: number, targetIp: number, protocol: number, length: number): number {
  return sum + (sourceIp >>> 16) + (sourceIp & 0xffff) + (targetIp >>> 16) + (targetIp & 0xffff) + protocol + length
}

/** The sum folded to 16 bits and complemented: what stands in a header. 0 for a sum over data with a right checksum. */
export function foldChecksum(sum: number): number {
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000)
  return ~sum & 0xffff
}

/** Checksum of `length` bytes from `start`. */
export function checksum(bytes: Uint8Array, start: number, length: number): number {
  return foldChecksum(addBytes(0, bytes, start, length))
}
