/** Options of a connection: what a program says, checked and turned into the words of REQ_CONN_OPTION. */
import {
  BUFFER_LIMIT_MAX, BUFFER_LIMIT_MIN, CONGESTION_CONTROLS, KEEP_COUNT, KEEP_COUNT_MAX, KEEP_IDLE_MS, KEEP_INTERVAL_MS, KEEP_MS_MAX,
  KEEP_MS_MIN, OPTION_NAMES, OPTION_SOURCE_ROUTE, SOURCE_ROUTE_HOPS_MAX, TIMEOUT_MS_MAX, type CongestionControl,
} from '../memif/index.js'
import { addressWord } from './address.js'
import type { SourceRoute } from './contextoptions.js'
import { TasError } from './errors.js'

/** When and how often a quiet peer is asked whether it is still there (RFC 9293, 3.8.4). */
export interface KeepAliveOptions {
  /** Milliseconds without a segment of the peer before the first probe, 1,000 to 32,767,000; default two hours. TCP_KEEPIDLE. */
  readonly idleMs?: number
  /** Milliseconds between probes, 1,000 to 32,767,000; default 75,000. TCP_KEEPINTVL. */
  readonly intervalMs?: number
  /** Probes without an answer after which the connection ends with ETIMEDOUT, 1 to 127; default 9. TCP_KEEPCNT. */
  readonly count?: number
}

/** What can be set for one connection, in `connect`, in `listen` for all that are accepted, or with `setOption`. */
export interface ConnectionOptions {
  /** Small segments are sent at once and do not wait for acknowledgments (no Nagle algorithm); default true. TCP_NODELAY. */
  readonly noDelay?: boolean
  /** Off by default; true for the default times. SO_KEEPALIVE. */
  readonly keepAlive?: boolean | KeepAliveOptions
  /**
   * The connection ends with ETIMEDOUT when what was sent stays unacknowledged, or a closed window keeps data back, for so many
   * milliseconds; 0 (default): when retransmission gives up. TCP_USER_TIMEOUT.
   */
  readonly userTimeoutMs?: number
  /** Type-of-service byte of what is sent, 0 to 255; its two lowest bits are TCP's own and ignored. IP_TOS. */
  readonly tos?: number
  /** Most bytes of the receive buffer, 4096 to 2^30; 0 (default): what the service gives. SO_RCVBUF. */
  readonly rxLimitBytes?: number
  /** The same for the transmit buffer. SO_SNDBUF. */
  readonly txLimitBytes?: number
  /**
   * Congestion-control algorithm; default: the one of the service (`--cc`). 'module' is that of `--cc=./mine.js`. TCP_CONGESTION.
   * The dctcp ones leave connections without ECN, and long paths, to 'cubic': `info()` says which is in force.
   */
  readonly congestionControl?: CongestionControl
}

export type OptionName = keyof ConnectionOptions

/** How `Connection.close` goes about it. */
export interface CloseOptions {
  /**
   * Milliseconds that the peer has to acknowledge everything; then the connection is reset and CONN_CLOSED says ETIMEDOUT. 0: reset at
   * once, what was not sent is dropped. Left out: as long as retransmission goes on. SO_LINGER, except that nobody waits.
   */
  readonly lingerMs?: number
}

/** Number of an option (OPTION_*), then its values: the words of REQ_CONN_OPTION from AS_OPTION on. Throws TasError EINVAL, ENOENT. */
export function optionWords<K extends OptionName>(name: K, value: ConnectionOptions[K]): number[] {
  const option = OPTION_NAMES.indexOf(name)
  switch (name) {
    case 'noDelay': return [option, flag(name, value)]
    case 'keepAlive': return [option, ...keepAliveWords(value)]
    case 'userTimeoutMs': return [option, integer(name, value, 0, TIMEOUT_MS_MAX)]
    case 'tos': return [option, integer(name, value, 0, 255)]
    case 'rxLimitBytes':
    case 'txLimitBytes': return [option, value === 0 ? 0 : integer(name, value, BUFFER_LIMIT_MIN, BUFFER_LIMIT_MAX)]
    case 'congestionControl': return [option, congestionIndex(value)]
    default: throw new TasError('EINVAL', `there is no option ${JSON.stringify(name)}`)
  }
}

/** The words of all options that `options` has; other properties are not looked at. */
export function allOptionWords(options: ConnectionOptions): number[][] {
  const all: number[][] = []
  for (const name of OPTION_NAMES) {
    if (name !== '' && options[name] !== undefined) all.push(optionWords(name, options[name]))
  }
  return all
}

/** The words of a source route, one option for each hop; none without. Throws TasError EINVAL. */
export function routeOptionWords(route: SourceRoute | undefined): number[][] {
  if (route === undefined) return []
  const { hops, strict = false } = route
  if (!Array.isArray(hops) || hops.length < 1 || hops.length > SOURCE_ROUTE_HOPS_MAX) {
    throw new TasError('EINVAL', `sourceRoute.hops: want 1 to ${SOURCE_ROUTE_HOPS_MAX} addresses`)
  }
  const isStrict = flag('sourceRoute.strict', strict)
  return hops.map((hop: string | number, place) => [OPTION_SOURCE_ROUTE, place, addressWord(hop), isStrict])
}

/** Throws TasError EINVAL unless `lingerMs` is undefined or a number of milliseconds. */
export function checkLinger(lingerMs: number | undefined): number | undefined {
  return lingerMs === undefined ? undefined : integer('lingerMs', lingerMs, 0, TIMEOUT_MS_MAX)
}

function flag(name: string, value: unknown): number {
  if (typeof value === 'boolean') return value ? 1 : 0
  throw new TasError('EINVAL', `${name} ${String(value)}: want true or false`)
}

function integer(name: string, value: unknown, least: number, most: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value
  throw new TasError('EINVAL', `${name} ${String(value)}: want an integer from ${least} to ${most}`)
}

function keepAliveWords(value: unknown): number[] {
  if (value === false) return [0, 0, 0]
  if (value !== true && (typeof value !== 'object' || value === null)) {
    throw new TasError('EINVAL', `keepAlive ${String(value)}: want true, false or { idleMs, intervalMs, count }`)
  }
  const { idleMs, intervalMs, count }: KeepAliveOptions = value === true ? {} : value
  return [
    integer('keepAlive.idleMs', idleMs ?? KEEP_IDLE_MS, KEEP_MS_MIN, KEEP_MS_MAX),
    integer('keepAlive.intervalMs', intervalMs ?? KEEP_INTERVAL_MS, KEEP_MS_MIN, KEEP_MS_MAX),
    integer('keepAlive.count', count ?? KEEP_COUNT, 1, KEEP_COUNT_MAX),
  ]
}

function congestionIndex(value: unknown): number {
  if (typeof value !== 'string') throw new TasError('EINVAL', `congestionControl ${String(value)}: want a name`)
  const index = CONGESTION_CONTROLS.findIndex((name) => name === value)
  if (index >= 0) return index
  throw new TasError('ENOENT', `there is no congestion control ${JSON.stringify(value)}: want ${CONGESTION_CONTROLS.join(', ')}`)
}
