/**
 * Options of a connection: numbers of REQ_CONN_OPTION and what their values may be. Library and slow path both check
 * against these limits, the slow path because an application can write anything into its ring.
 */

/** Segments are sent at once (1) or wait while something is in flight (0; RFC 9293, 3.7.4). TCP_NODELAY. */
export const OPTION_NO_DELAY = 1
/** Three values: idle time in ms (0: off), interval in ms, probes (RFC 9293, 3.8.4). SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT. */
export const OPTION_KEEP_ALIVE = 2
/** How long data may stay unacknowledged or unsent, in ms; 0: as long as retransmission goes on (RFC 9293, 3.8.3). TCP_USER_TIMEOUT. */
export const OPTION_USER_TIMEOUT = 3
/** TOS byte; its two ECN bits are TCP's own and ignored. IP_TOS. */
export const OPTION_TOS = 4
/** Most bytes of the receive buffer; 0: no limit of its own. SO_RCVBUF. */
export const OPTION_RX_LIMIT = 5
/** Most bytes of the transmit buffer; 0: no limit of its own. SO_SNDBUF. */
export const OPTION_TX_LIMIT = 6
/** Index into CONGESTION_CONTROLS. TCP_CONGESTION. */
export const OPTION_CONGESTION = 7

/**
 * Three values: place of a hop, 0 to 8, its address, and whether the route is strict (1) or loose (0); hops that were there from this place on
 * are dropped. Only for REQ_CONN_OPEN, so it has no name below. IP_OPTIONS.
 */
export const OPTION_SOURCE_ROUTE = 8
/** Most hops of a source route: what 40 bytes of IP options hold (RFC 791, 3.1). */
export const SOURCE_ROUTE_HOPS_MAX = 9

/** Values of one option at most. */
export const OPTION_VALUES_MAX = 3

/** Names by option number, as programs know them. */
export const OPTION_NAMES = [
  '', 'noDelay', 'keepAlive', 'userTimeoutMs', 'tos', 'rxLimitBytes', 'txLimitBytes', 'congestionControl',
] as const

/** Algorithms that a connection can have, by index (docs/congestion-control.md); 'module' is the one of `--cc=./mine.js`. */
export const CONGESTION_CONTROLS = ['cubic', 'reno', 'dctcp-rate', 'dctcp-win', 'timely', 'const-rate', 'module'] as const
export type CongestionControl = (typeof CONGESTION_CONTROLS)[number]

/** Keepalive, unless the program says otherwise: RFC 9293, 3.8.4 (MUST-28: no less than two hours), and Linux. */
export const KEEP_IDLE_MS = 7_200_000
export const KEEP_INTERVAL_MS = 75_000
export const KEEP_COUNT = 9
/**
 * Shortest idle time and interval: Linux answers old sequence numbers of a connection only every 500 ms (tcp_invalid_ratelimit), so that
 * faster probes would take a living peer for dead.
 */
export const KEEP_MS_MIN = 1_000
/** Longest idle time and interval, those of Linux; less than half of the millisecond clock's range. */
export const KEEP_MS_MAX = 32_767_000
export const KEEP_COUNT_MAX = 127
/** Longest user timeout and linger time in milliseconds, 24 days. */
export const TIMEOUT_MS_MAX = 0x7fffffff
/** Limits of a buffer in bytes, unless 0. */
export const BUFFER_LIMIT_MIN = 4096
export const BUFFER_LIMIT_MAX = 2 ** 30
/** Bits of the TOS byte that are the program's: DSCP (RFC 2474, 3). The others are ECN's (RFC 3168, 5). */
export const TOS_MASK = 0xfc
