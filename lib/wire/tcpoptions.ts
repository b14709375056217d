/** TCP options (RFC 9293, 3.2; RFC 7323; RFC 2018). */
import { readU16, readWord, writeU16, writeWord } from './bytes.js'

export const OPTION_END = 0
export const OPTION_NOP = 1
export const OPTION_MSS = 2
export const OPTION_WINDOW_SCALE = 3
export const OPTION_SACK_PERMITTED = 4
export const OPTION_SACK = 5
export const OPTION_TIMESTAMPS = 8

/** Largest shift a window scale option may ask for (RFC 7323, 2.3). */
export const WINDOW_SCALE_MAX = 14

/** A stretch of sequence numbers that has arrived (RFC 2018, 3): signed words, `end` behind the last of them. */
export interface SackBlock {
  readonly start: number
  readonly end: number
}

/** Options of a segment; null marks one that is not there, SACK blocks are then left out. */
export interface TcpOptions {
  readonly mss: number | null
  /** Shift count, at most WINDOW_SCALE_MAX. */
  readonly windowScale: number | null
  readonly sackPermitted: boolean
  /** TSval and TSecr as signed words. */
  readonly timestamps: { readonly value: number; readonly echo: number } | null
  /** One to four, as many as there is room for (RFC 2018, 3). */
  readonly sackBlocks?: readonly SackBlock[]
}

export const NO_OPTIONS: TcpOptions = { mss: null, windowScale: null, sackPermitted: false, timestamps: null }

/** Length that each option we know must have. */
const LENGTHS = new Map([[OPTION_MSS, 4], [OPTION_WINDOW_SCALE, 3], [OPTION_SACK_PERMITTED, 2], [OPTION_TIMESTAMPS, 10]])

interface ReadOptions {
  mss: number | null
  windowScale: number | null
  sackPermitted: boolean
  timestamps: { value: number; echo: number } | null
  sackBlocks?: readonly SackBlock[]
}

/** Reads the options between `at` and `end`; null if a length is impossible. Options we do not know are skipped. */
export function parseTcpOptions(bytes: Uint8Array, at: number, end: number): TcpOptions | null {
  const options: ReadOptions = { mss: null, windowScale: null, sackPermitted: false, timestamps: null }
  while (at < end && bytes[at] !== OPTION_END) {
    const kind = bytes[at]
    if (kind === OPTION_NOP) {
      at++
      continue
    }
    const length = at + 1 < end ? bytes[at + 1] : 0
    if (length < 2 || at + length > end || length !== (LENGTHS.get(kind) ?? length)) return null
    if (kind === OPTION_SACK && (length < 10 || length % 8 !== 2)) return null
    if (kind === OPTION_SACK) options.sackBlocks = readSackBlocks(bytes, at + 2, at + length)
    else readOption(options, kind, bytes, at + 2)
    at += length
  }
  return options
}

function readOption(options: ReadOptions, kind: number, bytes: Uint8Array, at: number): void {
  if (kind === OPTION_MSS) options.mss = readU16(bytes, at)
  else if (kind === OPTION_WINDOW_SCALE) options.windowScale = Math.min(bytes[at], WINDOW_SCALE_MAX)
  else if (kind === OPTION_SACK_PERMITTED) options.sackPermitted = true
  else if (kind === OPTION_TIMESTAMPS) options.timestamps = { value: readWord(bytes, at), echo: readWord(bytes, at + 4) }
}

function readSackBlocks(bytes: Uint8Array, from: number, end: number): SackBlock[] {
  const blocks: SackBlock[] = []
  for (let at = from; at < end; at += 8) blocks.push({ start: readWord(bytes, at), end: readWord(bytes, at + 4) })
  return blocks
}

/** Bytes that `options` take when written, padding included. A header has room for 40 (RFC 9293, 3.1). */
export function tcpOptionsLen(options: TcpOptions): number {
  return (options.mss === null ? 0 : 4) + (options.windowScale === null ? 0 : 4) +
    (options.sackPermitted ? 4 : 0) + (options.timestamps === null ? 0 : 12) + sackLen(options)
}

function sackLen({ sackBlocks }: TcpOptions): number {
  return sackBlocks === undefined || sackBlocks.length === 0 ? 0 : 4 + 8 * sackBlocks.length
}

/** Writes `options` at `at`, each padded to words in front with NOPs as RFC 7323 appendix A advises. */
export function emitTcpOptions(bytes: Uint8Array, at: number, options: TcpOptions): void {
  if (options.mss !== null) {
    writeU16(bytes, at, (OPTION_MSS << 8) | 4)
    writeU16(bytes, at + 2, options.mss)
    at += 4
  }
  if (options.sackPermitted) {
    writeWord(bytes, at, (OPTION_NOP << 24) | (OPTION_NOP << 16) | (OPTION_SACK_PERMITTED << 8) | 2)
    at += 4
  }
  if (options.timestamps !== null) {
    writeWord(bytes, at, (OPTION_NOP << 24) | (OPTION_NOP << 16) | (OPTION_TIMESTAMPS << 8) | 10)
    writeWord(bytes, at + 4, options.timestamps.value)
    writeWord(bytes, at + 8, options.timestamps.echo)
    at += 12
  }
  if (options.windowScale !== null) {
    writeWord(bytes, at, (OPTION_NOP << 24) | (OPTION_WINDOW_SCALE << 16) | (3 << 8) | options.windowScale)
    at += 4
  }
  if (options.sackBlocks !== undefined && options.sackBlocks.length > 0) emitSackBlocks(bytes, at, options.sackBlocks)
}

function emitSackBlocks(bytes: Uint8Array, at: number, blocks: readonly SackBlock[]): void {
  writeWord(bytes, at, (OPTION_NOP << 24) | (OPTION_NOP << 16) | (OPTION_SACK << 8) | (2 + 8 * blocks.length))
  blocks.forEach(({ start, end }, index) => {
    writeWord(bytes, at + 4 + 8 * index, start)
    writeWord(bytes, at + 8 + 8 * index, end)
  })
}
