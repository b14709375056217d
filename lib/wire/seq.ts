/**
 * TCP sequence numbers (RFC 9293, 3.4): signed 32-bit words that wrap. All comparisons go through the
 * difference, so they hold while two numbers are less than 2^31 apart.
 */

/** Distance from `b` to `a`, negative if `a` is before `b`. */
export function seqDiff(a: number, b: number): number {
  return (a - b) | 0
}

/** Whether `a` is before `b`. */
export function seqLt(a: number, b: number): boolean {
  return ((a - b) | 0) < 0
}

/** Whether `a` is before `b` or equal. */
export function seqLeq(a: number, b: number): boolean {
  return ((a - b) | 0) <= 0
}

/** `a` moved on by `count` (which may be negative). */
export function seqAdd(a: number, count: number): number {
  return (a + count) | 0
}

/** Whether `seq` is one of the `length` numbers that start at `start`. */
export function seqInWindow(seq: number, start: number, length: number): boolean {
  return ((seq - start) >>> 0) < length
}
