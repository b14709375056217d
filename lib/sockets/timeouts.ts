/** Time-outs as calls take them, in microseconds. */
import { SocketError } from './errors.js'

const US_PER_MS = 1_000
const US_PER_S = 1_000_000
const NS_PER_S = 1_000_000_000

/** struct timespec. */
export interface TimeSpec {
  readonly tv_sec: number
  readonly tv_nsec: number
}

/** Milliseconds; negative: no limit. */
export function microseconds(timeoutMs: number): number {
  return timeoutMs < 0 ? -1 : timeoutMs * US_PER_MS
}

/** Seconds and a fraction of which a second has `perSecond`; -1 for no limit. Throws SocketError EINVAL. */
export function timeoutUs(seconds: number, fraction: number, perSecond: number, syscall: string): number {
  if (!(seconds >= 0 && fraction >= 0 && fraction < perSecond)) {
    throw new SocketError('EINVAL', syscall, `time-out of ${seconds} s and ${fraction}: want none negative, and a fraction below ${perSecond}`)
  }
  return seconds * US_PER_S + Math.ceil(fraction * (US_PER_S / perSecond))
}

/** A timespec, or null for no limit. Throws SocketError EINVAL. */
export function timeSpecUs(timeout: TimeSpec | null, syscall: string): number {
  return timeout === null ? -1 : timeoutUs(timeout.tv_sec, timeout.tv_nsec, NS_PER_S, syscall)
}

/** Throws SocketError EINVAL unless `mask` is null. */
export function checkSignalMask(mask: unknown, syscall: string): void {
  if (mask !== null) throw new SocketError('EINVAL', syscall, 'there are no signal masks in JavaScript: want null')
}
