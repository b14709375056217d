/** ICMP: echo requests are answered (RFC 1122, 3.2.2.6). */
import {
  emitIcmp, ETHERNET_HEADER_BYTES, ICMP_ECHO_REPLY, ICMP_ECHO_REQUEST, ICMP_HEADER_BYTES, parseIcmp, PROTOCOL_ICMP,
} from '../../lib/wire/index.js'
import { PAYLOAD_AT } from './output.js'
import type { Stack } from './stack.js'

/** A message of `len` bytes at `at` of a frame from `remoteIp` to our address `localIp` (not a broadcast). */
export function receiveIcmp(stack: Stack, frame: Uint8Array, at: number, len: number, remoteIp: number, localIp: number): void {
  const message = parseIcmp(frame, at, len)
  if (message === null) return stack.stats.add('dropMalformed')
  const isTooLong = PAYLOAD_AT + len > stack.output.mtu + ETHERNET_HEADER_BYTES
  if (message.type !== ICMP_ECHO_REQUEST || message.code !== 0 || isTooLong) return
  const reply = new Uint8Array(PAYLOAD_AT + ICMP_HEADER_BYTES + message.payload.length)
  emitIcmp(reply, PAYLOAD_AT, { ...message, type: ICMP_ECHO_REPLY })
  stack.stats.add('icmpEchoes')
  stack.output.ip(reply, localIp, remoteIp, PROTOCOL_ICMP)
}
