/**
 * ICMP: echo requests are answered (RFC 1122, 3.2.2.6), whatever their length; errors about our connections are handled
 * (icmperrors.ts). With --kni-name all that is not about our connections is the host kernel's.
 */
import {
  emitIcmp, ETHERNET_HEADER_BYTES, ICMP_ECHO_REPLY, ICMP_ECHO_REQUEST, ICMP_HEADER_BYTES, ICMP_QUOTED_BYTES, ICMP_REASSEMBLY_TIME,
  ICMP_TIME_EXCEEDED, type IcmpMessage, type Ipv4Parsed, isIcmpError, parseIcmp, parseIpv4Start, PROTOCOL_ICMP,
} from '../../lib/wire/index.js'
import { receiveIcmpError } from './icmperrors.js'
import type { Frame, Stack } from './stack.js'

/** A whole datagram to an address of ours (not a broadcast), its IP header behind the Ethernet header. */
export function receiveIcmp(stack: Stack, frame: Frame, ip: Ipv4Parsed): void {
  const message = parseIcmp(frame.bytes, ETHERNET_HEADER_BYTES + ip.headerLen, ip.payloadLen)
  if (message !== null && isIcmpError(message.type) && receiveIcmpError(stack, message, ip.targetIp)) return
  if (stack.hostKernel.pass(frame)) return
  if (message === null) return stack.stats.add('dropMalformed')
  if (message.type === ICMP_ECHO_REQUEST && message.code === 0) answerEcho(stack, message, ip)
  else if (isIcmpError(message.type)) stack.stats.add('icmpErrorsIgnored')
}

/**
 * RFC 1122, 3.2.2.6: the reply carries all that the request did. It is cut into fragments if it must be, here or on its way:
 * nobody would tell us of a path that is too narrow in a way that could be verified.
 */
function answerEcho(stack: Stack, request: IcmpMessage, ip: Ipv4Parsed): void {
  stack.stats.add('icmpEchoes')
  send(stack, { ...request, type: ICMP_ECHO_REPLY }, ip.targetIp, ip.sourceIp)
}

/**
 * RFC 1122, 3.3.2: fragments of a datagram did not all come in time. `first` is the frame of its beginning; about ICMP there are no
 * errors (RFC 1122, 3.2.2).
 */
export function reportReassemblyTimeout(stack: Stack, first: Uint8Array): void {
  const ip = parseIpv4Start(first, ETHERNET_HEADER_BYTES)
  if (ip === null || ip.protocol === PROTOCOL_ICMP || !stack.replyLimit.mayRefuse(ip.sourceIp, false, stack.nowUs)) return
  const payload = first.subarray(ETHERNET_HEADER_BYTES, ETHERNET_HEADER_BYTES + ip.headerLen + ICMP_QUOTED_BYTES)
  const message = { type: ICMP_TIME_EXCEEDED, code: ICMP_REASSEMBLY_TIME, id: 0, sequence: 0, payload }
  send(stack, message, ip.targetIp, ip.sourceIp)
}

function send(stack: Stack, message: IcmpMessage, localIp: number, remoteIp: number): void {
  const bytes = new Uint8Array(ICMP_HEADER_BYTES + message.payload.length)
  emitIcmp(bytes, 0, message)
  stack.output.fragmentable(bytes, localIp, remoteIp, PROTOCOL_ICMP)
}
