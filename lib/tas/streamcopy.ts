/** Bytes of a stream from one ring buffer to another, when a connection changes buffers. */
import { copyBytes } from './bytecopy.js'

/**
 * Copies the bytes with sequence numbers `from` to `to` from `source`, where sequence number `sourceBase` stands at the start, to
 * `target`, where `targetBase` does. Both lengths are powers of two. Numbers that do not fit both are not copied.
 */
export function copyStream(source: Uint8Array, sourceBase: number, target: Uint8Array, targetBase: number, from: number, to: number): void {
  let left = (to - from) | 0
  if (left > source.length || left > target.length) return
  for (let seq = from; left > 0;) {
    const at = (seq - sourceBase) & (source.length - 1)
    const targetAt = (seq - targetBase) & (target.length - 1)
    const len = Math.min(left, source.length - at, target.length - targetAt)
    copyBytes(target, targetAt, source, at, len)
    seq = (seq + len) | 0
    left -= len
  }
}
