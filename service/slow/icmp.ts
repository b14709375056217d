/**
 * ICMP: echo requests are answered (RFC 1122, 3.2.2.6), whatever their length; errors about our connections are handled
 * (icmperrors.ts). With --kni-name all that is not about our connections is the host kernel's.
 */
import {
  emitIcmp, ETHERNET_HEADER_BYTES, ICMP_ECHO_REPLY, ICMP_ECHO_REQUEST, ICMP_HEADER_BYTES, ICMP_QUOTED_BYTES, ICMP_REASSEMBLY_TIME,
  ICMP_SOURCE_ROUTE_FAILED, ICMP_TIME_EXCEEDED, ICMP_UNREACHABLE, type IcmpMessage, type Ipv4Parsed, isIcmpError, parseIcmp,
  parseIpv4Start, PROTOCOL_ICMP, type SourceRoute,
} from '../../lib/wire/index.js'
import { receiveIcmpError } from './icmperrors.js'
import type { Frame, Stack } from './stack.js'

/** A whole datagram to an address of ours (not a broadcast), its IP header behind the Ethernet header; `wayBack`: of its source route. */
export function receiveIcmp(stack: Stack, frame: Frame, ip: Ipv4Parsed, wayBack: SourceRoute | null): void {
  const message = parseIcmp(frame.bytes, ETHERNET_HEADER_BYTES + ip.headerLen, ip.payloadLen)
  if (message !== null && isIcmpError(message.type) && receiveIcmpError(stack, message, ip.targetIp)) return
  if (stack.hostKernel.pass(frame)) return
  if (message === null) return stack.stats.add('dropMalformed')
  if (message.type === ICMP_ECHO_REQUEST && message.code === 0) answerEcho(stack, message, ip, wayBack)
  else if (isIcmpError(message.type)) stack.stats.add('icmpErrorsIgnored')
}

/**
 * RFC 1122, 3.2.2.6: the reply carries all that the request did. It is cut into fragments if it must be, here or on its way:
 * nobody would tell us of a path that is too narrow in a way that could be verified. It takes the way of the request back.
 */
function answerEcho(stack: Stack, request: IcmpMessage, ip: Ipv4Parsed, wayBack: SourceRoute | null): void {
  stack.stats.add('icmpEchoes')
  send(stack, { ...request, type: ICMP_ECHO_REPLY }, ip.targetIp, ip.sourceIp, wayBack)
}

/**
 * RFC 1122, 3.3.2: fragments of a datagram did not all come in time. `first` is the frame of its beginning; about ICMP there are no
 * errors (RFC 1122, 3.2.2).
 */
export function reportReassemblyTimeout(stack: Stack, first: Uint8Array): void {
  const ip = parseIpv4Start(first, ETHERNET_HEADER_BYTES)
  if (ip !== null) report(stack, first, ip, ICMP_TIME_EXCEEDED, ICMP_REASSEMBLY_TIME)
}

/** RFC 1122, 3.3.5: the source route of the datagram in `frame` goes on from here, where nothing is forwarded. */
export function reportSourceRouteFailed(stack: Stack, { bytes }: Frame, ip: Ipv4Parsed): void {
  report(stack, bytes, ip, ICMP_UNREACHABLE, ICMP_SOURCE_ROUTE_FAILED)
}

function report(stack: Stack, frame: Uint8Array, ip: Ipv4Parsed, type: number, code: number): void {
  if (ip.protocol === PROTOCOL_ICMP || !stack.replyLimit.mayRefuse(ip.sourceIp, false, stack.nowUs)) return
  const payload = frame.subarray(ETHERNET_HEADER_BYTES, ETHERNET_HEADER_BYTES + ip.headerLen + ICMP_QUOTED_BYTES)
  send(stack, { type, code, id: 0, sequence: 0, payload }, ip.targetIp, ip.sourceIp, null)
}

function send(stack: Stack, message: IcmpMessage, localIp: number, remoteIp: number, sourceRoute: SourceRoute | null): void {
  const bytes = new Uint8Array(ICMP_HEADER_BYTES + message.payload.length)
  emitIcmp(bytes, 0, message)
  stack.output.fragmentable(bytes, { sourceIp: localIp, targetIp: remoteIp, protocol: PROTOCOL_ICMP }, sourceRoute)
}
