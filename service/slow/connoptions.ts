/** Options of connections: what they are, and which values of an application are taken. */
import {
  BUFFER_LIMIT_MAX, BUFFER_LIMIT_MIN, FLAG_NAGLE, FLAGS_DSCP, FLAGS_TOS_SHIFT, KEEP_COUNT_MAX, KEEP_MS_MAX, KEEP_MS_MIN,
  OPTION_CONGESTION, OPTION_KEEP_ALIVE, OPTION_NO_DELAY, OPTION_RX_LIMIT, OPTION_SOURCE_ROUTE, OPTION_TOS, OPTION_TX_LIMIT, OPTION_USER_TIMEOUT,
  SOURCE_ROUTE_HOPS_MAX, TIMEOUT_MS_MAX, TOS_MASK,
} from '../../lib/memif/index.js'
import type { SourceRoute } from '../../lib/wire/index.js'
import { EINVAL, ENOENT } from './errno.js'

/** Never changed: a new value makes a new object, so that connections share those of their listener. */
export interface ConnOptions {
  /** Nagle's algorithm is off (RFC 9293, 3.7.4). */
  readonly noDelay: boolean
  /** Keepalive (RFC 9293, 3.8.4): idle time in milliseconds, 0 for off; then interval and number of probes. */
  readonly keepIdleMs: number
  readonly keepIntervalMs: number
  readonly keepCount: number
  /** How long data may stay unacknowledged or unsent, milliseconds; 0 for no limit but that of retransmission. */
  readonly userTimeoutMs: number
  /** DSCP in the upper six bits; the ECN bits are 0. */
  readonly tos: number
  /** Most bytes of the buffers; 0 for no limit of its own. */
  readonly rxLimitBytes: number
  readonly txLimitBytes: number
  /** Index into CONGESTION_CONTROLS; -1: whatever is configured. */
  readonly congestion: number
  /** The way that the program has named for a connection that it opens (RFC 9293, 3.9.2.1: MUST-51). */
  readonly sourceRoute: SourceRoute | null
}

/** What an application gets that says nothing. */
export const DEFAULT_OPTIONS: ConnOptions = {
  noDelay: true, keepIdleMs: 0, keepIntervalMs: 0, keepCount: 0, userTimeoutMs: 0, tos: 0, rxLimitBytes: 0, txLimitBytes: 0,
  congestion: -1, sourceRoute: null,
}

/** The bits of a TCB's flags that options decide. */
export const OPTION_FLAGS = FLAG_NAGLE | FLAGS_DSCP

/** The flags of a TCB for `options`. */
export function flagsOfOptions({ noDelay, tos }: ConnOptions): number {
  return (noDelay ? 0 : FLAG_NAGLE) | (tos << FLAGS_TOS_SHIFT)
}

/**
 * `options` with option `option` (OPTION_*) set to `values`, which an application has written; of CONGESTION_CONTROLS the first `algorithms` can
 * be had. Returns EINVAL for an option that there is not or a value out of its limits, ENOENT for an algorithm that there is not.
 */
export function withOption(
  options: ConnOptions, option: number, values: readonly number[], algorithms: number,
): ConnOptions | number {
  const [value] = values
  switch (option) {
    case OPTION_NO_DELAY: return isIn(value, 0, 1) ? { ...options, noDelay: value === 1 } : EINVAL
    case OPTION_KEEP_ALIVE: return withKeepAlive(options, values)
    case OPTION_USER_TIMEOUT: return isIn(value, 0, TIMEOUT_MS_MAX) ? { ...options, userTimeoutMs: value } : EINVAL
    case OPTION_TOS: return isIn(value, 0, 0xff) ? { ...options, tos: value & TOS_MASK } : EINVAL
    case OPTION_RX_LIMIT: return isLimit(value) ? { ...options, rxLimitBytes: value } : EINVAL
    case OPTION_TX_LIMIT: return isLimit(value) ? { ...options, txLimitBytes: value } : EINVAL
    case OPTION_CONGESTION: return isIn(value, 0, algorithms - 1) ? { ...options, congestion: value } : ENOENT
    case OPTION_SOURCE_ROUTE: return withHop(options, values)
    default: return EINVAL
  }
}

/** A hop behind those there are, or in the place of one and all behind it. */
function withHop(options: ConnOptions, [place, address, isStrict]: readonly number[]): ConnOptions | number {
  const hops = options.sourceRoute?.hops ?? []
  if (!isIn(place, 0, Math.min(hops.length, SOURCE_ROUTE_HOPS_MAX - 1)) || !isIn(isStrict, 0, 1)) return EINVAL
  return { ...options, sourceRoute: { isStrict: isStrict === 1, hops: [...hops.slice(0, place), address] } }
}

function withKeepAlive(options: ConnOptions, [keepIdleMs, keepIntervalMs, keepCount]: readonly number[]): ConnOptions | number {
  if (keepIdleMs === 0) return { ...options, keepIdleMs: 0, keepIntervalMs: 0, keepCount: 0 }
  const isGood = isIn(keepIdleMs, KEEP_MS_MIN, KEEP_MS_MAX) && isIn(keepIntervalMs, KEEP_MS_MIN, KEEP_MS_MAX)
    && isIn(keepCount, 1, KEEP_COUNT_MAX)
  return isGood ? { ...options, keepIdleMs, keepIntervalMs, keepCount } : EINVAL
}

function isLimit(value: number): boolean {
  return value === 0 || isIn(value, BUFFER_LIMIT_MIN, BUFFER_LIMIT_MAX)
}

function isIn(value: number, least: number, most: number): boolean {
  return value >= least && value <= most
}
