/** Bytes copied without making objects. */
import { addon } from './addon.js'

/**
 * Copies `len` bytes of `source` from `sourceOffset` to `target` at `targetOffset`; the two may overlap. Makes no views, unlike
 * `set(subarray)`. Throws RangeError if they do not fit both.
 */
export function copyBytes(target: Uint8Array, targetOffset: number, source: Uint8Array, sourceOffset: number, len: number): void {
  addon().copyBytes(target, targetOffset, source, sourceOffset, len)
}
