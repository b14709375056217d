/**
 * The transmission control block as fast path and slow path share it: exactly 128 bytes.
 *
 * Every name is an index of a 32-bit word from the start of the TCB, unless it ends in U16 or U8
 * (then of a 16-bit or 8-bit unit). All words are read as signed 32-bit integers, so that
 * sequence numbers compare as `(a - b) | 0`.
 *
 *            +0            +4            +8            +12
 *   0x00     remoteIp      ports         gen ip state  flags          first cache line: what
 *   0x10     RCV.NXT       rcvRead       rcvAdv        SND.UNA        nearly every packet reads
 *   0x20     SND.NXT       sndMax        sndEnd        SND.WND
 *   0x30     TS.Recent     rxBase        txBase        buffer
 *   ---------------------------------------------------------------
 *   0x40     sizes scales  app context   mss neighbor  oooStart       second cache line: what
 *   0x50     oooEnd        sndLimit      rttSeq        rttStartUs     is rarer or written
 *   0x60     srttUs*8      rttvarUs*4    ackedBytes    ecnBytes
 *   0x70     heardMs       cwnd          rateKbps      txBuffer
 *
 * Who writes: the slow path fills a TCB while it is free and hands it over with FLOW_ADD; from
 * then to the worker's FLOW_REMOVED the owning worker alone writes it, apart from sndLimit, cwnd and
 * rateKbps, which are the slow path's at all times.
 *
 * Buffers: receive buffer (2^rxLog2 bytes) and transmit buffer (2^txLog2 bytes), each of its own
 * in the application's region. The byte with sequence number `seq` stands at
 * `(seq - rxBase) & (2^rxLog2 - 1)`, likewise for txBase: no positions are kept beside the RFC's
 * variables, and nothing can get out of step with them.
 *
 *   transmit:   SND.UNA ........ SND.NXT ........ sndMax ........ sndEnd ........ SND.UNA + 2^txLog2
 *               sent, unacked    sent before a    written by the    free
 *                                go-back          app, not sent
 *   receive:    rcvRead ........ RCV.NXT ........ oooStart..oooEnd ........ rcvRead + 2^rxLog2
 *               app may read     missing          out of order     window ends
 */

export const TCB_BYTES = 128
export const TCB_WORDS = 32

/** Peer's address, as the 32-bit word in its packets (network byte order, loaded raw). */
export const TCB_REMOTE_IP = 0
/** Peer's port and local port, as the 32-bit word at the start of its TCP headers (raw). */
export const TCB_PORTS = 1
/** Generation: counts uses of this TCB, so that late messages for an earlier one are noticed. */
export const TCB_GEN_U16 = 4
/** Index into the state region's local addresses. */
export const TCB_LOCAL_IP_U8 = 10
/** One of FLOW_FREE, FLOW_HANDED, FLOW_OWNED in two bits, and above them the worker that is meant (flowState). */
export const TCB_STATE_U8 = 11
/** FLAG_* bits. */
export const TCB_FLAGS = 3
/** RCV.NXT (RFC 9293, 3.3.1), FIN included once it arrived. */
export const TCB_RCV_NXT = 4
/** Sequence number up to which the application has given received bytes back. */
export const TCB_RCV_READ = 5
/** Right edge of the window last advertised (RCV.NXT + RCV.WND then). */
export const TCB_RCV_ADV = 6
/** SND.UNA. */
export const TCB_SND_UNA = 7
/** SND.NXT; set back to SND.UNA by a retransmission timeout. */
export const TCB_SND_NXT = 8
/** Highest sequence number ever sent plus one; acknowledgments beyond are invalid. */
export const TCB_SND_MAX = 9
/** Sequence number behind the last byte the application has written; a FIN takes this number. */
export const TCB_SND_END = 10
/** SND.WND in bytes, scaled. */
export const TCB_SND_WND = 11
/** TS.Recent (RFC 7323, 4.3). */
export const TCB_TS_RECENT = 12
/** Sequence number that stands at the start of the receive buffer; moved only while the buffer is empty (appfast.ts). */
export const TCB_RX_BASE = 13
/** Sequence number that stands at the start of the transmit buffer; moved only while everything is acknowledged. */
export const TCB_TX_BASE = 14
/** Start of the receive buffer in the application's region, in BUFFER_UNIT_BYTES. */
export const TCB_BUFFER = 15

/** log2 of the receive buffer's bytes. */
export const TCB_RX_LOG2_U8 = 64
/** log2 of the transmit buffer's bytes. */
export const TCB_TX_LOG2_U8 = 65
/** Snd.Wind.Shift: shift of the windows that the peer sends (RFC 7323, 2). */
export const TCB_SND_WSCALE_U8 = 66
/** Rcv.Wind.Shift: shift of the windows that we send. */
export const TCB_RCV_WSCALE_U8 = 67
/** Application id. */
export const TCB_APP_U16 = 34
/** Context id, or CONTEXT_NONE. */
export const TCB_CONTEXT_U16 = 35
/** Most payload bytes in a segment to this peer, options already taken off (Eff.snd.MSS, RFC 9293 3.7.1). */
export const TCB_MSS_U16 = 36
/** Index of the next hop in the neighbour table. */
export const TCB_NEIGHBOR_U16 = 37
/** First byte of the lowest out-of-order interval; the worker's heap has the others (RFC 2018, 8 permits to lose them). */
export const TCB_OOO_START = 19
/** Behind its last byte; no interval when equal to oooStart. */
export const TCB_OOO_END = 20
/** Slow path: sequence number up to which new data may be sent while FLAG_IN_RECOVERY. */
export const TCB_SND_LIMIT = 21
/** The acknowledgment that ends the round-trip measurement under way (FLAG_RTT_TIMING). */
export const TCB_RTT_SEQ = 22
/** When it began: low 32 bits of the microsecond clock. */
export const TCB_RTT_START_US = 23
/** SRTT in eighths of a microsecond (RFC 6298); 0 before the first measurement. */
export const TCB_SRTT_US8 = 24
/** RTTVAR in quarters of a microsecond. */
export const TCB_RTTVAR_US4 = 25
/** Bytes acknowledged since the flow began, modulo 2^32. */
export const TCB_ACKED_BYTES = 26
/** Of these, bytes acknowledged with ECN echo. */
export const TCB_ECN_BYTES = 27
/** When the last acceptable segment arrived: low 32 bits of milliseconds, the timestamp clock. */
export const TCB_HEARD_MS = 28
/** Slow path: most bytes in flight. */
export const TCB_CWND = 29
/** Slow path: pacing rate in kbit/s of IP packets, headers included: RATE_KBPS_MIN to RATE_KBPS_MAX, or 0 for none. */
export const TCB_RATE_KBPS = 30
/** Start of the transmit buffer in the application's region, in BUFFER_UNIT_BYTES. */
export const TCB_TX_BUFFER = 31

/** Lowest pacing rate. A full segment every 1.2 seconds at an MTU of 1500. */
export const RATE_KBPS_MIN = 10
/** Highest pacing rate, 100 Gbit/s. */
export const RATE_KBPS_MAX = 100_000_000

/** Nobody's. */
export const FLOW_FREE = 0
/** Filled by the slow path and on its way to a worker. */
export const FLOW_HANDED = 1
/** In a worker's flow table. */
export const FLOW_OWNED = 2

/** The state byte of a flow that worker `worker` has, is to have, or has let go. */
export function flowState(state: number, worker: number): number {
  return state | (worker << 2)
}

/** Both sides sent a timestamps option in their SYN. */
export const FLAG_TIMESTAMPS = 1 << 0
/** The application wants no more to be sent: a FIN takes sequence number sndEnd. */
export const FLAG_FIN_QUEUED = 1 << 1
/** The peer's FIN arrived in order and is counted in RCV.NXT. */
export const FLAG_FIN_RECEIVED = 1 << 2
/** The peer has acknowledged our FIN. */
export const FLAG_FIN_ACKED = 1 << 3
/** The application reads no more: payload that arrives goes to the slow path, which resets. */
export const FLAG_RX_SHUT = 1 << 4
/** The slow path knows that this flow has, or lately had, something in flight or to send. */
export const FLAG_WATCHED = 1 << 5
/** Fast recovery, until SND.UNA reaches `recover` (RFC 6582). */
export const FLAG_IN_RECOVERY = 1 << 6
/** rttSeq and rttStartUs hold a measurement under way. */
export const FLAG_RTT_TIMING = 1 << 7
/** The congestion window or the rate has held data back since the slow path last changed them. */
export const FLAG_CWND_LIMITED = 1 << 8
/** In the worker's list of flows with an acknowledgment to send. */
export const FLAG_ACK_LISTED = 1 << 9
/** In the worker's list of flows with data to send. */
export const FLAG_TX_LISTED = 1 << 10
/** In the worker's list of flows with an event for the application. */
export const FLAG_EVENT_LISTED = 1 << 11
/** In the worker's list of flows with an event for the slow path. */
export const FLAG_SLOW_LISTED = 1 << 12
/** ECN negotiated in the handshake (RFC 3168, 6.1.1). */
export const FLAG_ECN = 1 << 13
/** The flow is being removed: nothing more is sent or accepted. */
export const FLAG_REMOVING = 1 << 14

/** In the worker's list of flows whose acknowledgment may wait for data to carry it. */
export const FLAG_ACK_DELAYED = 1 << 15

/** Both sides permit selective acknowledgments (RFC 2018, 2). */
export const FLAG_SACK = 1 << 16
/** Small segments wait while something is in flight (RFC 9293, 3.7.4). */
export const FLAG_NAGLE = 1 << 17
/** Acknowledgments carry ECE (RFC 3168, 6.1.3). */
export const FLAG_ECE_OWED = 1 << 18
/** The next new data carries CWR (RFC 3168, 6.1.2). */
export const FLAG_CWR_OWED = 1 << 19
/** The peer is an address of our own: frames go by the worker's loop port, and none is accepted from the network. */
export const FLAG_LOOPBACK = 1 << 20
/** Data goes by the pacing queue: the worker has found a rate in the TCB. */
export const FLAG_PACED = 1 << 21
/** In the worker's pacing queue: there is data that windows allow, and its time has not come. */
export const FLAG_PACE_LISTED = 1 << 22
/**
 * Something has arrived before what must come first (oooStart, a FIN), or came twice and is to be reported: data in order may
 * close a gap, and what acknowledgments say of it (RFC 5681, 4.2; RFC 2018, 4; RFC 2883) no data segment can carry.
 */
export const FLAG_GAP = 1 << 23

/** The upper eight bits of the flags are the TOS byte of what is sent, with its ECN bits 0: data has ECT(0) there where FLAG_ECN says so. */
export const FLAGS_TOS_SHIFT = 24
export const FLAGS_DSCP = 0xfc << FLAGS_TOS_SHIFT
/**
 * Marks are echoed one by one, as a DCTCP sender counts them (RFC 8257, 3.2), not from the first until CWR. In the place of an ECN bit of
 * the TOS byte.
 */
export const FLAG_ECN_ACCURATE = 1 << FLAGS_TOS_SHIFT
/** The flow's row in the table of extras counts (extras.ts): urgent data, or a source route. In the place of the other ECN bit. */
export const FLAG_EXTRA = 2 << FLAGS_TOS_SHIFT

/** FLAG_* bits that mark membership in a worker's lists, which a restarted worker rebuilds. */
export const FLAGS_LISTED =
  FLAG_ACK_LISTED | FLAG_TX_LISTED | FLAG_EVENT_LISTED | FLAG_SLOW_LISTED | FLAG_ACK_DELAYED | FLAG_PACE_LISTED
/** FLAG_* bits that the slow path may change in a flow that a worker owns (TO_FAST_FLOW_FLAGS): all others are the worker's. */
export const FLAGS_SLOW = FLAG_NAGLE | FLAG_CWR_OWED | FLAG_IN_RECOVERY | FLAGS_DSCP
