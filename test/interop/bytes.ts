/** Comparing what was sent with what arrived. */
import { createHash } from 'node:crypto'

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function firstDifference(got: Uint8Array, want: Uint8Array): number {
  const len = Math.min(got.length, want.length)
  for (let at = 0; at < len; at++) if (got[at] !== want[at]) return at
  return len
}

/** Throws Error if `got`, bytes or their SHA-256 in hexadecimal, is not what was sent. */
export function sameBytes(what: string, got: Uint8Array | string, want: Uint8Array): void {
  if (typeof got === 'string') {
    if (got !== hashOf(want)) throw new Error(`${what}: ${want.length} bytes arrived changed`)
    return
  }
  if (hashOf(got) === hashOf(want)) return
  throw new Error(`${what}: ${got.length} of ${want.length} bytes arrived, different from byte ${firstDifference(got, want)} on`)
}
