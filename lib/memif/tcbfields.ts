/** Every field of a TCB by name, for people: `tas state --flow`. The layout itself is in tcb.ts. */
import * as tcb from './tcb.js'

/** What a field holds: how it is to be shown. */
export type TcbFieldKind =
  /** An unsigned number in `unit`. */
  | 'number'
  /** A sequence number. */
  | 'seq'
  /** An IPv4 address in network byte order, loaded raw. */
  | 'address'
  /** Peer's port and local port in network byte order, loaded raw. */
  | 'ports'
  /** One of FLOW_*. */
  | 'state'
  /** FLAG_* bits. */
  | 'flags'

export interface TcbField {
  readonly name: string
  /** Index in units of `bits`, as in tcb.ts. */
  readonly index: number
  readonly bits: 8 | 16 | 32
  readonly kind: TcbFieldKind
  /** Of a number: 'bytes', 'us', ...; '' for none. */
  readonly unit: string
}

const word = (name: string, index: number, kind: TcbFieldKind, unit = ''): TcbField => ({ name, index, bits: 32, kind, unit })
const half = (name: string, index: number, unit = ''): TcbField => ({ name, index, bits: 16, kind: 'number', unit })
const byte = (name: string, index: number, unit = '', kind: TcbFieldKind = 'number'): TcbField => ({ name, index, bits: 8, kind, unit })

/** All fields in the order of the TCB; together its 128 bytes. */
export const TCB_FIELDS: readonly TcbField[] = [
  word('remoteIp', tcb.TCB_REMOTE_IP, 'address'),
  word('ports', tcb.TCB_PORTS, 'ports'),
  half('gen', tcb.TCB_GEN_U16),
  byte('localIp', tcb.TCB_LOCAL_IP_U8, 'index of --ip-addr'),
  byte('state', tcb.TCB_STATE_U8, '', 'state'),
  word('flags', tcb.TCB_FLAGS, 'flags'),
  word('rcvNxt', tcb.TCB_RCV_NXT, 'seq'),
  word('rcvRead', tcb.TCB_RCV_READ, 'seq'),
  word('rcvAdv', tcb.TCB_RCV_ADV, 'seq'),
  word('sndUna', tcb.TCB_SND_UNA, 'seq'),
  word('sndNxt', tcb.TCB_SND_NXT, 'seq'),
  word('sndMax', tcb.TCB_SND_MAX, 'seq'),
  word('sndEnd', tcb.TCB_SND_END, 'seq'),
  word('sndWnd', tcb.TCB_SND_WND, 'number', 'bytes'),
  word('tsRecent', tcb.TCB_TS_RECENT, 'number', "peer's clock"),
  word('rxBase', tcb.TCB_RX_BASE, 'seq'),
  word('txBase', tcb.TCB_TX_BASE, 'seq'),
  word('rxBuffer', tcb.TCB_BUFFER, 'number', '64 bytes'),
  byte('rxLog2', tcb.TCB_RX_LOG2_U8, 'log2 bytes'),
  byte('txLog2', tcb.TCB_TX_LOG2_U8, 'log2 bytes'),
  byte('sndWscale', tcb.TCB_SND_WSCALE_U8, 'bits'),
  byte('rcvWscale', tcb.TCB_RCV_WSCALE_U8, 'bits'),
  half('app', tcb.TCB_APP_U16),
  half('context', tcb.TCB_CONTEXT_U16),
  half('mss', tcb.TCB_MSS_U16, 'bytes'),
  half('neighbor', tcb.TCB_NEIGHBOR_U16, 'index'),
  word('oooStart', tcb.TCB_OOO_START, 'seq'),
  word('oooEnd', tcb.TCB_OOO_END, 'seq'),
  word('sndLimit', tcb.TCB_SND_LIMIT, 'seq'),
  word('rttSeq', tcb.TCB_RTT_SEQ, 'seq'),
  word('rttStart', tcb.TCB_RTT_START_US, 'number', 'us, low 32 bits'),
  word('srtt', tcb.TCB_SRTT_US8, 'number', 'us/8'),
  word('rttvar', tcb.TCB_RTTVAR_US4, 'number', 'us/4'),
  word('acked', tcb.TCB_ACKED_BYTES, 'number', 'bytes'),
  word('ecnAcked', tcb.TCB_ECN_BYTES, 'number', 'bytes'),
  word('heard', tcb.TCB_HEARD_MS, 'number', 'ms, low 32 bits'),
  word('cwnd', tcb.TCB_CWND, 'number', 'bytes'),
  word('rate', tcb.TCB_RATE_KBPS, 'number', 'kbit/s'),
  word('txBuffer', tcb.TCB_TX_BUFFER, 'number', '64 bytes'),
]

/** Names of the FLAG_* bits, bit 0 first; the bits from FLAGS_TOS_SHIFT on are TOS byte, FLAG_ECN_ACCURATE and FLAG_EXTRA. */
export const TCB_FLAG_NAMES = [
  'TIMESTAMPS', 'FIN_QUEUED', 'FIN_RECEIVED', 'FIN_ACKED', 'RX_SHUT', 'WATCHED', 'IN_RECOVERY', 'RTT_TIMING', 'CWND_LIMITED',
  'ACK_LISTED', 'TX_LISTED', 'EVENT_LISTED', 'SLOW_LISTED', 'ECN', 'REMOVING', 'ACK_DELAYED', 'SACK', 'NAGLE', 'ECE_OWED', 'CWR_OWED',
  'LOOPBACK', 'PACED', 'PACE_LISTED', 'GAP', 'ECN_ACCURATE', 'EXTRA',
] as const

/** Names of FLOW_FREE, FLOW_HANDED, FLOW_OWNED. */
export const TCB_STATE_NAMES = ['FREE', 'HANDED', 'OWNED'] as const

/** The field's bits in the words of a TCB, as an unsigned number. */
export function tcbFieldValue(words: Int32Array, { index, bits }: TcbField): number {
  const perWord = 32 / bits
  const value = words[Math.floor(index / perWord)] >>> (index % perWord * bits)
  return bits === 32 ? value >>> 0 : value & (2 ** bits - 1)
}
