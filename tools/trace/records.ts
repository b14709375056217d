/** Entries of the trace region (lib/memif/trace.ts) decoded. */
import {
  TRACE_FLOW_INDEX, TRACE_FRAME_BYTES, TRACE_FRAME_KEPT, TRACE_FRAME_LEN, TRACE_FRAME_MAX, TRACE_GEN, TRACE_KIND, TRACE_KINDS,
  TRACE_LOCAL_IP, TRACE_PORTS, TRACE_REMOTE_IP, TRACE_RX, TRACE_TIME_US, TRACE_TX, TRACE_VALUES, type TraceKind,
} from '../../lib/memif/index.js'
import {
  ETHERNET_HEADER_BYTES, parseEthernet, ETHERTYPE_IPV4, parseIpv4Start, parseTcp, PROTOCOL_TCP, TCP_HEADER_BYTES, type Ipv4Parsed,
  type TcpParsed,
} from '../../lib/wire/index.js'

/** The two ends of a connection; addresses as signed 32-bit numbers. */
export interface Tuple {
  readonly localIp: number
  readonly localPort: number
  readonly remoteIp: number
  readonly remotePort: number
}

/** What was kept of a frame. */
export interface TracedFrame {
  /** Bytes on the wire, and the first of them. */
  readonly lenBytes: number
  readonly bytes: Uint8Array
  readonly etherType: number
  readonly ip: Ipv4Parsed | null
  /** The TCP header; `payloadLen` is that of the whole segment. */
  readonly tcp: TcpParsed | null
}

/** One entry. */
export interface TraceRecord {
  /** Microseconds since 1970. */
  readonly timeUs: number
  /** 0: slow path; 1 + w: worker w. */
  readonly ring: number
  readonly kind: TraceKind
  readonly what: number
  readonly frame: TracedFrame | null
  /** Its connection, null for none. */
  readonly tuple: Tuple | null
  /** Index and generation of its TCB, -1 for none. */
  readonly flow: number
  readonly gen: number
  readonly values: readonly number[]
}

const VALUES = 4

function networkOrder(raw: number): number {
  return new DataView(Int32Array.of(raw).buffer).getInt32(0, false)
}

function decodeFrame(entry: Int32Array): TracedFrame {
  const kept = Math.min(Math.max(entry[TRACE_FRAME_KEPT], 0), TRACE_FRAME_MAX)
  const bytes = new Uint8Array(entry.buffer, entry.byteOffset + TRACE_FRAME_BYTES * 4, kept).slice()
  const etherType = parseEthernet(bytes)?.etherType ?? 0
  const ip = etherType === ETHERTYPE_IPV4 ? parseIpv4Start(bytes, ETHERNET_HEADER_BYTES) : null
  return { lenBytes: entry[TRACE_FRAME_LEN], bytes, etherType, ip, tcp: ip === null ? null : decodeTcp(bytes, ip) }
}

/** The header, of which all must be there; payload never is. */
function decodeTcp(bytes: Uint8Array, { protocol, headerLen, payloadLen, fragmentOffset }: Ipv4Parsed): TcpParsed | null {
  const at = ETHERNET_HEADER_BYTES + headerLen
  if (protocol !== PROTOCOL_TCP || fragmentOffset > 0 || bytes.length < at + TCP_HEADER_BYTES) return null
  const tcp = parseTcp(bytes, at, Math.min((bytes[at + 12] >>> 4) * 4, bytes.length - at))
  return tcp && { ...tcp, payloadLen: Math.max(payloadLen - tcp.headerLen, 0) }
}

function tupleOfFrame({ ip, tcp }: TracedFrame, isReceived: boolean): Tuple | null {
  if (ip === null || tcp === null) return null
  const { sourceIp, targetIp } = ip
  const { sourcePort, targetPort } = tcp
  return isReceived ? { localIp: targetIp, localPort: targetPort, remoteIp: sourceIp, remotePort: sourcePort }
    : { localIp: sourceIp, localPort: sourcePort, remoteIp: targetIp, remotePort: targetPort }
}

function tupleOfWords(entry: Int32Array): Tuple | null {
  const ports = networkOrder(entry[TRACE_PORTS])
  if (ports === 0) return null
  return {
    localIp: networkOrder(entry[TRACE_LOCAL_IP]), localPort: ports & 0xffff, remoteIp: networkOrder(entry[TRACE_REMOTE_IP]), remotePort: ports >>> 16,
  }
}

/** Tells times of entries, which have 32 bits, from the clock that they were taken from. */
export interface Clocks {
  /** The monotonic clock now, microseconds. */
  readonly nowUs: number
  /** What is to be added to it for microseconds since 1970. */
  readonly epochUs: number
}

function timeOf(entry: Int32Array, { nowUs, epochUs }: Clocks): number {
  const now = Math.floor(nowUs)
  return epochUs + now - (((now | 0) - entry[TRACE_TIME_US]) | 0)
}

/** An entry of ring `ring`, or null if it is of a kind that is not known. Copies what it keeps. */
export function decodeEntry(entry: Int32Array, ring: number, clocks: Clocks): TraceRecord | null {
  const number = entry[TRACE_KIND] & 0xff
  const kind = TRACE_KINDS[number]
  if (kind === undefined) return null
  const common = { timeUs: timeOf(entry, clocks), ring, kind, what: entry[TRACE_KIND] >>> 8 }
  if (number === TRACE_RX || number === TRACE_TX) {
    const frame = decodeFrame(entry)
    return { ...common, frame, tuple: tupleOfFrame(frame, number === TRACE_RX), flow: -1, gen: 0, values: [] }
  }
  return {
    ...common, frame: null, tuple: tupleOfWords(entry), flow: entry[TRACE_FLOW_INDEX], gen: entry[TRACE_GEN],
    values: Array.from(entry.subarray(TRACE_VALUES, TRACE_VALUES + VALUES)),
  }
}
