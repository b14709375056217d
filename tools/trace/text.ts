/** Trace records as text, one line each, and as JSON. */
import * as memif from '../../lib/memif/index.js'
import {
  BUMP_FIN, EVENT_RX_CLOSED, EVENT_TX_CLOSED, TCP_STATES, TO_FAST_PACKET, TO_SLOW_FLOW, TO_SLOW_PACKET, TRACE_FLOW_ADDED, TRACE_FLOW_REMOVED,
  TRACE_LOSS_RESENT, TRACE_TIMERS, type TraceKind,
} from '../../lib/memif/index.js'
import { ETHERTYPE_ARP, formatIpv4Address, PROTOCOL_ICMP, type TcpOptions, type TcpParsed } from '../../lib/wire/index.js'
import { endpoint } from '../control/connections.js'
import type { Paint } from '../control/terminal.js'
import type { TracedFrame, TraceRecord, Tuple } from './records.js'

/** Names of the constants whose names begin with `prefix`, by their values. */
function namesOf(prefix: RegExp): ReadonlyMap<number, string> {
  return new Map(Object.entries(memif).flatMap(([name, value]) => {
    const short = prefix.exec(name)?.[1]
    return short !== undefined && typeof value === 'number' ? [[value, short] as const] : []
  }))
}

const TO_SLOW = namesOf(/^TO_SLOW_(.+)$/)
const TO_FAST = namesOf(/^TO_FAST_(.+)$/)
const WHATS = namesOf(/^WHAT_(.+)$/)
const LOSSES = ['retransmission timeout', 'fast recovery begins', 'tail loss probe', 'nothing was lost: undone', 'probe of a closed window']
const TCP_FLAGS = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG', 'ECE', 'CWR']
const KIND_WIDTH = 7
const SOURCE_WIDTH = 9

/** Where a record comes from. */
export function sourceOf(ring: number): string {
  return ring === 0 ? 'slow path' : `worker ${ring - 1}`
}

function bits(value: number, names: ReadonlyMap<number, string>): string {
  return [...names].flatMap(([bit, name]) => (value & bit) === 0 ? [] : [name]).join(' ')
}

function optionText({ mss, windowScale, sackPermitted, timestamps, sack }: TcpOptions & { readonly sack?: unknown }): string {
  return [
    mss === null ? '' : ` mss ${mss}`, windowScale === null ? '' : ` wscale ${windowScale}`, sackPermitted ? ' sackOK' : '',
    Array.isArray(sack) ? ` sack ${sack.length}` : '', timestamps === null ? '' : ` ts ${timestamps.value >>> 0} ${timestamps.echo >>> 0}`,
  ].join('')
}

function tcpText({ flags, seq, ack, window, payloadLen, options }: TcpParsed): string {
  const names = TCP_FLAGS.filter((_, bit) => (flags & (1 << bit)) !== 0).join(' ')
  const acked = (flags & 16) === 0 ? '' : ` ack ${ack >>> 0}`
  return `${names} seq ${seq >>> 0}${acked} win ${window} len ${payloadLen}${optionText(options)}`
}

function frameText({ ip, tcp, etherType, lenBytes }: TracedFrame): string {
  if (ip !== null && tcp !== null) {
    return `${endpoint(ip.sourceIp, tcp.sourcePort)} > ${endpoint(ip.targetIp, tcp.targetPort)} ${tcpText(tcp)}`
  }
  if (ip !== null) {
    const protocol = ip.protocol === PROTOCOL_ICMP ? 'ICMP' : `protocol ${ip.protocol}`
    return `${formatIpv4Address(ip.sourceIp)} > ${formatIpv4Address(ip.targetIp)} ${protocol}, ${lenBytes} bytes`
  }
  return `${etherType === ETHERTYPE_ARP ? 'ARP' : `type 0x${etherType.toString(16)}`}, ${lenBytes} bytes`
}

function messageText(type: number, [worker, first, second]: readonly number[]): string {
  const upwards = TO_SLOW.get(type)
  const name = `${upwards === undefined ? 'to' : 'from'} worker ${worker}: ${upwards ?? TO_FAST.get(type) ?? type}`
  if (type === TO_SLOW_FLOW) return `${name} ${bits(first, WHATS)}`
  return type === TO_SLOW_PACKET || type === TO_FAST_PACKET ? `${name} of ${second} bytes` : name
}

function lossText(what: number, [first, second]: readonly number[]): string {
  if (what === TRACE_LOSS_RESENT) return `sent again: ${first >>> 0}, ${second} bytes`
  return `${LOSSES[what] ?? what} at ${first >>> 0}${second > 0 ? `, ${second} in a row` : ''}`
}

function flowText(what: number, [a, b]: readonly number[]): string {
  if (what === TRACE_FLOW_ADDED) return `handed to worker ${a}`
  if (what === TRACE_FLOW_REMOVED) return 'the worker has let go'
  return `${TCP_STATES[a] ?? a} -> ${TCP_STATES[b] ?? b}`
}

function appText(packed: number): string {
  return `app ${packed >>> 16} context ${packed & 0xffff}`
}

function eventText([flags, received, una, app]: readonly number[]): string {
  const ends = `${(flags & EVENT_RX_CLOSED) === 0 ? '' : ', peer has closed'}${(flags & EVENT_TX_CLOSED) === 0 ? '' : ', our FIN is acknowledged'}`
  return `to ${appText(app)}: received up to ${received >>> 0}, acknowledged up to ${una >>> 0}${ends}`
}

function bumpText([flags, read, written, app]: readonly number[]): string {
  return `from ${appText(app)}: read up to ${read >>> 0}, written up to ${written >>> 0}${(flags & BUMP_FIN) === 0 ? '' : ', closes'}`
}

function rateText([cwnd, ssthresh, rate, rtt]: readonly number[]): string {
  const slow = ssthresh === 0x7fffffff ? '' : ` ssthresh ${ssthresh}`
  return `cwnd ${cwnd}${slow} rate ${rate === 0 ? 'unpaced' : `${rate >>> 0} kbit/s`} rtt ${rtt} us`
}

const TEXTS: Readonly<Record<TraceKind, (record: TraceRecord) => string>> = {
  rx: ({ frame, what }) => `${frame === null ? '' : frameText(frame)}${what === 1 ? ' (from inside)' : ''}`,
  tx: ({ frame }) => frame === null ? '' : frameText(frame),
  message: ({ what, values }) => messageText(what, values),
  flow: ({ what, values }) => flowText(what, values),
  event: ({ values }) => eventText(values),
  bump: ({ values }) => bumpText(values),
  loss: ({ what, values }) => lossText(what, values),
  timer: ({ what }) => `${TRACE_TIMERS[what] ?? what} timer expires`,
  rate: ({ values }) => rateText(values),
  sleep: ({ what }) => what === 1 ? 'goes to sleep' : 'goes on',
}

function tupleText({ localIp, localPort, remoteIp, remotePort }: Tuple): string {
  return `${endpoint(localIp, localPort)} - ${endpoint(remoteIp, remotePort)}`
}

/** What happened, without time and place. */
export function describe(record: TraceRecord): string {
  const { frame, tuple, flow, gen } = record
  const id = flow < 0 || frame !== null ? '' : `#${flow}.${gen} `
  const connection = tuple === null || frame !== null ? '' : `${tupleText(tuple)}: `
  return `${id}${connection}${TEXTS[record.kind](record)}`
}

function clockText(timeUs: number): string {
  const at = new Date(Math.floor(timeUs / 1000))
  const two = (value: number): string => String(value).padStart(2, '0')
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(Math.floor(timeUs) % 1_000_000).padStart(6, '0')}`
}

/** One line. */
export function formatRecord(record: TraceRecord, paint: Paint): string {
  const place = `${clockText(record.timeUs)} ${sourceOf(record.ring).padEnd(SOURCE_WIDTH)}`
  return `${paint.dim(place)} ${paint.heading(record.kind.padEnd(KIND_WIDTH))} ${describe(record)}\n`
}

/** One line of JSON. */
export function formatRecordJson(record: TraceRecord): string {
  const { timeUs, ring, kind, what, frame, tuple, flow, gen, values } = record
  const ends = tuple === null ? {} : { local: endpoint(tuple.localIp, tuple.localPort), remote: endpoint(tuple.remoteIp, tuple.remotePort) }
  const packet = frame === null ? { flow, gen, values } : {
    lenBytes: frame.lenBytes,
    ...(frame.tcp === null ? {} : {
      flags: frame.tcp.flags, seq: frame.tcp.seq >>> 0, ack: frame.tcp.ack >>> 0, window: frame.tcp.window, payloadBytes: frame.tcp.payloadLen,
    }),
  }
  return `${JSON.stringify({ timeUs: Math.floor(timeUs), source: sourceOf(ring), kind, what, ...ends, ...packet, text: describe(record) })}\n`
}
