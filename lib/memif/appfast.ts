/**
 * Messages between an application context and one worker. Both directions carry positions in
 * sequence numbers, not differences: a message that repeats or skips a state does no harm, which
 * is why a full ring costs time but never data.
 */

/** Words of an entry, both directions: 32 bytes. */
export const APP_FAST_ENTRY_WORDS = 8

// ---- worker to application: the state of one connection has changed ----

/** Flow index. */
export const EVENT_FLOW = 0
/**
 * Generation of the flow in the low 16 bits; from EVENT_TURN_SHIFT on, how often it has changed its worker, modulo 2^16. The first event of a new
 * turn tells the application which worker has the flow now: the one in whose ring it stands. What the application
 * has said to the worker before may be lost, so it says its positions again. Events of an earlier turn are old.
 */
export const EVENT_GEN = 1
export const EVENT_TURN_SHIFT = 16
/** EVENT_RX_CLOSED and EVENT_TX_CLOSED; from EVENT_RX_LOG2_SHIFT on the log2 of the receive buffer. */
export const EVENT_FLAGS = 2
/** Sequence number behind the last byte in the receive buffer that is in order (a FIN is not counted). */
export const EVENT_RCV_END = 3
/** Sequence number of the first byte not acknowledged (a FIN is not counted). */
export const EVENT_SND_UNA = 4
/** Low 32 bits of the worker's microsecond clock when it wrote the entry; 0 marks an entry never written. */
export const EVENT_TIME_US = 5

/**
 * Sequence number that stands at the start of the receive buffer (TCB rxBase). It changes only while the buffer is empty: data
 * then starts at its front again, so that a connection of short messages touches one page and not the whole buffer.
 */
export const EVENT_RX_BASE = 6

/**
 * Start of the receive buffer, in BUFFER_UNIT_BYTES; its log2 is in EVENT_FLAGS. When it differs from the one before, bytes from
 * EVENT_RX_BASE on stand in the new buffer. Earlier ones stay where they were until they are given back; the application may copy
 * them to the same sequence positions of the new buffer, which has room for them.
 */
export const EVENT_RX_BUFFER = 7
/** Shift of the receive buffer's log2 in EVENT_FLAGS. */
export const EVENT_RX_LOG2_SHIFT = 8

/** No more bytes will come: the peer's FIN is behind EVENT_RCV_END. */
export const EVENT_RX_CLOSED = 1 << 0
/** All bytes and the FIN are acknowledged. */
export const EVENT_TX_CLOSED = 1 << 1

// ---- application to worker: what the application has read and written of one connection ----

/** Flow index. */
export const BUMP_FLOW = 0
/** Generation of the flow in the low 16 bits. */
export const BUMP_GEN = 1
/** BUMP_FIN, BUMP_URGENT and BUMP_RX_SHUT; from BUMP_URGENT_SHIFT on, how far before BUMP_SND_END urgent data ends. */
export const BUMP_FLAGS = 2
/** Sequence number up to which received bytes are given back (TCB rcvRead). */
export const BUMP_RCV_READ = 3
/** Sequence number behind the last byte written (TCB sndEnd). */
export const BUMP_SND_END = 4
/**
 * Free bytes of the transmit buffer that the application waits for after an allocation came short; 0 if it does not.
 * It is told once there are so many. Without this, acknowledgments that come alone are reported when they
 * add up to a quarter of the buffer.
 */
export const BUMP_WANTED = 5

/** The same for the transmit buffer (TCB txBase); the application may change it while everything is acknowledged. */
export const BUMP_TX_BASE = 6
/**
 * Start of the transmit buffer in which everything from SND.UNA to BUMP_SND_END stands, in BUFFER_UNIT_BYTES: the one in use, or
 * one that EV_CONN_TX_BUFFER has granted. So a switch cannot get out of step with what was written.
 */
export const BUMP_TX_BUFFER = 7

/** A stream that stands further behind than this is brought back to the front of its empty buffer. */
export const REBASE_BYTES = 4096

/** Send a FIN behind BUMP_SND_END: nothing more will be written. */
export const BUMP_FIN = 1 << 0
/** There is urgent data to send (RFC 9293, 3.8.5): SND.UP is BUMP_SND_END less the distance in the upper bits, at most BUMP_URGENT_MAX. */
export const BUMP_URGENT = 1 << 1
export const BUMP_URGENT_SHIFT = 8
export const BUMP_URGENT_MAX = 0xffffff
/**
 * The application has closed: nothing behind BUMP_RCV_READ will be read. With the position itself: what comes in between must not be taken for read, nor
 * wait in the buffer for ever, with a window that is closed.
 */
export const BUMP_RX_SHUT = 1 << 2
