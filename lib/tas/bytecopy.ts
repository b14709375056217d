/** Copying between buffers without making views. */
import { copyBytes as copyNatively } from '../../native/index.js'

/** Below, a loop is faster than a call of the addon. */
const LOOP_BYTES = 64

/** Copies `len` bytes; the ranges must fit the arrays. */
export function copyBytes(target: Uint8Array, targetOffset: number, source: Uint8Array, sourceOffset: number, len: number): void {
  if (len > LOOP_BYTES) copyNatively(target, targetOffset, source, sourceOffset, len)
  else for (let i = 0; i < len; i++) target[targetOffset + i] = source[sourceOffset + i]
}
