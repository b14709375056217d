/**
 * What few flows have and no TCB has room for: a table in the state region with one row for each TCB. FLAG_EXTRA says that the row counts; as
 * long as it is clear nobody reads one. Written by whoever may write the TCB: the slow path before a worker has the flow, then the
 * worker.
 */

/** Words of a row. */
export const EXTRA_WORDS = 16

/** 1 while the urgent mode lasts: SND.UP was beyond SND.UNA when it was last looked at. */
export const EXTRA_IS_URGENT = 0
/** SND.UP (RFC 9293, 3.3.1), in urgent mode. */
export const EXTRA_SND_UP = 1
/** Bytes of the IP options with the source route, a multiple of four; 0: none, and what follows means nothing. */
export const EXTRA_ROUTE_BYTES = 2
/** First hop, as the raw word of the destination field. */
export const EXTRA_ROUTE_HOP = 3
/** Behind the hop, ROUTE_OPTION_WORDS: the options as they stand in packets (RFC 791, 3.1), the peer's address last. */
export const EXTRA_ROUTE_OPTIONS = 4

/** Words of IP options at most. */
export const ROUTE_OPTION_WORDS = 10
