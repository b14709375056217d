/** Facts that every shared region rests on. */

/** Raised whenever an offset, a size or a meaning in `lib/memif` changes; checked when an application connects. */
export const LAYOUT_VERSION = 10

/** First word of every region ("TASJ"). */
export const REGION_MAGIC = 0x5441534a

export const CACHE_LINE_BYTES = 64
export const CACHE_LINE_WORDS = 16
export const PAGE_BYTES = 4096

/** Buffers are addressed in cache lines, so that 32 bits reach 256 GiB. */
export const BUFFER_UNIT_BYTES = 64

/** Most contexts of one application at once; context ids are smaller than this. */
export const CONTEXTS_MAX = 64
/** Context id of a connection that nobody has accepted yet: its events wait. */
export const CONTEXT_NONE = 0xffff
/** Most fast-path workers. */
export const WORKERS_MAX = 16
/** Application ids are 1 to APPS_MAX - 1; region number 0 is the state region. */
export const APPS_MAX = 256
/** Most addresses given by --ip-addr. */
export const LOCAL_ADDRESSES_MAX = 16

/** Rounds `value` up to a multiple of `unit`; both positive, `unit` of any size. */
export function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit
}

/** log2 of the smallest power of two that is at least `value` (1 to 2^31). */
export function log2Ceil(value: number): number {
  return value <= 1 ? 0 : 32 - Math.clz32(value - 1)
}

const POWERS_OF_TWO = Array.from({ length: 53 }, (_, log2) => 2 ** log2)

/** 2^log2, `log2` from 0 to 52: from a table, since V8 calls a function of C for the power, which takes tens of nanoseconds. */
export function powerOfTwo(log2: number): number {
  return POWERS_OF_TWO[log2]
}
