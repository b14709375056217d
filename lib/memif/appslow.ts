/**
 * Messages between an application context and the slow path, 64 bytes each.
 * Names are word indexes within the entry. Addresses here are plain numbers (10.0.0.1 is
 * 0x0a000001 as a signed word) and ports 0 to 65535, not network byte order.
 *
 * `handle` is a number of the application's choosing that comes back in the answer.
 */

export const APP_SLOW_ENTRY_WORDS = 16

/** Both directions: message type. */
export const AS_TYPE = 0
/** Both directions: the application's handle of the listener or connection. */
export const AS_HANDLE = 1

// ---- application to slow path ----

/** AS_HANDLE (listener), AS_LOCAL_IP (0: any), AS_LOCAL_PORT, AS_BACKLOG, AS_FLAGS (LISTEN_*). */
export const REQ_LISTEN_OPEN = 1
/** AS_HANDLE (listener). Waiting connections are reset, handles waiting in accept get ECANCELED. */
export const REQ_LISTEN_CLOSE = 2
/**
 * AS_HANDLE (connection), AS_LISTENER: accept the next connection under this handle. AS_CONTEXT: 0, or 1 more than the id of the context of
 * the same application that has the listener; then AS_LOCAL_IP and AS_LOCAL_PORT are the listener's, lest another one has its handle by now.
 */
export const REQ_LISTEN_ACCEPT = 3
/** AS_HANDLE (connection), AS_REMOTE_IP, AS_REMOTE_PORT, AS_LOCAL_IP and AS_LOCAL_PORT (0: chosen by TAS). */
export const REQ_CONN_OPEN = 4
/** AS_HANDLE, AS_FLOW, AS_GEN, AS_FLAGS (CLOSE_*). Before it opened: AS_FLOW is -1 and the attempt ends. */
export const REQ_CONN_CLOSE = 5
/**
 * AS_HANDLE, AS_FLOW, AS_GEN, AS_CONTEXT, AS_FLAGS (MOVE_*): events go to that context of the same application. With MOVE_HANDED the handle is
 * AS_VALUE from then on; asked for by the context that it goes to, which hears in any case. With MOVE_LET_GO there is no such context yet, and
 * nobody hears: the connection outlives the context that asks, and waits for a MOVE_HANDED.
 */
export const REQ_CONN_MOVE = 6

/**
 * AS_HANDLE, AS_FLOW, AS_GEN, AS_OPTION (OPTION_*), AS_VALUE and up to two more values. Answered EV_CONN_OPTION.
 * With AS_FLOW -1 it is for the REQ_CONN_OPEN or REQ_LISTEN_OPEN of the same handle that follows in this ring, before any other: not
 * answered; if it is refused, so is that request. What a listener is opened with, the connections that it accepts inherit.
 */
export const REQ_CONN_OPTION = 7
/** AS_HANDLE, AS_FLOW, AS_GEN: answered by EV_CONN_INFO, one for each part (INFO_PARTS), or a single one with an error. */
export const REQ_CONN_INFO = 8

/** AS_FLAGS of REQ_LISTEN_OPEN: other listeners with this flag may share the port. */
export const LISTEN_REUSEPORT = 1 << 0
/** AS_FLAGS of REQ_LISTEN_OPEN: no EV_LISTEN_NEWCONN. Contexts, also those that do not read their events, accept ahead of connections. */
export const LISTEN_SILENT = 1 << 1
/** AS_FLAGS of REQ_CONN_MOVE: another thread had the connection, whose events are lost since then, and whose handles are others. */
export const MOVE_HANDED = 1 << 0
/** AS_FLAGS of REQ_CONN_MOVE: its thread has let it go, for another to take. */
export const MOVE_LET_GO = 1 << 1
/** AS_FLAGS of REQ_CONN_CLOSE: reset the connection (ABORT call, RFC 9293 3.9.1). */
export const CLOSE_ABORT = 1 << 0
/** AS_FLAGS of REQ_CONN_CLOSE: reset the connection unless our FIN is acknowledged within AS_VALUE milliseconds (SO_LINGER). */
export const CLOSE_LINGER = 1 << 1

// ---- slow path to application ----

/** AS_HANDLE, AS_STATUS, AS_LOCAL_IP, AS_LOCAL_PORT: answer to REQ_LISTEN_OPEN. */
export const EV_LISTEN_OPEN = 32
/** AS_HANDLE (listener), AS_REMOTE_IP, AS_REMOTE_PORT: a connection waits to be accepted. */
export const EV_LISTEN_NEWCONN = 33
/** AS_HANDLE (connection), AS_LISTENER, AS_STATUS, and the flow: AS_FLOW to AS_MSS. */
export const EV_LISTEN_ACCEPT = 34
/** AS_HANDLE, AS_STATUS, and the flow: answer to REQ_CONN_OPEN. */
export const EV_CONN_OPEN = 35
/**
 * AS_HANDLE, AS_FLOW, AS_GEN, AS_STATUS: the connection is gone and its buffers belong to TAS again.
 * Status 0 after an orderly close, otherwise the error that ended it (ECONNRESET, ETIMEDOUT, ...).
 */
export const EV_CONN_CLOSED = 36
/** AS_HANDLE, AS_FLOW, AS_GEN, AS_STATUS: sent to the new context; its worker events follow. ENOTCONN for MOVE_HANDED: it has ended. */
export const EV_CONN_MOVED = 37
/** AS_HANDLE (listener), AS_STATUS: the listener is closed and its port free. */
export const EV_LISTEN_CLOSED = 38

/** AS_HANDLE, AS_FLOW, AS_GEN, AS_OPTION, AS_STATUS, at the context that asked: the option is in force or refused. */
export const EV_CONN_OPTION = 39
/** AS_HANDLE, AS_FLOW, AS_GEN, AS_STATUS, AS_PART and the values of that part (INFO_NAMES), at the context that asked. */
export const EV_CONN_INFO = 40
/**
 * AS_HANDLE, AS_FLOW, AS_GEN, AS_TX_BUFFER, AS_SIZES (transmit part): another transmit buffer is granted. The application copies what
 * is not acknowledged into it, writes there from then on, and names it in BUMP_TX_BUFFER.
 */
export const EV_CONN_TX_BUFFER = 41
/**
 * AS_HANDLE, AS_FLOW, AS_GEN, AS_VALUE: the peer has urgent data; the value is the sequence number behind its last byte (RFC 9293, 3.8.5).
 * Again whenever that changes; the furthest counts.
 */
export const EV_CONN_URGENT = 42

/** 0 or a positive errno number of Linux. */
export const AS_STATUS = 2
/** Handle of the listener. */
export const AS_LISTENER = 3
export const AS_FLAGS = 3
export const AS_REMOTE_IP = 4
export const AS_LOCAL_IP = 5
/** Remote port in the high, local port in the low 16 bits. */
export const AS_PORTS = 6
/** Flow index. */
export const AS_FLOW = 7
/** Low 16 bits: generation; high 16 bits: worker that owns the flow. */
export const AS_GEN_WORKER = 8
/** Start of the receive buffer in the region, in BUFFER_UNIT_BYTES. */
export const AS_BUFFER = 9
/** log2 of the receive buffer's bytes in bits 0 to 7, of the transmit buffer's in bits 8 to 15, MSS in bits 16 to 31. */
export const AS_SIZES = 10
/** Sequence number of the first byte of the receive buffer. */
export const AS_RX_BASE = 11
/** Sequence number of the first byte of the transmit buffer. */
export const AS_TX_BASE = 12
export const AS_BACKLOG = 13
/** Context id. */
export const AS_CONTEXT = 14
/** Start of the transmit buffer in the region, in BUFFER_UNIT_BYTES. */
export const AS_TX_BUFFER = 15
/** Of REQ_CONN_OPTION: which option; its values follow. Of EV_CONN_INFO: which part; its values follow. */
export const AS_OPTION = 9
export const AS_PART = 9
export const AS_VALUE = 10
