/**
 * Messages between the slow path and one worker, in both directions over packet rings.
 * Names are word indexes within the entry, unless they end in a message name.
 *
 *   word 0: message type    word 1: the ring's    words 2..15: as below
 *
 * A flow is always named by its index in the TCB table and its generation.
 */

/** Both directions: one of the types below. */
export const SF_TYPE = 0
/** Flow index, or -1 for a packet of no known flow. */
export const SF_FLOW = 2
/** Generation of the flow. */
export const SF_GEN = 3

// ---- fast path to slow path ----

/** A packet that the fast path does not handle: words SF_PACKET_*. */
export const TO_SLOW_PACKET = 1
/** Something happened to a flow: SF_FLOW, SF_GEN, SF_WHAT. */
export const TO_SLOW_FLOW = 2
/** Answer to TO_FAST_FLOW_REMOVE: the worker has let go of the TCB. SF_FLOW, SF_GEN. */
export const TO_SLOW_FLOW_REMOVED = 3
/** Answer to TO_FAST_APP_REMOVE: the worker has unmapped the application's region. SF_APP. */
export const TO_SLOW_APP_REMOVED = 4

/**
 * An acknowledgment that loss recovery needs: a duplicate, one with SACK blocks, or any while FLAG_IN_RECOVERY. SF_FLOW, SF_GEN,
 * SF_ACK_*. One that finds no room is lost: later ones say more.
 */
export const TO_SLOW_ACK = 5
/** SEG.ACK. */
export const SF_ACK_SEQ = 4
/** Duplicates (RFC 5681, 2) that this message stands for, 0 if SND.UNA went on. */
export const SF_ACK_DUPLICATES = 5
/** SACK blocks that follow, 0 to 4. */
export const SF_ACK_BLOCKS = 6
/** Left and right edge of each block, in the order of the option (RFC 2018, 3). */
export const SF_ACK_EDGES = 7
/** TSecr, 0 without timestamps. */
export const SF_ACK_TSECR = 15

/** Answer to TO_FAST_FLOW_MTU_PROBE: SF_FLOW, SF_GEN, SF_SEQ; SF_LEN is 0 if it was not possible. Without room for it nothing is sent. */
export const TO_SLOW_MTU_PROBE = 6

/**
 * Answer to TO_FAST_FLOW_LEAVE: the worker has let go of the TCB, which is complete; another may have it. SF_FLOW, SF_GEN, SF_TURN. All that
 * the worker has to say about the flow stands in front of it.
 */
export const TO_SLOW_FLOW_LEFT = 7

/** Answer to TO_FAST_CONTEXT_REMOVE: the worker does not touch the context's rings any more. SF_APP, SF_CONTEXT. */
export const TO_SLOW_CONTEXT_REMOVED = 8

/** Bits of SF_WHAT. One message may carry several. */
export const SF_WHAT = 4
/** The flow has something in flight or to send and was not watched: start its timer. */
export const WHAT_ACTIVE = 1 << 0
/** The congestion window or the rate held data back. */
export const WHAT_CWND_LIMITED = 1 << 2
/** The peer's FIN arrived in order. */
export const WHAT_FIN_RECEIVED = 1 << 3
/** The application has closed its side: our FIN is queued behind its data (RFC 9293 CLOSE call). */
export const WHAT_FIN_QUEUED = 1 << 4
/** Our FIN is acknowledged. */
export const WHAT_FIN_ACKED = 1 << 5
/** The peer echoes congestion (ECE) on a flow with FLAG_ECN. */
export const WHAT_ECE = 1 << 6
/** The application reads half a receive buffer and more in a round trip: a larger one would help. */
export const WHAT_RX_LIMITED = 1 << 7
/** The granted receive buffer is in use and the one before it free (moves.ts). */
export const WHAT_RX_MOVED = 1 << 8
/** The same for the transmit buffer. */
export const WHAT_TX_MOVED = 1 << 9
/** The application fills the transmit buffer, and the peer acknowledges half of it and more in a round trip: a larger one would help. */
export const WHAT_TX_LIMITED = 1 << 10
/** Much of the receive buffer has been written to: worth giving back when the connection is idle. Told once for each buffer. */
export const WHAT_RX_USED = 1 << 11
/** Bytes have come that the application had not read when it closed (BUMP_RX_SHUT, TO_FAST_FLOW_RX_SHUT). */
export const WHAT_UNREAD = 1 << 12

/** Packets, both directions: byte offset of the Ethernet header from the start of the area. */
export const SF_PACKET_POS = 5
/** Length of the frame in bytes. */
export const SF_PACKET_LEN = 6
/** RX_* bits of the port (native/port.ts), so that checksums are not asked for twice; down, RX_LOOPBACK says where the packet came from. */
export const SF_PACKET_FLAGS = 7
/** gso_size of the frame, 0 for an ordinary one. */
export const SF_PACKET_GSO = 8

// ---- slow path to fast path ----

/** A packet that arrived before its flow did: handle it as if from the port. SF_PACKET_*. */
export const TO_FAST_PACKET = 16
/** A new application: receive its descriptors from the worker's control socket. SF_APP, SF_REGION_BYTES. */
export const TO_FAST_APP_ADD = 17
/** An application is gone and all its flows are removed: unmap its region. SF_APP. Answered. */
export const TO_FAST_APP_REMOVE = 18
/** A new context: SF_APP, SF_CONTEXT; its eventfd comes over the control socket; rings as appregion.ts places them. */
export const TO_FAST_CONTEXT_ADD = 19
/** SF_FLOW, SF_GEN: the TCB is filled and FLOW_HANDED; enter it in the flow table and take it over. */
export const TO_FAST_FLOW_ADD = 20
/** SF_FLOW, SF_GEN: publish what the application has not been told yet, take the flow out of the table, let go. Answered. */
export const TO_FAST_FLOW_REMOVE = 21
/** SF_FLOW, SF_GEN: send one byte beyond a closed window, or an old sequence number if there is nothing to send (RFC 9293, 3.8.6.1). */
export const TO_FAST_FLOW_PROBE = 23
/** SF_FLOW, SF_GEN: clear FLAG_WATCHED if nothing is in flight or to send; otherwise answer WHAT_ACTIVE again. */
export const TO_FAST_FLOW_UNWATCH = 24
/** SF_FLOW, SF_GEN, SF_CONTEXT: events go to this context from now on, the present state first. The bumps of the one before are read first. */
export const TO_FAST_FLOW_CONTEXT = 25
/** SF_FLOW, SF_GEN: send an acknowledgment now. */
export const TO_FAST_FLOW_ACK = 26
/** SF_FLOW, SF_GEN: cwnd or rate were changed: clear FLAG_CWND_LIMITED and send what they now allow. */
export const TO_FAST_FLOW_UPDATE = 27
/**
 * SF_FLOW, SF_GEN, SF_VALUE: the application has closed and reads no more: set FLAG_RX_SHUT. How far it has read it says itself (BUMP_RX_SHUT); where
 * SF_VALUE is 1 it does not, and WHAT_UNREAD answers if there is anything that it has not read.
 */
export const TO_FAST_FLOW_RX_SHUT = 28
/** SF_FLOW, SF_GEN: queue a FIN behind what has been written (an application that is gone or closed). */
export const TO_FAST_FLOW_FIN = 29
/** SF_FLOW, SF_GEN, SF_SEQ, SF_LEN: send this range again, FIN included; what is acknowledged or not sent yet is left out. */
export const TO_FAST_FLOW_SEND = 31
/** SF_FLOW, SF_GEN: a receive buffer is granted (moves.ts): change to it as soon as that can be. Answered WHAT_RX_MOVED. */
export const TO_FAST_FLOW_RX_BUFFER = 32
/** SF_FLOW, SF_GEN, SF_VALUE: segments carry at most this many payload bytes from now on (TCB mss). */
export const TO_FAST_FLOW_MSS = 34
/** SF_FLOW, SF_GEN, SF_VALUE: bits of the TCB's flags word to set, SF_CLEAR: to clear before; only those of FLAGS_SLOW (tcb.ts). */
export const TO_FAST_FLOW_FLAGS = 35
/**
 * SF_FLOW, SF_GEN, SF_VALUE, SF_CLEAR: send the next SF_VALUE bytes as one segment, whatever the MSS, if at least three full ones are there
 * to follow and it fits the peer's window and a congestion window of SF_CLEAR bytes. Answered TO_SLOW_MTU_PROBE.
 */
export const TO_FAST_FLOW_MTU_PROBE = 36
/**
 * SF_FLOW, SF_GEN, SF_TURN: handle the frames that have arrived, then let go of the flow: another worker is to have it. New frames of it go
 * there already. Answered TO_SLOW_FLOW_LEFT, also by a worker that does not have the flow.
 */
export const TO_FAST_FLOW_LEAVE = 37
/** SF_FLOW, SF_GEN: as TO_FAST_FLOW_ADD, for a flow that another worker had: tell everybody where it stands. */
export const TO_FAST_FLOW_ENTER = 38
/** SF_FLOW, SF_GEN, SF_ROUTE_*: what is sent takes another way from now on (extras.ts). */
export const TO_FAST_FLOW_ROUTE = 39
/** A context has ended: read what waits in its bump ring, then forget it. Its flows have others, or CONTEXT_NONE. SF_APP, SF_CONTEXT. Answered. */
export const TO_FAST_CONTEXT_REMOVE = 40
/** Leave the loop and exit with 0. */
export const TO_FAST_STOP = 30

/** Application id. */
export const SF_APP = 9
/** Which change of worker is meant (MOVE_TURN): the number that it has afterwards. */
export const SF_TURN = 9
/** Context id. */
export const SF_CONTEXT = 10
/** Length of an application's region in BUFFER_UNIT_BYTES. */
export const SF_REGION_UNITS = 11
/** First sequence number of a range. */
export const SF_SEQ = 4
/** Sequence numbers in it. */
export const SF_LEN = 5
/** Bytes of the IP options with a source route, a multiple of four and not 0; in the upper half the neighbour's index. */
export const SF_ROUTE = 4
/** First hop, a raw word; behind it ROUTE_OPTION_WORDS words of options. */
export const SF_ROUTE_HOP = 5
/** A number whose meaning the message type gives. */
export const SF_VALUE = 4
/** Bits to clear, or a second number. */
export const SF_CLEAR = 5
