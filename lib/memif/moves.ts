/**
 * Buffers that are being exchanged: a table in the state region with one row for each TCB. It lets a flow change to another
 * receive or transmit buffer while it runs, and a worker that takes over in the middle finish what the one before began.
 *
 *   state       set by        meaning
 *   NONE        slow path     nothing is granted
 *   GRANTED     slow path     the piece named beside it is this flow's: take it when the moment has come
 *   SWITCHING   worker        it is writing the TCB: whoever takes over writes it again
 *   SWITCHED    worker        the TCB names the new piece; something may still look at the old one
 *   DONE        worker        the old piece is free; WHAT_RX_MOVED or WHAT_TX_MOVED has been, or is to be, told
 *
 * Beside them stands MOVE_TURN, which has to do with another kind of move: that of the flow to another worker.
 *
 * Apart from the state, the slow path writes a row while its state is NONE; only the worker writes MOVE_RX_SEQ after that.
 */

/** Words of a row. */
export const MOVE_WORDS = 8

/** One of MOVE_*: how far the exchange of the receive buffer is. */
export const MOVE_RX_STATE = 0
/** The granted piece, in BUFFER_UNIT_BYTES. */
export const MOVE_RX_BUFFER = 1
/** log2 of its bytes. */
export const MOVE_RX_LOG2 = 2
/** First sequence number that goes into the new buffer. */
export const MOVE_RX_SEQ = 3
/** The same for the transmit buffer. */
export const MOVE_TX_STATE = 4
export const MOVE_TX_BUFFER = 5
export const MOVE_TX_LOG2 = 6
/** How often the flow has changed its worker, modulo 2^16; written while no worker has the flow. Its events carry it (EVENT_TURN_SHIFT). */
export const MOVE_TURN = 7

export const MOVE_NONE = 0
export const MOVE_GRANTED = 1
export const MOVE_SWITCHING = 2
export const MOVE_SWITCHED = 3
export const MOVE_DONE = 4
