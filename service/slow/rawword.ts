/** The word that a little-endian host loads from the network-order bytes of `value`. */
export function rawWord(value: number): number {
  return (value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)
}
