/** Random numbers and bytes that follow from a seed, which bench/native/lwip_peer.c knows how to make too. */
import { SeededRandom } from '../../tools/linkem/random.js'

export class Random extends SeededRandom {
  readonly seed: number

  constructor(seed: number) {
    super(seed)
    this.seed = seed
  }

  /** A whole number from `min` to `max`. */
  between(min: number, max: number): number {
    return min + (this.u32() % (max - min + 1))
  }

  /** Four bytes of each number, little-endian. */
  override bytes(len: number): Buffer<ArrayBuffer> {
    const bytes = Buffer.alloc((len + 3) & ~3)
    for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE(this.u32(), at)
    return bytes.subarray(0, len)
  }
}
