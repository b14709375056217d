/** Bytes of a stream: known from the place in the stream and a key, so that nothing has to be kept and streams cannot be mistaken. */
import { SeededRandom } from '../random.js'

/** A prime length, so that a byte in the wrong place of any buffer is noticed. */
const LENGTH = 65_521
const PATTERN = new SeededRandom(42).bytes(LENGTH)

export class Pattern {
  private readonly start: number

  constructor(key: number) {
    this.start = (Math.imul(key, 0x9e3779b1) >>> 0) % LENGTH
  }

  /** Up to `len` bytes from place `at` of the stream on; fewer at the pattern's end. */
  bytes(at: number, len: number): Uint8Array {
    const from = (this.start + at) % LENGTH
    return PATTERN.subarray(from, Math.min(from + len, LENGTH))
  }

  /** Whether `bytes` are those from place `at` on. */
  isAt(at: number, bytes: Uint8Array): boolean {
    for (let done = 0; done < bytes.length;) {
      const part = this.bytes(at + done, bytes.length - done)
      if (Buffer.compare(bytes.subarray(done, done + part.length), part) !== 0) return false
      done += part.length
    }
    return true
  }
}
